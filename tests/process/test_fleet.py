"""The main job, with a real daemon: start, quote, fill, die, come back, stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.process.fleet_parts import Fleet, is_living, kill_all

ROW_KEYS = {
    "name", "kind", "state", "wanted", "pid", "uptime_s", "restarts", "last_exit", "exchange", "symbol", "strategy",
    "mode", "network", "phase", "heartbeat_age_s", "cpu_pct", "pss_mb", "open_orders", "position", "mid",
    "realised_pnl", "unrealised_pnl", "fees", "funding", "fills", "quote_uptime_pct", "gates", "legs",
    "config_digest", "stats",
}  # fmt: skip
LEG_KEYS = {"leg", "exchange", "account", "symbol", "position", "open_orders", "dead_man", "clock_offset_ms"}


CREW: dict[str, dict[str, Any]] = {
    "one": {},
    "two": {},
    "killed-9": {},
    "killed-11": {},
    "frozen": {"heartbeat_timeout_s": 2},
    "orphan": {},
    "bad": {"max_restarts": 2, "min_uptime_s": 60},
    "told": {},
    "edited": {},
}


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A daemon started over a stale pid file, with a bot for each test that harms its own one only."""
    fleet = Fleet(tmp_path_factory.mktemp("crew") / "home")
    for seed, (name, supervised) in enumerate(CREW.items(), start=1):
        fleet.add(name, exchange_config={"seed": seed}, daemon_config=supervised)
    fleet.home.run.mkdir(parents=True)
    pid_file(fleet).write_text(json.dumps({"pid": 1, "start_ticks": 1, "boot_id": "old"}))
    try:
        yield fleet.start().quoting(*CREW, seconds=60)
    finally:
        fleet.end()


def pid_file(fleet: Fleet) -> Path:
    return fleet.home.run / "makerd.pid"


