"""`status --check` against a real daemon: whom it blames and whom it does not."""

from __future__ import annotations

import os
import signal

from tests.process.fleet_parts import Fleet


def check(fleet: Fleet, *arguments: str) -> tuple[int, str]:
    """Return exit status and faults."""
    done = fleet.run("status", "--check", *arguments)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_fleet_is_healthy_when_every_wanted_bot_is(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.add("never", daemon_config={"autostart": False})
    assert check(fleet) == (1, "the daemon is stopped\n")
    fleet.start().quoting("a")
    assert check(fleet) == (0, "")
    assert not fleet.bot("never")["wanted"]


def test_a_bot_that_an_operator_stopped_is_healthy_and_one_that_crashed_is_not(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.add("b", daemon_config={"restart": "never"})
    fleet.add("c", daemon_config={"max_restarts": 0})
    fleet.start().quoting("a", "b", "c")
    assert fleet.run("bot", "stop", "a").returncode == 0
    for name in ("b", "c"):
        os.kill(fleet.bot(name)["pid"], signal.SIGKILL)
    fleet.until(lambda: (fleet.bot("b")["state"], fleet.bot("c")["state"]) == ("STOPPED", "FATAL"))
    status, said = check(fleet)
    assert status == 1
    assert [line.partition(":")[0] for line in said.splitlines()] == ["b", "c"]
    assert check(fleet, "a") == (0, "")
    assert fleet.run("bot", "stop", "b", "c").returncode in (0, 1)
    assert check(fleet) == (0, "")


def test_a_bot_that_is_stuck_is_told_before_it_is_killed(fleet: Fleet) -> None:
    fleet.add("a", daemon_config={"heartbeat_timeout_s": 60})
    fleet.start().quoting("a")
    os.kill(fleet.bot("a")["pid"], signal.SIGSTOP)
    fleet.until(lambda: check(fleet)[0] == 1, 40)
    assert "no heartbeat for" in check(fleet)[1]
