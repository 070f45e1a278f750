"""How near the bot's own traffic is to its limits, and what follows: more patience with orders, then none at all. Pure.

Orders are counted over a minute, cancels and fills over a window; times are monotonic nanoseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

MINUTE_NS = 60_000_000_000
_MANY = 1 << 60
# From which share of a limit on the tolerances are how many times as wide; at the whole of it nothing is placed, until
# there is as much room again as the widest tolerance begins with.
_WIDER = ((0.8, 8), (0.65, 4), (0.5, 2))
_OPENS_BELOW = 0.8


@dataclass(frozen=True, slots=True)
class ChurnLimits:
    """The keys; None is off."""

    orders_per_min: int | None = None
    cancels_per_fill: float | None = None
    cancel_fill_window_ns: int = 10 * MINUTE_NS
    is_off: bool = field(init=False, repr=False)  # nothing is limited

    def __post_init__(self) -> None:
        """Work out what is asked for each order."""
        object.__setattr__(self, "is_off", self.orders_per_min is None and self.cancels_per_fill is None)


def with_missing(sent_ns: Sequence[int], count: int, until_ns: int) -> list[int]:
    """Return when orders were sent, oldest first, so that there are at least `count` until a time.

    What is missing counts as sent at that time: an amendment takes the place of an earlier sending of its order.
    """
    missing = count - sum(1 for each_ns in sent_ns if each_ns <= until_ns)
    return sorted([*sent_ns, *[until_ns] * max(0, missing)])


class ChurnMeter:
    """What was sent, cancelled and filled of late, against the limits."""

    def __init__(self, limits: ChurnLimits) -> None:
        self.limits = limits
        self._placed: deque[int] = deque()
        self._cancelled: deque[int] = deque()
        self._filled: deque[int] = deque()
        self._is_over = False

    def recall(self, placed_ns: Iterable[int], cancels: int = 0, fills: int = 0, counted_ns: int = 0) -> None:
        """Take up when an earlier life placed its newest orders, oldest first, and what it had counted by a time.

        When those cancels and fills were within the window is not known: they count from that time on for one window.
        """
        self._placed = deque(placed_ns)
        self._cancelled, self._filled = deque([counted_ns] * cancels), deque([counted_ns] * fills)

    def counted(self, now_ns: int) -> tuple[int, int]:
        """Return the cancels and the fills of the window."""
        self._forget(now_ns)
        return len(self._cancelled), len(self._filled)

    def orders(self, now_ns: int) -> int:
        """Return the orders of the last minute."""
        self._forget(now_ns)
        return len(self._placed)

    def placed(self, count: int, now_ns: int) -> None:
        """Count orders that were sent."""
        self._count(self._placed, count, now_ns)

    def cancelled(self, count: int, now_ns: int) -> None:
        """Count cancels that were sent."""
        self._count(self._cancelled, count, now_ns)

    def filled(self, now_ns: int) -> None:
        """Count a fill."""
        self._count(self._filled, 1, now_ns)

    def _count(self, kept: deque[int], count: int, now_ns: int) -> None:
        if not self.limits.is_off:
            self._forget(now_ns)
            kept.extend([now_ns] * count)

    def _forget(self, now_ns: int) -> None:
        minute_ns, window_ns = now_ns - MINUTE_NS, now_ns - self.limits.cancel_fill_window_ns
        for kept, since_ns in ((self._placed, minute_ns), (self._cancelled, window_ns), (self._filled, window_ns)):
            while kept and kept[0] <= since_ns:
                kept.popleft()

    def share(self, now_ns: int) -> float:
        """Return how much of the limit that is nearest is used; 1 is all of it."""
        if self.limits.is_off:
            return 0.0
        self._forget(now_ns)
        most, ratio = self.limits.orders_per_min, self.limits.cancels_per_fill
        orders = 0.0 if most is None else len(self._placed) / most
        cancels = 0.0 if ratio is None else len(self._cancelled) / max(1, len(self._filled)) / ratio
        return max(orders, cancels)

    def widening(self, now_ns: int) -> int:
        """Return how many times as wide as the config says the tolerances are."""
        share = self.share(now_ns)
        return next((times for least, times in _WIDER if share >= least), 1)

    def is_over(self, now_ns: int) -> bool:
        """Tell whether nothing may be placed."""
        self._is_over = not self.limits.is_off and self.share(now_ns) >= (_OPENS_BELOW if self._is_over else 1.0)
        return self._is_over

    def orders_left(self, now_ns: int) -> int:
        """Return how many more orders may be placed now."""
        if self.is_over(now_ns):
            return 0
        if self.limits.orders_per_min is None:
            return _MANY
        return max(0, self.limits.orders_per_min - len(self._placed))
