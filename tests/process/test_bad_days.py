"""Full disks, missing folders, wrong symbols: one clear line, the right status, nothing lost."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.process.fleet_parts import DOOR, Fleet, kill_all
from utils.home import CHECKOUT


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


SYNTHETIC = {"feed": "synthetic"}


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A daemon with bots for the tests that leave it alive and harm their own one at most."""
    fleet = Fleet(tmp_path_factory.mktemp("crew") / "home")
    sol = {"symbol": "SOL-USDC"}
    fleet.add("owned", exchange_config={"account": "shared"})
    fleet.add("beside", exchange_config={"seed": 2}, daemon_config={"stop_timeout_s": 1})
    fleet.add("not-a-ledger", daemon_config={"max_restarts": 1})
    fleet.add("moved", exchange_config=SYNTHETIC, strategy_config=sol)
    idle = {"strategy_config": {**sol, "order_size": 1}, "risk_config": {"max_position": 50}}
    fleet.add("idle", exchange_config=SYNTHETIC, daemon_config={"autostart": False}, **idle)
    folder = fleet.home.bot_state("not-a-ledger")
    folder.mkdir(parents=True)
    (folder / "ledger.db").write_bytes(b"this is not a database" * 100)
    try:
        fleet.start().quoting("owned", "beside")
        fleet.until(lambda: fleet.bot("moved")["state"] == "RUNNING")
        yield fleet
    finally:
        fleet.end()


def test_a_full_disk_stops_new_orders_not_the_worker_and_nothing_is_lost(fleet: Fleet) -> None:
    """Every write of the worker to a file fails for a while, as on a full disk; its ledger goes on afterwards."""
    fleet.add("one", risk_config={"breaker_cooldown_s": 1})  # the paper venue lies on the same disk and refuses
    fleet.start().quoting("one")
    fleet.until(lambda: fleet.bot("one")["fills"] > 0)
    worker = psutil.Process(fleet.bot("one")["pid"])
    before = fleet.bot("one")
    worker.rlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    row = fleet.until(lambda: "ledger" in (row := fleet.bot("one"))["gates"] and row["open_orders"] == 0 and row)
    assert row["state"] == "RUNNING"
    time.sleep(1.0)
    assert fleet.bot("one")["pid"] == worker.pid
    worker.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    fleet.quoting("one", seconds=30)
    after = fleet.bot("one")
    assert (after["pid"], after["restarts"]) == (worker.pid, 0)
    assert after["fills"] >= before["fills"]
    fleet.run("stop")
    assert fleet.open_paper_orders() == []
    assert _paper_fills(fleet) == _ledger_fills(fleet)


def _rows(path: os.PathLike[str], table: str) -> set[str]:
    db = sqlite3.connect(path)
    try:
        return {row[0] for row in db.execute(f"SELECT trade_id FROM {table}")}
    finally:
        db.close()


def _paper_fills(fleet: Fleet) -> set[str]:
    (path,) = (fleet.home.state / "paper").glob("*.db")
    return _rows(path, "fills")


def _ledger_fills(fleet: Fleet) -> set[str]:
    return _rows(fleet.home.bot_state("one") / "ledger.db", "fills")


def test_after_many_kills_the_ledger_has_every_fill_of_the_venue_exactly_once(fleet: Fleet) -> None:
    fleet.add("one", daemon_config={"max_restarts": 100})
    fleet.start().quoting("one")
    for _ in range(6):
        pid = fleet.until(lambda: fleet.is_quoting("one") and fleet.bot("one")["pid"])
        time.sleep(0.7)
        os.kill(pid, 9)
        fleet.until(lambda pid=pid: fleet.bot("one")["pid"] not in (None, pid))
    fleet.quoting("one")
    fleet.run("stop")
    assert len(_paper_fills(fleet)) > 0
    assert _paper_fills(fleet) == _ledger_fills(fleet)


def test_an_empty_folder_is_refused_with_what_to_do(fleet: Fleet) -> None:
    done = fleet.run("start", "--daemon")
    assert done.returncode == 1
    assert "config create" in one_line(done.stderr)


