"""When the next decision is due: in an interval, or sooner when something happened, never too often."""

from __future__ import annotations

INTERVAL, MOVE, OWN = "interval", "move", "own"
FREED = "freed"  # an order is gone because we cancelled it; a decision that it causes is told as OWN
_WEIGHTS = {None: 0, FREED: 1, MOVE: 2, OWN: 3}


class CycleTimer:
    """Nanoseconds of the loop's clock. What follows is worked out when something happens: it is asked in each step.

    `due_ns`: when the next decision is due. `may_refill`: a slot got free, and nothing else happened that the last
    decision did not know of.
    """

    def __init__(self, interval_ns: int, min_cycle_ns: int) -> None:
        self.due_ns = 0
        self.may_refill = False
        self._last_ns: int | None = None
        self._cause: str | None = None
        self._freed = False
        self._wake_ns: int | None = None
        self.use(interval_ns, min_cycle_ns)

    def use(self, interval_ns: int, min_cycle_ns: int) -> None:
        """Decide in another rhythm from now on."""
        self._interval_ns = max(interval_ns, min_cycle_ns)
        self._min_cycle_ns = min_cycle_ns
        self._work_out()

    def hurry(self, cause: str) -> None:
        """Make a decision due as soon as `min_cycle_s` allows: the mid moved, or something of ours happened."""
        self._freed = self._freed or cause == FREED
        if _WEIGHTS[cause] > _WEIGHTS[self._cause]:
            self._cause = cause
        self._work_out()

    def wake(self, at_ns: int) -> None:
        """Make the next decision due then at the latest; what was said before counts no more."""
        self._wake_ns = at_ns
        self._work_out()

    def refilled(self) -> None:
        """Note that what got free so far is filled again, as far as it could be."""
        self._freed = self.may_refill = False

    def take(self, now_ns: int) -> str | None:
        """Return why a decision is due now and count it as made; None when it is not due."""
        if now_ns < self.due_ns:
            return None
        cause = OWN if self._cause == FREED else self._cause or INTERVAL
        self._last_ns, self._cause, self._freed, self._wake_ns = now_ns, None, False, None
        self._work_out()
        return cause

    def _work_out(self) -> None:
        self.may_refill = self._freed and self._cause == FREED
        if self._last_ns is None:
            return
        soonest_ns = self._last_ns + self._min_cycle_ns
        self.due_ns = self._last_ns + self._interval_ns if self._cause is None else soonest_ns
        if self._wake_ns is not None and self._wake_ns < self.due_ns:
            self.due_ns = max(self._wake_ns, soonest_ns)
