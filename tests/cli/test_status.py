"""The command `status`: what is shown, `--check`, `--watch`, and what is known while no daemon lives."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from core.process.control import NAME, call
from tests.cli.door_parts import DOOR, ROOT, Run
from tests.console_parts import ROW, Daemon, config, row, write_config
from utils.home import Home
from utils.version import __version__


def test_status_is_what_the_daemon_says(run: Run, daemon: Daemon) -> None:
    done = run("status", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, daemon.status())


def test_status_with_the_daemon_down_has_the_same_shape(run: Run, home: Home) -> None:
    write_config(home, config())
    done = run("status", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    stopped = {"state": "stopped", "pid": None, "uptime_s": 0.0, "loop_age_s": None}
    rest = {"version": __version__, "home": str(home.root), "web": {"state": "off", "url": None, "reason": ""}}
    assert (found["daemon"], found["invalid"]) == ({**stopped, **rest}, [])
    assert set(found["bots"][0]) == set(ROW)
    assert set(found["bots"][0]["legs"][0]) == set(ROW["legs"][0])
    assert (found["bots"][0]["state"], found["bots"][0]["legs"][0]["account"]) == ("STOPPED", "sol-mm")


def test_only_pid_phase_mid_and_measurements_are_null_while_the_daemon_is_down(run: Run, home: Home) -> None:
    write_config(home, config())
    bot = json.loads(run("status", "--json").stdout)["bots"][0]
    null = {key for key, value in bot.items() if value is None}
    measured = {"heartbeat_age_s", "cpu_pct", "pss_mb", "config_digest"}
    assert null == {"pid", "phase", "mid", "last_exit", "network", *measured}


def test_a_status_without_any_config_says_what_to_do(run: Run) -> None:
    assert "`config create` makes one" in run("status").stdout


@pytest.mark.parametrize("text", ["{", "[]", '{"metadata": 3}', "[" * 100_000, "\x00\xff", '{"metadata": {"name": "a"'])
def test_a_broken_config_is_listed_and_hides_no_other(run: Run, home: Home, text: str) -> None:
    write_config(home, text, "broken.json")
    write_config(home, config())
    found = json.loads(run("status", "--json").stdout)
    assert [bot["name"] for bot in found["bots"]] == ["sol-mm"]
    assert [entry["file"] for entry in found["invalid"]] == ["config/active/broken.json"]


def test_variables_are_put_in_while_the_daemon_is_down(run: Run, home: Home) -> None:
    home.env_file.write_text("WHICH=ETH-USDT\n")
    home.env_file.chmod(0o600)
    write_config(home, config(strategy_config={"symbol": "${WHICH}"}))
    assert json.loads(run("status", "--json").stdout)["bots"][0]["symbol"] == "ETH-USDT"


def test_a_daemon_that_holds_the_lock_but_does_not_listen_yet_is_starting(run: Run, home: Home) -> None:
    from core.process.pid_file import PidFile

    home.make_folders()
    lock = PidFile(home.run)
    assert lock.acquire()
    found = json.loads(run("status", "--json").stdout)["daemon"]
    lock.release()
    assert (found["state"], found["pid"]) == ("starting", os.getpid())


def test_the_status_of_one_bot(run: Run, daemon: Daemon) -> None:
    daemon.bots.append(row(name="other"))
    assert [bot["name"] for bot in json.loads(run("status", "other", "--json").stdout)["bots"]] == ["other"]
    shown = run("status", "other").stdout
    assert "quote_uptime_pct" in shown
    assert "99.2" in shown


def test_an_unknown_bot_is_one_clear_line(run: Run, daemon: Daemon) -> None:
    done = run("status", "sol_mm")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "makerd: no bot is named 'sol_mm'; did you mean 'sol-mm'?\n"


def test_status_is_quick() -> None:
    """Figures are the benchmark's; here only that the heavy things stay out."""
    script = (
        "import sys; sys.argv[1:] = ['status', '--json']\n"
        "from core.daemon_manager import main; main()\n"
        "print(sorted({'rich', 'jsonschema', 'numpy', 'questionary', 'psutil', 'dotenv'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("change", "healthy"),
    [
        ({}, True),
        ({"state": "STOPPED", "wanted": False, "pid": None, "last_exit": None}, True),
        ({"state": "STOPPED", "wanted": False, "last_exit": {"status": 0, "signal": None, "reason": ""}}, True),
        ({"state": "SWEEPING", "wanted": False}, False),
        ({"gates": ["paused"], "phase": "PAUSED"}, True),
        ({"gates": ["spread"], "phase": "PAUSED"}, True),
        ({"gates": ["paused", "stale"], "phase": "PAUSED"}, False),
        ({"gates": ["ledger"]}, False),
        ({"state": "STOPPED", "last_exit": {"status": 70, "signal": None, "reason": "crash"}}, False),
        ({"state": "STOPPED", "last_exit": {"status": None, "signal": 9, "reason": "killed"}}, False),
        ({"state": "STARTING"}, False),
        ({"state": "BACKOFF"}, False),
        ({"state": "HALTED", "reason": "max_loss"}, False),
        ({"heartbeat_age_s": 11.0}, False),
        ({"heartbeat_age_s": None}, False),
    ],
)
def test_check_is_about_wanted_bots(run: Run, daemon: Daemon, change: dict[str, Any], healthy: bool) -> None:
    daemon.bots = [row(**change)]
    done = run("status", "--check")
    assert (done.exit_code, done.stdout, bool(done.stderr)) == (0 if healthy else 1, "", not healthy)