def test_a_home_that_cannot_be_written_is_refused(fleet: Fleet) -> None:
    fleet.add("one")
    (fleet.home.root / "var").write_text("a file where a folder should be")
    done = fleet.run("start", "--daemon")
    assert done.returncode == 1
    assert "var" in one_line(done.stderr)


WRONG: list[tuple[dict[str, dict[str, object]], list[str]]] = [
    ({"strategy_config": {"symbol": "NO-SUCH"}}, ["NO-SUCH", "BTC-USDT"]),
    ({"metadata": {"exchange": "nowhere"}}, ["nowhere", "paper"]),
    ({"metadata": {"strategy": "market_makr"}}, ["market_makr", "market_maker"]),
    ({"exchange_config": {"feed": "replay:missing.csv.gz"}}, ["missing.csv.gz"]),
    ({"exchange_config": {"api_key": "literal"}}, ["api_key"]),
    ({"exchange_config": {"api_key": "${NOT_SET}"}}, ["NOT_SET"]),
    ({"strategy_config": {"layers": "many"}}, ["layers", "many"]),
]


def test_a_wrong_config_is_refused_naming_what_and_what_else(fleet: Fleet) -> None:
    for number, (sections, _) in enumerate(WRONG):
        fleet.add(f"wrong-{number}", **sections)
    done = fleet.run("start", "--daemon")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for number, (_, words) in enumerate(WRONG):
        said = "\n".join(line for line in done.stderr.splitlines() if f"wrong-{number}" in line)
        assert [word for word in words if word not in said] == [], done.stderr


def test_a_truncated_recording_is_refused_before_a_worker_starts(fleet: Fleet) -> None:
    shipped = CHECKOUT / "data" / "recordings" / "slice60s_binance_spot_btcusdt_20240808.csv.gz"
    fleet.home.data.mkdir(parents=True)
    (fleet.home.data / "cut.csv.gz").write_bytes(shipped.read_bytes()[:100_000])
    sidecar = shipped.with_name("slice60s_binance_spot_btcusdt_20240808.json")
    (fleet.home.data / "cut.json").write_text(sidecar.read_text())
    fleet.add("one", exchange_config={"feed": "replay:cut.csv.gz"})
    done = fleet.run("start", "--daemon")
    assert done.returncode == 1
    assert "cut.csv.gz" in done.stderr


def test_a_bot_of_a_second_home_on_another_paper_venue_does_not_conflict(crew: Fleet, tmp_path: Path) -> None:
    other = Fleet(tmp_path / "second")
    other.environ["MAKERD_CLAIMS_DIR"] = crew.environ["MAKERD_CLAIMS_DIR"]
    try:
        other.add("beside")
        other.start().quoting("beside")
        crew.quoting("beside")
    finally:
        other.end()


def test_two_bots_on_one_account_and_symbol_are_refused_together(fleet: Fleet) -> None:
    fleet.add("one", exchange_config={"account": "shared"})
    fleet.add("two", exchange_config={"account": "shared"})
    done = fleet.run("start", "--daemon")
    assert done.returncode == 1
    assert "one" in done.stderr
    assert "two" in done.stderr


def _direct(fleet: Fleet, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CHECKOUT / "run.py"), "--exchange", "paper", *arguments],
        cwd="/",
        env=fleet.environ,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_a_direct_run_on_a_symbol_that_the_daemon_owns_is_refused(crew: Fleet) -> None:
    done = _direct(crew, "--symbol", "BTC-USDT", "--duration", "5", "--set", "exchange_config.account=shared")
    assert done.returncode == 78
    assert "'owned'" in done.stdout + done.stderr
    assert crew.quoting("owned").bot("owned")["restarts"] == 0


