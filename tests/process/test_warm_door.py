"""The short way to the door's commands says what the door itself says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.process.fleet_parts import DOOR, Fleet
from tests.process.warm_door import WarmDoor
from utils.home import CHECKOUT

COMMANDS = (("--version",), ("status", "--json"), ("start", "--daemon"), ("bot", "stop", "one"), ("no-such-command",))


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_ends_and_speaks_like_one_of_a_new_interpreter(fleet: Fleet, arguments: tuple[str, ...]) -> None:
    warm = fleet.run(*arguments)
    cold = subprocess.run(
        [sys.executable, DOOR, *arguments], cwd="/", env=fleet.environ, capture_output=True, text=True, check=False
    )
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert warm.stdout + warm.stderr


def test_a_command_that_takes_too_long_is_killed_and_nothing_is_left_of_the_door(fleet: Fleet) -> None:
    fleet.home.log.mkdir(parents=True)
    (fleet.home.log / "one.log").write_text('{"event": "old"}\n')
    door = WarmDoor(CHECKOUT)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            door.run(("logs", "one", "-f"), fleet.environ, 2.0)
        fleet.until(lambda: psutil.Process(door.pid).children() == [])
    finally:
        door.close()
    with pytest.raises(ProcessLookupError):
        os.kill(door.pid, signal.SIGCONT)