def test_a_folder_of_configs_becomes_a_quoting_fleet_that_fills(crew: Fleet) -> None:
    crew.until(lambda: all(crew.bot(name)["fills"] > 0 for name in ("one", "two")))
    done = crew.run("status", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert set(answer) == {"daemon", "bots", "invalid"}
    assert set(answer["daemon"]) >= {"state", "pid", "uptime_s", "loop_age_s", "version", "home", "web"}
    assert answer["daemon"]["state"] == "running"
    assert 0 <= answer["daemon"]["loop_age_s"] < answer["daemon"]["uptime_s"]
    assert {row["name"] for row in answer["bots"]} == set(CREW)
    for row in (row for row in answer["bots"] if row["name"] in ("one", "two")):
        assert set(row) >= ROW_KEYS
        assert set(row["legs"][0]) == LEG_KEYS
        assert row["pss_mb"] > 0
        assert float(row["mid"]) > 0


def test_stop_leaves_no_process_and_no_open_order(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two", exchange_config={"seed": 2})
    fleet.start().quoting("one", "two")
    everybody = set(fleet.remember())
    done = fleet.run("stop")
    assert done.returncode == 0, done.stderr
    assert fleet.open_paper_orders() == []
    deadline = time.monotonic() + 10  # the daemon's own last instructions
    while any(is_living(pid) for pid in everybody) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert [pid for pid in everybody if is_living(pid)] == []
    down = json.loads(fleet.run("status", "--json").stdout)
    assert down["daemon"]["state"] == "stopped"
    assert {row["state"] for row in down["bots"]} == {"STOPPED"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_comes_back_with_the_same_ledger(crew: Fleet, number: signal.Signals) -> None:
    name = f"killed-{number}"
    before = crew.until(lambda: (row := crew.bot(name))["fills"] > 0 and row)
    os.kill(before["pid"], number)
    after = crew.until(lambda: (row := crew.bot(name))["restarts"] == 1 and row["state"] == "RUNNING" and row)
    crew.quoting(name)
    assert after["pid"] != before["pid"]
    assert after["fills"] >= before["fills"]
    assert after["last_exit"]["signal"] == number
    assert after["last_exit"]["log_tail"]
    assert not is_living(before["pid"])


def test_a_restart_gives_back_exactly_the_same_ledger(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.start().quoting("one")
    fleet.until(lambda: fleet.bot("one")["fills"] > 0)
    fleet.run("bot", "stop", "one")
    before = fleet.until(lambda: (row := fleet.bot("one"))["state"] == "STOPPED" and row)
    booked = booked_fills(fleet, "one")
    assert said_of(before) == what(booked)
    fleet.run("stop")
    fleet.start()
    first = fleet.until(lambda: (row := fleet.bot("one"))["state"] == "RUNNING" and row)
    fleet.run("bot", "stop", "one")
    fleet.until(lambda: fleet.bot("one")["state"] == "STOPPED")
    after = booked_fills(fleet, "one")
    assert first["fills"] >= before["fills"] and after[: len(booked)] == booked
    assert said_of(first) == what(after[: first["fills"]])  # also where it has filled again since


def booked_fills(fleet: Fleet, name: str) -> list[tuple[str, ...]]:
    """Return trade id, side, size and fee of each fill in a bot's ledger, oldest first."""
    with contextlib.closing(sqlite3.connect(fleet.home.bot_state(name) / "ledger.db")) as db:
        return list(db.execute("SELECT trade_id, side, size, fee FROM fills ORDER BY number"))


def what(fills: list[tuple[str, ...]]) -> tuple[int, Decimal, Decimal]:
    """Return number, position and fees of fills."""
    sizes = [Decimal(size) if side == "buy" else -Decimal(size) for _, side, size, _ in fills]
    return len(fills), sum(sizes, Decimal(0)), sum((Decimal(fee) for *_, fee in fills), Decimal(0))


def realised(fleet: Fleet, name: str, count: int) -> Decimal:
    """Return the profit of so many of a bot's first fills at average cost, fees left out."""
    with contextlib.closing(sqlite3.connect(fleet.home.bot_state(name) / "ledger.db")) as db:
        rows = list(db.execute("SELECT side, price, size FROM fills ORDER BY number LIMIT ?", (count,)))
    held, cost, profit = Decimal(0), Decimal(0), Decimal(0)  # cost: the price at which it is held
    for side, price, size in ((side, Decimal(price), Decimal(size)) for side, price, size in rows):
        signed = size if side == "buy" else -size
        closed = min(size, abs(held)) if held * signed < 0 else Decimal(0)
        profit += closed * (price - cost) * (1 if held > 0 else -1)
        after = held + signed
        if not closed:
            cost = (abs(held) * cost + size * price) / abs(after)
        elif closed < size:
            cost = price
        held = after
    return profit


def said_of(row: dict[str, Any]) -> tuple[int, Decimal, Decimal]:
    """Return the same as a status says it."""
    return row["fills"], Decimal(row["position"]), Decimal(row["fees"])


def test_six_orders_of_a_killed_worker_are_cancelled_and_its_successor_has_the_same_books(fleet: Fleet) -> None:
    fleet.add("one", strategy_config={"layers": 3}, daemon_config={"backoff_initial_s": 60, "backoff_max_s": 60})
    fleet.start().quoting("one")
    row = fleet.until(lambda: (one := fleet.bot("one"))["open_orders"] == 6 and one["fills"] > 0 and one)
    os.kill(row["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("one")["state"] == "BACKOFF")  # swept, and nobody has the venue open
    assert fleet.open_paper_orders() == []
    booked = booked_fills(fleet, "one")
    assert what(booked)[0] >= row["fills"]
    fleet.run("bot", "start", "one")
    first = fleet.until(lambda: (one := fleet.bot("one"))["state"] == "RUNNING" and one)
    fleet.run("bot", "stop", "one")
    fleet.until(lambda: fleet.bot("one")["state"] == "STOPPED")
    after = booked_fills(fleet, "one")
    assert after[: len(booked)] == booked
    assert said_of(first) == what(after[: first["fills"]])
    assert float(first["realised_pnl"]) == pytest.approx(float(realised(fleet, "one", first["fills"])), abs=1e-9)


def test_a_killed_supervisor_takes_its_workers_along_and_leaves_no_order(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two", exchange_config={"seed": 2})
    fleet.start().quoting("one", "two")
    everybody = set(fleet.remember())
    os.kill(fleet.daemon_pid(), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(is_living(pid) for pid in everybody) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in everybody if is_living(pid)] == []
    assert fleet.open_paper_orders() == []


def test_after_everything_was_killed_the_next_start_sweeps_first(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.start().quoting("one")
    row = fleet.bot("one")
    everybody = set(fleet.remember())
    for pid in (row["pid"], fleet.zygote_pid(), fleet.daemon_pid()):
        os.kill(pid, signal.SIGSTOP)  # nobody can react to the others' end
    kill_all(everybody)
    fleet.until(lambda: not any(is_living(pid) for pid in everybody))
    left = set(fleet.open_paper_orders())
    assert left
    fleet.start()
    fleet.quoting("one")
    fleet.run("stop")
    assert fleet.open_paper_orders() == []
    log = (fleet.home.log / "one.log").read_text()
    swept = [json.loads(line) for line in log.splitlines() if '"sweep_ended"' in line]
    assert swept[-1]["confirmed"] is True
    assert swept[-1]["cancelled"] == len(left)


def test_what_a_bot_without_a_config_left_is_swept_too(fleet: Fleet) -> None:
    path = fleet.add("gone")
    fleet.add("other", exchange_config={"seed": 2})
    fleet.start().quoting("gone", "other")
    row = fleet.bot("gone")
    everybody = set(fleet.remember())
    for pid in (row["pid"], fleet.daemon_pid()):
        os.kill(pid, signal.SIGSTOP)
    kill_all(everybody)
    fleet.until(lambda: not any(is_living(pid) for pid in everybody))
    path.unlink()
    fleet.start().quoting("other")
    fleet.until(lambda: "gone" not in {row["name"] for row in fleet.status()["bots"]})
    fleet.run("stop")
    assert fleet.open_paper_orders() == []


def test_a_stopped_worker_is_noticed_killed_swept_and_replaced(crew: Fleet) -> None:
    other = crew.bot("two")["pid"]
    os.kill(crew.bot("frozen")["pid"], signal.SIGSTOP)
    crew.until(lambda: crew.bot("frozen")["restarts"] == 1)
    crew.quoting("frozen")
    assert "heartbeat" in crew.bot("frozen")["last_exit"]["reason"]
    assert crew.bot("two")["pid"] == other


def test_a_second_start_is_refused_with_the_pid_that_holds_the_lock(crew: Fleet) -> None:
    files = {path: path.read_bytes() for path in crew.home.run.glob("*.pid")}
    done = crew.run("start", "--daemon")
    assert done.returncode == 1
    assert str(crew.daemon_pid()) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in files} == files
    assert crew.status()["daemon"]["pid"] == crew.daemon_pid()  # its socket is still its own


def test_a_dead_zygote_is_replaced_and_no_worker_notices(crew: Fleet) -> None:
    worker, zygote = crew.bot("orphan")["pid"], crew.zygote_pid()
    os.kill(zygote, signal.SIGKILL)
    assert crew.until(lambda: (new := _zygote(crew)) != zygote and new)
    assert crew.bot("orphan")["pid"] == worker
    os.kill(worker, signal.SIGKILL)
    crew.until(lambda: crew.bot("orphan")["restarts"] == 1)
    crew.quoting("orphan")


def _zygote(fleet: Fleet) -> int | None:
    try:
        return fleet.zygote_pid()
    except (StopIteration, psutil.Error):
        return None


def test_a_crash_loop_ends_fatal_and_leaves_the_others_alone(crew: Fleet) -> None:
    others = crew.bot("one")["pid"], crew.bot("two")["pid"]
    for _ in range(3):
        pid = crew.until(lambda: (row := crew.bot("bad"))["state"] == "RUNNING" and row["pid"])
        os.kill(pid, signal.SIGKILL)
        crew.until(lambda pid=pid: crew.bot("bad")["pid"] != pid)
    crew.until(lambda: crew.bot("bad")["state"] == "FATAL")
    assert (crew.bot("one")["pid"], crew.bot("two")["pid"]) == others
    crew.run("bot", "start", "bad")
    crew.quoting("bad")


def test_a_tripped_loss_latch_survives_restarts_until_it_is_reset(fleet: Fleet) -> None:
    path = fleet.add("one", risk_config={"max_loss": 1e-9})
    fleet.start()
    row = fleet.until(lambda: (row := fleet.bot("one"))["state"] == "HALTED" and row, 40)
    assert row["last_exit"]["status"] == 77
    fleet.run("bot", "start", "one")
    assert fleet.bot("one")["state"] == "HALTED"
    fleet.run("stop")
    assert fleet.open_paper_orders() == []
    path.write_text(path.read_text().replace("1e-09", "1000"))
    fleet.start()
    fleet.until(lambda: fleet.bot("one")["state"] == "HALTED")
    fleet.run("bot", "reset", "one")
    fleet.quoting("one")


def test_sigterm_to_the_daemon_stops_everything_cleanly(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.start().quoting("one")
    everybody = set(fleet.remember())
    os.kill(fleet.daemon_pid(), signal.SIGTERM)
    deadline = time.monotonic() + 20
    while any(is_living(pid) for pid in everybody) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert fleet.open_paper_orders() == []
    assert [pid for pid in everybody if is_living(pid)] == []


def test_a_stop_signal_to_a_worker_alone_is_a_stop_not_a_crash(crew: Fleet) -> None:
    os.kill(crew.bot("told")["pid"], signal.SIGTERM)
    row = crew.until(lambda: (row := crew.bot("told"))["state"] == "STOPPED" and row)
    assert (row["last_exit"]["status"], row["restarts"]) == (0, 0)


def test_a_broken_file_leaves_the_running_fleet_alone(crew: Fleet) -> None:
    path = crew.home.active / "edited.json"
    sound, pid = path.read_text(), crew.bot("edited")["pid"]
    path.write_text(sound[:-20])
    new = crew.add("new", exchange_config={"seed": 2, "sede": 3})
    crew.run("reload")
    status = crew.until(lambda: len((found := crew.status())["invalid"]) == 2 and found)
    assert {row["name"] for row in status["bots"]} == set(CREW)
    assert crew.bot("edited")["pid"] == pid
    said = " ".join(line for entry in status["invalid"] for line in entry["complaints"])
    assert "sede" in said
    assert "seed" in said
    new.unlink()
    path.write_text(sound)
    crew.run("reload")
    crew.until(lambda: crew.status()["invalid"] == [])
    assert crew.bot("edited")["pid"] == pid


def test_a_reload_starts_what_is_new_restarts_what_changed_and_stops_what_is_gone(fleet: Fleet) -> None:
    fleet.add("same")
    fleet.add("changed", exchange_config={"seed": 2})
    gone = fleet.add("gone", exchange_config={"seed": 3})
    fleet.start().quoting("same", "changed", "gone")
    before = {row["name"]: row["pid"] for row in fleet.status()["bots"]}
    fleet.add("changed", exchange_config={"seed": 2}, daemon_config={"nice": 1})
    fleet.add("new", exchange_config={"seed": 4})
    gone.unlink()
    fleet.run("reload")
    fleet.until(lambda: {row["name"] for row in fleet.status()["bots"]} == {"same", "changed", "new"})
    fleet.until(lambda: fleet.bot("changed")["pid"] not in (None, before["changed"]))
    fleet.quoting("same", "changed", "new")
    assert fleet.bot("same")["pid"] == before["same"]


def test_a_stale_pid_file_is_replaced(crew: Fleet) -> None:
    assert json.loads(pid_file(crew).read_text())["pid"] == crew.daemon_pid() != 1
