"""The command `logs`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from tests.cli.door_parts import DOOR, Run
from utils.home import Home


def write_log(home: Home, name: str, *entries: dict[str, Any]) -> None:
    home.make_folders()
    path = home.log / f"{name}.log"
    base = {"ts": "2026-01-01T00:00:00.000000Z", "level": "INFO", "bot": name, "component": "orders"}
    path.write_text("".join(json.dumps({**base, **entry}) + "\n" for entry in entries))


def test_logs_show_the_last_lines_for_people(run: Run, home: Home) -> None:
    write_log(home, "sol-mm", *({"event": f"e{i}", "n": i} for i in range(30)))
    lines = run("logs", "sol-mm", "-n", "2").stdout.splitlines()
    assert lines[1] == "2026-01-01 00:00:00.000Z INFO    sol-mm orders e29 n=29"
    assert len(lines) == 2
    assert len(run("logs", "sol-mm").stdout.splitlines()) == 20


def test_logs_in_json_are_the_lines_themselves(run: Run, home: Home) -> None:
    write_log(home, "sol-mm", {"event": "e"})
    assert run("logs", "sol-mm", "--json").stdout == (home.log / "sol-mm.log").read_text()


def test_logs_are_chosen_by_component_and_level(run: Run, home: Home) -> None:
    write_log(
        home,
        "sol-mm",
        {"event": "a", "level": "ERROR"},
        {"event": "b", "level": "WARNING", "component": "risk"},
        *({"event": f"c{i}"} for i in range(50)),
    )
    assert run("logs", "sol-mm", "--level", "warning").stdout.count("\n") == 2
    assert " b" in run("logs", "sol-mm", "--component", "risk").stdout
    assert run("logs", "sol-mm", "--component", "risk", "--level", "ERROR").stdout == ""
    assert run("logs", "sol-mm", "--level", "LOUD").exit_code == 2


def test_logs_of_the_daemon_and_of_nobody(run: Run, home: Home) -> None:
    write_log(home, "daemon", {"event": "started", "bot": None})
    assert "daemon orders started" in run("logs", "daemon").stdout
    done = run("logs", "deamon")
    assert (done.exit_code, done.stderr) == (1, "makerd: no log is named 'deamon'; did you mean 'daemon'?\n")
    assert run("logs", "../../etc/passwd").exit_code == 1


def test_following_a_log_shows_new_lines_until_ctrl_c(home: Home) -> None:
    write_log(home, "sol-mm", {"event": "old"})
    command = [sys.executable, str(DOOR), "logs", "sol-mm", "-f", "--home", str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "old" in process.stdout.readline()
        with (home.log / "sol-mm.log").open("a") as log:
            log.write('{"event": "new"}\n')
        assert "new" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_a_reader_that_goes_away_is_no_news(home: Home) -> None:
    write_log(home, "sol-mm", *({"event": "e" * 1000} for _ in range(1000)))
    command = f"{sys.executable} {DOOR} logs sol-mm -n 1000 | head -1"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "MAKERD_HOME": str(home.root)}, check=False, capture_output=True
    )
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
