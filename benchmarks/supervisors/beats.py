"""What the workers' heartbeat files say: who lived under which name, since when, and when he was last heard.

The moments are the workers' own, of CLOCK_MONOTONIC: how often they are looked at here does not matter.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.supervisors.processes import is_alive

POLL_S = 0.004
SLOW_POLL_S = 0.1


class TooLate(Exception):
    """Something was waited for in vain."""


@dataclass(slots=True)
class Life:
    """One process under one name."""

    first_ns: int
    last_ns: int


@dataclass(slots=True)
class Beats:
    """The heartbeats of all workers of one run."""

    folder: Path
    names: Sequence[str]

    def lives(self, name: str) -> dict[int, Life]:
        """Return every process that ever beat under a name, by pid."""
        found: dict[int, Life] = {}
        try:
            text = (self.folder / name).read_text()
        except FileNotFoundError:
            return found
        for line in text[: text.rfind("\n") + 1].splitlines():
            pid, at_ns = (int(part) for part in line.split())
            found.setdefault(pid, Life(at_ns, at_ns)).last_ns = at_ns
        return found

    def living(self) -> dict[str, dict[int, Life]]:
        """Return those that beat and still live, for every name."""
        return {name: {p: life for p, life in self.lives(name).items() if is_alive(p)} for name in self.names}

    def pids(self) -> list[int]:
        """Return all that beat and still live."""
        return [pid for lives in self.living().values() for pid in lives]

    def all_beat_ns(self, patience_s: float) -> int:
        """Wait until a living process beats under every name; return when the last one began. Raises TooLate."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            living = self.living()
            if all(living.values()):
                return max(min(life.first_ns for life in lives.values()) for lives in living.values())
            time.sleep(SLOW_POLL_S)
        raise TooLate(f"{sum(map(bool, living.values()))} of {len(living)} beat after {patience_s:.0f} s")

    def successor_ns(self, name: str, known: set[int], patience_s: float) -> int | None:
        """Wait for a process under a name that is not known; return its first beat, None when there is none in time."""
        deadline, seen = time.monotonic() + patience_s, 0
        while time.monotonic() < deadline:
            size = (self.folder / name).stat().st_size
            if size != seen:
                seen = size
                new = [life.first_ns for pid, life in self.lives(name).items() if pid not in known]
                if new:
                    return min(new)
            time.sleep(POLL_S)
        return None