def test_a_direct_run_beside_the_daemon_leaves_its_bots_alone(crew: Fleet) -> None:
    pid = crew.bot("beside")["pid"]
    done = _direct(crew, "--symbol", "SOL-USDC", "--duration", "6", "--set", "daemon_config.stop_timeout_s=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (crew.bot("beside")["pid"], crew.bot("beside")["restarts"]) == (pid, 0)


def test_a_direct_run_whose_name_the_daemon_runs_is_refused_and_harms_nobody(crew: Fleet) -> None:
    pid = crew.bot("beside")["pid"]
    done = _direct(crew, "--symbol", "SOL-USDC", "--name", "beside", "--duration", "6")
    assert done.returncode == 78
    assert (crew.bot("beside")["pid"], crew.bot("beside")["restarts"]) == (pid, 0)


def test_a_damaged_run_record_is_named_and_its_bot_swept_before_it_starts(fleet: Fleet) -> None:
    damaged = {"half": '{"clean": false}', "list": "[]", "garbage": "garbage"}
    for name, content in damaged.items():
        fleet.add(name)
        folder = fleet.home.bot_state(name)
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(content)
    fleet.start().quoting(*damaged)
    named = [entry["file"] for entry in fleet.status()["invalid"]]
    for name in damaged:
        assert [file for file in named if file.endswith(f"{name}/run.json")], named
        assert '"sweep_ended"' in (fleet.home.log / f"{name}.log").read_text()


def test_a_fleets_last_exit_tells_the_traceback_of_a_crash(crew: Fleet) -> None:
    """A ledger of another version stops a worker with a reason, not a riddle."""
    row = crew.until(lambda: (row := crew.bot("not-a-ledger"))["last_exit"] and row)
    assert "ledger" in row["last_exit"]["reason"]
    assert any("ledger" in json.loads(line).get("reason", "") for line in row["last_exit"]["log_tail"])


def test_a_changed_symbol_under_the_same_name_is_refused_and_the_bot_that_runs_goes_on(crew: Fleet) -> None:
    pid = crew.bot("moved")["pid"]
    crew.add("moved", exchange_config=SYNTHETIC, strategy_config={"symbol": "ETH-USDT"})
    crew.run("reload")
    (refused,) = crew.until(lambda: [one for one in crew.status()["invalid"] if one.get("name") == "moved"])
    assert "the ledger of bot 'moved' is of paper moved SOL-USDC paper" in refused["complaints"][0]
    row = crew.bot("moved")
    assert (row["state"], row["pid"], row["symbol"]) == ("RUNNING", pid, "SOL-USDC")


def test_a_worker_never_writes_over_the_trace_of_orders_that_nobody_swept(crew: Fleet) -> None:
    """A direct run under a name that the daemon keeps idle is killed whole: the daemon sweeps before it starts it."""
    direct = subprocess.Popen(
        [sys.executable, str(CHECKOUT / "run.py"), "--exchange", "paper", "--symbol", "SOL-USDC", "--name", "idle"],
        cwd="/",
        env=crew.environ,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    record = crew.home.bot_state("idle") / "run.json"
    crew.until(lambda: record.exists() and (crew.home.bot_state("idle") / "ledger.db").exists())
    time.sleep(2)
    family = [direct.pid, *(child.pid for child in psutil.Process(direct.pid).children(recursive=True))]
    for pid in family:
        os.kill(pid, 19)  # SIGSTOP: nobody can react to the others' end
    kill_all(family)
    direct.wait()
    assert '"clean": false' in record.read_text()
    crew.run("bot", "start", "idle")
    crew.until(lambda: crew.bot("idle")["state"] == "RUNNING")
    assert '"sweep_ended"' in (crew.home.log / "idle.log").read_text()


def test_a_stopping_daemon_starts_nothing(fleet: Fleet) -> None:
    fleet.add("slow", daemon_config={"stop_timeout_s": 4, "heartbeat_timeout_s": 60})
    fleet.add("two", exchange_config={"seed": 2})
    fleet.start().quoting("slow", "two")
    os.kill(fleet.bot("slow")["pid"], 19)
    stopping = subprocess.Popen([sys.executable, DOOR, "stop"], env=fleet.environ, stdout=subprocess.DEVNULL)
    fleet.until(lambda: fleet.status()["daemon"]["state"] == "stopping")
    done = fleet.run("restart", "two")
    assert done.returncode == 1
    assert "stopping" in done.stderr
    assert stopping.wait(60) == 0
    assert fleet.open_paper_orders() == []
