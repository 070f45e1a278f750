"""`start`, `stop`, `restart`, `reload` and `bot`: what they ask of the daemon, what is printed, and the status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from core.process.control import DaemonDown
from core.process.launcher import StartRefused
from tests.cli.door_parts import DOOR, ROOT, Run, door
from tests.console_parts import Daemon, Services, config, write_config
from utils.home import Home


def test_start_says_who_runs_and_what_was_refused(run: Run, services: Services) -> None:
    services.invalid = [{"file": "x.json", "complaints": ["x.json:3: wrong", "x.json:4: wrong too"]}]
    done = run("start", "--daemon")
    assert done.exit_code == 0
    assert done.stdout == "makerd is running: pid 4242, 2 bots; `status` shows them\n"
    assert done.stderr == "1 file not valid, and not started:\n  x.json:3: wrong\n  x.json:4: wrong too\n"


def test_start_takes_names_and_refuses_unknown_ones(run: Run, home: Home, services: Services) -> None:
    write_config(home, config())
    assert run("start", "--daemon", "sol-mm").exit_code == 0
    assert run("start", "sol-mm").exit_code == 0
    assert services.started == [("sol-mm",), ("foreground", "sol-mm")]
    done = run("start", "--daemon", "nobody")
    assert (done.exit_code, done.stderr) == (1, "makerd: no active bot is named 'nobody'; there are: sol-mm\n")


def test_a_refused_start_is_one_line_and_then_every_complaint(run: Run, services: Services) -> None:
    services.refusal = StartRefused("already running for this home as pid 7")
    done = run("start", "--daemon")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "makerd: already running for this home as pid 7\n"
    services.refusal = StartRefused("no valid config: a (and 1 more)", [{"file": "x", "complaints": ["a", "b"]}])
    assert run("start", "--daemon").stderr == "makerd: no valid config: a (and 1 more)\na\nb\n"


def test_start_in_json(run: Run) -> None:
    assert json.loads(run("start", "--daemon", "--json").stdout)["pid"] == 4242


def test_stop_reports_what_is_left(run: Run, daemon: Daemon) -> None:
    report = {
        "bots": [{"name": "a", "how": "clean", "left_orders": []}, {"name": "b", "how": "swept", "left_orders": []}]
    }
    daemon.answers["stop"] = report
    done = run("stop")
    assert (done.exit_code, done.stdout) == (0, "stopped: 1 clean, 1 swept; no order is left\n")


def test_stop_returns_when_the_daemon_is_gone(run: Run, daemon: Daemon) -> None:
    from core.process.pid_file import holder

    daemon.answers["stop"] = {"bots": []}
    daemon.linger_s = 0.3
    assert run("stop").exit_code == 0
    assert holder(daemon.home.run) is None


def test_stop_fails_when_an_order_may_be_left(run: Run, daemon: Daemon) -> None:
    daemon.answers["stop"] = {"bots": [{"name": "a", "how": "killed", "left_orders": ["x1", "x2"]}]}
    done = run("stop")
    assert done.exit_code == 1
    assert done.stderr.startswith("a: orders may be left at the venue: x1, x2;")
    assert "no order is left" not in done.stdout


def test_stop_of_a_stopped_daemon_is_done(run: Run) -> None:
    done = run("stop")
    assert (done.exit_code, done.stdout) == (0, "the daemon is not running\n")
    assert json.loads(run("stop", "--json").stdout) == {"bots": []}


def test_a_daemon_that_does_not_answer_is_stopped_by_a_signal(run: Run, home: Home) -> None:
    home.make_folders()
    script = (
        "import sys, time; from pathlib import Path; from core.process.pid_file import PidFile\n"
        "assert PidFile(Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(home.run)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stuck:
        assert stuck.stdout is not None
        assert stuck.stdout.readline() == "held\n"
        done = run("stop")
        assert stuck.wait(10) == -signal.SIGTERM
    assert done.exit_code == 0
    assert done.stderr == f"the daemon (pid {stuck.pid}) does not answer; it is asked by a signal\n"


def test_restart_without_a_name_is_a_stop_and_a_start(run: Run, daemon: Daemon, services: Services) -> None:
    daemon.answers["stop"] = {"bots": []}
    done = run("restart")
    assert done.stdout.splitlines()[0] == "stopped; no order is left"
    assert services.started == [()]


def test_restart_of_a_bot_asks_the_daemon(run: Run, daemon: Daemon) -> None:
    daemon.answers["restart"] = {"bots": [{"name": "sol-mm", "state": "RUNNING", "reason": ""}]}
    assert run("restart", "sol-mm").stdout == "sol-mm RUNNING\n"
    assert daemon.asked == [("restart", {"names": ["sol-mm"]})]


@pytest.mark.parametrize("action", ["start", "stop", "reset"])
def test_bot_commands_ask_the_daemon(run: Run, daemon: Daemon, action: str) -> None:
    daemon.answers["bot"] = {"bots": [{"name": "sol-mm", "state": "STOPPED", "reason": ""}]}
    assert run("bot", action, "sol-mm", "b").exit_code == 0
    assert daemon.asked == [("bot", {"action": action, "names": ["sol-mm", "b"]})]


def test_a_bot_that_comes_to_nothing_good_fails_the_command(run: Run, daemon: Daemon) -> None:
    daemon.answers["bot"] = {"bots": [{"name": "sol-mm", "state": "FATAL", "reason": "claim is held"}]}
    done = run("bot", "start", "sol-mm")
    assert (done.exit_code, done.stdout) == (1, "sol-mm FATAL: claim is held\n")


def test_a_refusal_of_the_daemon_is_one_line(run: Run, daemon: Daemon) -> None:
    daemon.answers["bot"] = "no bot named b; known: sol-mm"
    done = run("bot", "stop", "b")
    assert (done.exit_code, done.stderr) == (1, "makerd: no bot named b; known: sol-mm\n")


def test_reload_tells_the_complaints_and_fails_when_there_are_any(run: Run, daemon: Daemon) -> None:
    daemon.answers["reload"] = {"bots": 3, "invalid": []}
    assert run("reload").stdout == "read again: 3 valid configs\n"
    daemon.answers["reload"] = {"bots": 2, "invalid": [{"file": "x.json", "complaints": ["x.json:1: wrong"]}]}
    done = run("reload")
    assert (done.exit_code, "x.json:1: wrong" in done.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [("reload",), ("bot", "stop", "a"), ("restart", "a")])
def test_without_a_daemon_a_command_says_how_to_start_one(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stderr) == (1, f"makerd: {DaemonDown()}\n")
    assert "start --daemon" in done.stderr


# With everything real


def test_in_the_foreground_the_log_is_shown_until_ctrl_c_and_everything_is_stopped(home: Home) -> None:
    write_config(home, config())
    command = [sys.executable, str(DOOR), "--home", str(home.root), "start"]
    environ = {**os.environ, "MAKERD_CLAIMS_DIR": str(home.root / "claims")}
    with subprocess.Popen(
        command, cwd="/", env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("makerd is running in the foreground: pid ")
        assert json.loads(door("status", "--json").stdout)["daemon"]["state"] == "running"
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "stopping: every bot cancels its orders" in shown
    assert "daemon process stopped" in shown
    assert json.loads(door("status", "--json").stdout)["daemon"]["state"] == "stopped"
