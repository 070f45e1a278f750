"""Streaming indicators over finished bars, seeded as TA-Lib seeds them, so that other tools show the same numbers.

Each has `update(bar)` and a `value` that is None before its first. A bar that is none (a price that is not positive or
no number) is left out. What has no movement to measure: RSI 50, ADX 0, choppiness 100, %B 0.5.
"""

from __future__ import annotations

from collections import deque
from math import fsum, log10, sqrt
from typing import NamedTuple

from core.market.bars import Bar


class Ema:
    """Exponential moving average of closes; its seed is the mean of the first `period`."""

    def __init__(self, period: int) -> None:
        self._period = at_least(period, 1)
        self._seed: list[float] = []
        self.value: float | None = None

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        if self.value is not None:
            self.value += 2 / (self._period + 1) * (bar.close - self.value)
            return
        self._seed.append(bar.close)
        if len(self._seed) == self._period:
            self.value = fsum(self._seed) / self._period
            self._seed.clear()


class Bands(NamedTuple):
    """Bollinger bands and where the close is in them: 0 at the lower, 1 at the upper."""

    lower: float
    middle: float
    upper: float
    percent_b: float


class Bollinger:
    """Mean of the last `period` closes, and `width` population standard deviations to both sides."""

    def __init__(self, period: int = 20, width: float = 2.0) -> None:
        self._closes: deque[float] = deque(maxlen=at_least(period, 1))
        self._width = width
        self.value: Bands | None = None

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        closes, n = self._closes, self._closes.maxlen
        closes.append(bar.close)
        if len(closes) != n:
            return
        # Anew from the stored closes: a running sum of squares cancels at prices near 1e5.
        mean = fsum(closes) / n
        half = self._width * sqrt(fsum((close - mean) ** 2 for close in closes) / n)
        percent_b = (bar.close - mean + half) / (2 * half) if half > 0 else 0.5
        self.value = Bands(mean - half, mean, mean + half, percent_b)


class Wilder:
    """Wilder's smoothing; its seed is the mean of the first `period` values."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._count = 0
        self._sum = 0.0
        self.value: float | None = None

    def take(self, x: float) -> None:
        """Take the next value."""
        if self.value is not None:
            self.value = ((self._period - 1) * self.value + x) / self._period
            return
        self._count, self._sum = self._count + 1, self._sum + x
        if self._count == self._period:
            self.value = self._sum / self._period


class Rsi:
    """Wilder's relative strength index, 0 to 100; 50 when nothing moved."""

    def __init__(self, period: int = 14) -> None:
        self._gain, self._loss = Wilder(at_least(period, 1)), Wilder(period)
        self._close: float | None = None
        self.value: float | None = None

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        if self._close is not None:
            change = bar.close - self._close
            self._gain.take(max(change, 0.0))
            self._loss.take(max(-change, 0.0))
            gain, loss = self._gain.value, self._loss.value
            if gain is not None and loss is not None:
                self.value = 100 * gain / (gain + loss) if gain + loss > 0 else 50.0
        self._close = bar.close


def true_range(bar: Bar, previous_close: float) -> float:
    """Return the range of a bar with the gap before it."""
    return max(bar.high, previous_close) - min(bar.low, previous_close)


class Atr:
    """Average true range, by Wilder's smoothing."""

    def __init__(self, period: int = 14) -> None:
        self._range = Wilder(at_least(period, 1))
        self._close: float | None = None

    @property
    def value(self) -> float | None:
        """Return the average, None before the first."""
        return self._range.value

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        if self._close is not None:
            self._range.take(true_range(bar, self._close))
        self._close = bar.close


class Adx:
    """Average directional index, 0 to 100, and both directional indicators."""

    def __init__(self, period: int = 14) -> None:
        self._period = at_least(period, 2)
        self._before: Bar | None = None
        self._count = 0
        self._sums = (0.0, 0.0, 0.0)  # up, down, range; seeded with one bar less than ATR's
        self._smooth = Wilder(period)
        self.plus_di: float | None = None
        self.minus_di: float | None = None

    @property
    def value(self) -> float | None:
        """Return the index, None before the first."""
        return self._smooth.value

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        before, self._before = self._before, bar
        if before is None:
            return
        up, down = bar.high - before.high, before.low - bar.low
        moved = (
            up if up > down and up > 0 else 0.0,
            down if down > up and down > 0 else 0.0,
            true_range(bar, before.close),
        )
        self._count += 1
        kept = 1.0 if self._count < self._period else 1 - 1 / self._period
        self._sums = (
            self._sums[0] * kept + moved[0],
            self._sums[1] * kept + moved[1],
            self._sums[2] * kept + moved[2],
        )
        if self._count >= self._period:
            self._index()

    def _index(self) -> None:
        up, down, ranged = self._sums
        plus, minus = (100 * up / ranged, 100 * down / ranged) if ranged > 0 else (0.0, 0.0)
        self.plus_di, self.minus_di = plus, minus
        self._smooth.take(100 * abs(plus - minus) / (plus + minus) if plus + minus > 0 else 0.0)


class Choppiness:
    """How much of the way was there and back: near 0 a straight line, near 100 no way at all."""

    def __init__(self, period: int = 14) -> None:
        self._rows: deque[tuple[float, float, float]] = deque(maxlen=at_least(period, 2))  # true range, high, low
        self._close: float | None = None
        self.value: float | None = None

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        if self._close is not None:
            self._rows.append((true_range(bar, self._close), bar.high, bar.low))
        self._close = bar.close
        n = self._rows.maxlen
        if len(self._rows) != n:
            return
        ranges, highs, lows = zip(*self._rows, strict=True)
        span, way = max(highs) - min(lows), fsum(ranges)
        self.value = 100 * log10(way / span) / log10(n) if span > 0 and way > 0 else 100.0


def at_least(number: int, least: int) -> int:
    """Return the number. Raises ValueError when it is below `least`."""
    if number < least:
        raise ValueError(f"a period was {number}; the least is {least}")
    return number
