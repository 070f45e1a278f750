"""When the next decision is due: in an interval, or sooner when something happened, never too often."""

from __future__ import annotations

INTERVAL, MOVE, OWN = "interval", "move", "own"


class CycleTimer:
    """Nanoseconds of the loop's clock."""

    def __init__(self, interval_ns: int, min_cycle_ns: int) -> None:
        self._interval_ns = max(interval_ns, min_cycle_ns)
        self._min_cycle_ns = min_cycle_ns
        self._last_ns: int | None = None
        self._cause: str | None = None

    def hurry(self, cause: str) -> None:
        """Make a decision due as soon as `min_cycle_s` allows: the mid moved, or something of ours happened."""
        if self._cause != OWN:
            self._cause = cause

    def due_ns(self) -> int:
        """Return when the next decision is due."""
        if self._last_ns is None:
            return 0
        return self._last_ns + (self._interval_ns if self._cause is None else self._min_cycle_ns)

    def take(self, now_ns: int) -> str | None:
        """Return why a decision is due now and count it as made; None when it is not due."""
        if now_ns < self.due_ns():
            return None
        cause = self._cause or INTERVAL
        self._last_ns, self._cause = now_ns, None
        return cause
