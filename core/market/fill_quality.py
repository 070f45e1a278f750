"""What own fills were worth by the mids of then and later: sums in bounded memory, no clock of its own. Pure.

Means are weighted by size. A fill that met no known mid counts nowhere; one for which none is known when its time has
come does not count at that horizon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HORIZONS_S = (1, 5, 30, 60)
NEVER_NS = 1 << 63
_SECOND_NS = 1_000_000_000
_WAITING = 512  # fills at each horizon; when there are more, the oldest are let go
_LATE = 0.1  # a mid that comes later than this share of the horizon, and than a second, is another one's


@dataclass(frozen=True, slots=True)
class Waiting:
    """A fill that waits for a later mid; `sign` is 1 for a buy and -1 for a sell."""

    at_ns: int
    sign: int
    price: float
    size: float


@dataclass(slots=True)
class Mean:
    """A mean weighted by size."""

    weighted: float = 0.0
    weight: float = 0.0

    def add(self, value: float, weight: float) -> None:
        """Count a value."""
        self.weighted += value * weight
        self.weight += weight

    @property
    def value(self) -> float | None:
        """Return the mean, None of nothing."""
        return self.weighted / self.weight if self.weight else None


class FillQuality:
    """The fills of one leg; prices and amounts are floats in quote, sizes in base."""

    def __init__(self, horizons_s: Sequence[float] = HORIZONS_S) -> None:
        self._waiting = [(round(one * _SECOND_NS), deque[Waiting](maxlen=_WAITING)) for one in horizons_s]
        self.captured = Mean()  # bps of the price
        self.markouts = [Mean() for _ in horizons_s]  # bps of the price, below 0 the mid moved against the fill
        self.gain_quote = self.fees_quote = self.volume_quote = 0.0
        self.due_ns = NEVER_NS  # when the next fill wants a mid

    def fill(self, at_ns: int, sign: int, price: float, size: float, mid: float | None, fee_quote: float) -> None:
        """Count a fill; `mid` is the one that it met, None when that is not known."""
        if mid is None or not price:
            return
        self.fees_quote += fee_quote
        self.volume_quote += price * size
        self.captured.add(sign * (mid - price) / price * 10_000, size)
        self.gain_quote += sign * (mid - price) * size
        fill = Waiting(at_ns, sign, price, size)
        for _, waiting in self._waiting:
            waiting.append(fill)
        self._wake()

    def see(self, now_ns: int, mid: float | None) -> None:
        """Judge the fills whose time has come by the mid of now, None when there is none."""
        if now_ns < self.due_ns:
            return
        for (horizon_ns, waiting), mean in zip(self._waiting, self.markouts, strict=True):
            latest_ns = max(_SECOND_NS, round(horizon_ns * _LATE))
            while waiting and waiting[0].at_ns + horizon_ns <= now_ns:
                fill = waiting.popleft()
                if mid is not None and now_ns - fill.at_ns - horizon_ns <= latest_ns:
                    mean.add(fill.sign * (mid - fill.price) / fill.price * 10_000, fill.size)
        self._wake()

    def _wake(self) -> None:
        due_ns = (waiting[0].at_ns + horizon_ns for horizon_ns, waiting in self._waiting if waiting)
        self.due_ns = min(due_ns, default=NEVER_NS)


def mean_of(means: Iterable[Mean]) -> float | None:
    """Return the mean of several, None of nothing."""
    total = Mean()
    for one in means:
        total.weighted += one.weighted
        total.weight += one.weight
    return total.value


def wear_rate(legs: Iterable[FillQuality]) -> float | None:
    """Return (fees - what was gained against the mid) / volume: what a unit of volume costs; None without volume."""
    found = list(legs)
    volume = sum(one.volume_quote for one in found)
    return sum(one.fees_quote - one.gain_quote for one in found) / volume if volume else None


def percentile(ascending: Sequence[int], share: float) -> int | None:
    """Return the nearest-rank percentile of sorted numbers, None of none."""
    if not ascending:
        return None
    rank = -(-len(ascending) * round(share * 100) // 100)  # rounded up, in whole numbers
    return ascending[max(0, rank - 1)]
