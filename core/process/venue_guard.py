"""One guard per venue against a storm of restarts: where a venue is down one bot tries and the others wait. Pure.

open --a bot finds the venue unreachable--> shut for a pause --over--> one probe may start
probe READY --> open                         probe fails --> shut, the pause doubles
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class VenueGuard:
    """The guard of one venue; times are monotonic nanoseconds."""

    first_pause_ns: int
    max_pause_ns: int
    failures: int = 0  # in a row; 0 is open
    shut_until_ns: int = 0
    probe: str | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether every bot may start."""
        return self.failures == 0

    def admits(self, name: str, now_ns: int) -> bool:
        """Tell whether a bot may start now; the first one after a pause is the probe."""
        if self.is_open or self.probe == name:
            return True
        if self.probe is not None or now_ns < self.shut_until_ns:
            return False
        self.probe = name
        return True

    def failed(self, name: str, now_ns: int, jitter: float) -> None:
        """Note that a bot found the venue unreachable; many at the same time count once. `jitter` is in [0, 1)."""
        if not self.is_open and self.probe != name:
            return
        self.failures += 1
        pause_ns = min(self.max_pause_ns, self.first_pause_ns * 2 ** min(self.failures - 1, 30))
        self.shut_until_ns = now_ns + int(pause_ns * (0.8 + 0.4 * jitter))
        self.probe = None

    def reached(self) -> None:
        """Note that a bot is READY at this venue."""
        self.failures, self.probe = 0, None

    def left(self, name: str) -> None:
        """Note that a bot ended for a reason that says nothing of the venue: another one may be the probe."""
        if self.probe == name:
            self.probe = None
