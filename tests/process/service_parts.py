"""A service manager for tests: starts the daemon as systemd does and hears what it says."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.process.fleet_parts import DOOR, Fleet
from tests.unit.test_sd_notify import Manager


class Service:
    """One daemon in the foreground with a notification socket."""

    def __init__(self, fleet: Fleet, folder: Path, **environ: str) -> None:
        self.fleet = fleet
        self.manager = Manager(str(folder / "notify.sock"))
        self.messages: list[list[str]] = []
        self.process = subprocess.Popen(
            [sys.executable, DOOR, "start"],
            cwd="/",
            env={**fleet.environ, "NOTIFY_SOCKET": self.manager.address, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        fleet.pids.add(self.process.pid)

    def lines(self) -> list[str]:
        """Return everything said so far, line by line."""
        self.messages += self.manager.heard()
        return [line for message in self.messages for line in message]

    def until(self, *wanted: str, seconds: float = 60) -> list[str]:
        """Wait until all these lines were said (a line that ends with = stands for its beginning)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            lines = self.lines()
            if all(
                any(line == one or (one.endswith("=") and line.startswith(one)) for line in lines) for one in wanted
            ):
                return lines
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s: {wanted}; said: {self.lines()}")

    def ended(self, seconds: float = 60) -> tuple[int, str]:
        """Wait for the end; return the exit status and what was printed."""
        printed, _ = self.process.communicate(timeout=seconds)
        self.manager.socket.close()
        return self.process.returncode, printed