def test_check_says_why_in_a_line_for_each_bot(run: Run, daemon: Daemon) -> None:
    daemon.bots = [
        row(name="a", state="FATAL", reason="bad\nkey\x1b[31m", last_exit={"reason": "older"}),
        row(name="b", state="SWEEPING", reason="no answer"),
        row(name="c", phase="PAUSED", gates=["link", "paused"]),
        row(name="d", heartbeat_age_s=99.0),
        row(name="e"),
    ]
    done = run("status", "--check")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "a: FATAL (bad\\u000akey\\u001b[31m)",
        "b: its orders are not confirmed to be gone (no answer)",
        "c: PAUSED, gates link",
        "d: no heartbeat for 99 s",
    ]


def test_check_fails_for_a_daemon_that_lives_and_does_not_answer(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.make_folders()
    monkeypatch.setattr("cli.status_commands.call", partial(call, timeout_s=0.2))
    with socket.socket(socket.AF_UNIX) as hung:  # connections are taken by the kernel, and nobody looks at them
        monkeypatch.chdir(home.run)
        hung.bind(NAME)
        hung.listen()
        done = run("status", "--check")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "did not answer" in done.stderr


def test_check_of_one_bot_is_not_about_the_others(run: Run, daemon: Daemon) -> None:
    daemon.bots = [row(name="a"), row(name="b", state="FATAL")]
    daemon.invalid = [{"file": "config/active/c.json", "name": "c", "complaints": ["c.json:1: wrong"]}]
    assert run("status", "a", "--check").exit_code == 0
    assert run("status", "b", "--check").stderr == "b: FATAL\n"
    daemon.invalid = [{"file": "config/active/a.json", "name": None, "complaints": ["a.json:1: wrong"]}]
    assert run("status", "a", "--check").stderr == "a.json:1: wrong\n"


def test_check_fails_for_a_stopped_daemon_and_for_an_invalid_file(run: Run, home: Home, request: Any) -> None:
    assert run("status", "--check").stderr == "the daemon is stopped\n"
    daemon = request.getfixturevalue("daemon")
    daemon.invalid = [{"file": "x.json", "complaints": ["x.json:1: wrong"]}]
    done = run("status", "--check", "--json")
    assert (done.exit_code, done.stderr) == (1, "x.json:1: wrong\n")
    assert json.loads(done.stdout) == daemon.status()


def test_watching_repeats_the_status_until_ctrl_c(daemon: Daemon) -> None:
    command = [sys.executable, str(DOOR), "--home", str(daemon.home.root), "status", "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert json.loads(process.stdout.readline()) == daemon.status()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_without_a_daemon_the_figures_are_those_of_the_ledger(run: Run, home: Home) -> None:
    from core.market.order import Fill, Side
    from core.market.position import Position
    from core.trading.ledger import Ledger, LedgerBatch
    from tests.market_parts import fill, instrument

    write_config(home, config())
    ledger = Ledger.open(home.bot_state("sol-mm") / "ledger.db")
    ledger.use_instrument("main", instrument())
    booked: Fill = fill(Side.BUY, 100, 3)
    after = Position("main").after_fill(booked, instrument())
    ledger.write(LedgerBatch(fills=[(booked, after)]))
    ledger.close()
    bot = json.loads(run("status", "--json").stdout)["bots"][0]
    assert (bot["fills"], bot["fees"]) == (1, format(after.fees_paid, "f"))
    assert bot["position"] == bot["legs"][0]["position"] == str(instrument().to_size(3))


def test_a_damaged_ledger_costs_the_status_only_its_figures(run: Run, home: Home) -> None:
    write_config(home, config())
    home.bot_state("sol-mm").mkdir(parents=True)
    (home.bot_state("sol-mm") / "ledger.db").write_bytes(b"no database" * 100)
    assert json.loads(run("status", "--json").stdout)["bots"][0]["fills"] == 0
