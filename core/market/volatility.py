"""Volatility of log returns per bar, streaming: EWMA, realised, Parkinson, Yang-Zhang.

Each takes finished bars and has a `value` (None before its first). A bar that is none (a price that is not positive
or no number) is left out. EWMA keeps two numbers, the others the bars of their window. Annualise only for display.
"""

from __future__ import annotations

from collections import deque
from math import fsum, log, sqrt
from typing import Protocol

from core.market.bars import Bar


class Volatility(Protocol):
    """An estimator of the standard deviation of the log return of a bar."""

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""

    @property
    def value(self) -> float | None:
        """Return the estimate, None before the first."""


class EwmaVolatility:
    """Exponentially weighted: v = decay x v + (1 - decay) x r^2, from the first return."""

    def __init__(self, decay: float = 0.94) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay was {decay}")
        self._decay = decay
        self._close = 0.0
        self._variance: float | None = None

    @classmethod
    def with_halflife(cls, bars: float) -> EwmaVolatility:
        """Return the estimator whose weights halve every so many bars. Raises ValueError."""
        if not bars > 0:
            raise ValueError(f"halflife was {bars}")
        return cls(0.5 ** (1 / bars))

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        if self._close:
            squared = log(bar.close / self._close) ** 2
            before = self._variance
            self._variance = squared if before is None else self._decay * before + (1 - self._decay) * squared
        self._close = bar.close

    @property
    def value(self) -> float | None:
        """Return the estimate, None before the first return."""
        return None if self._variance is None else sqrt(self._variance)


class RealisedVolatility:
    """Root of the mean squared return over a window: zero mean."""

    def __init__(self, window: int) -> None:
        self._squares: deque[float] = deque(maxlen=_at_least(window, 1))
        self._close = 0.0

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        if self._close:
            self._squares.append(log(bar.close / self._close) ** 2)
        self._close = bar.close

    @property
    def value(self) -> float | None:
        """Return the estimate, None before a whole window of returns."""
        squares = self._squares
        return sqrt(fsum(squares) / len(squares)) if len(squares) == squares.maxlen else None


class ParkinsonVolatility:
    """From high and low alone; low when a bar has few ticks, blind to gaps between bars."""

    def __init__(self, window: int) -> None:
        self._squares: deque[float] = deque(maxlen=_at_least(window, 1))

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if bar.is_sound:
            self._squares.append(log(bar.high / bar.low) ** 2)

    @property
    def value(self) -> float | None:
        """Return the estimate, None before a whole window."""
        squares = self._squares
        if len(squares) < (squares.maxlen or 0):
            return None
        return sqrt(fsum(squares) / (4 * len(squares) * log(2)))


class YangZhangVolatility:
    """From open, high, low and close; takes gaps between bars and drift inside them into account."""

    def __init__(self, window: int) -> None:
        self._window = _at_least(window, 2)
        # the return over night, from open to close, and Rogers-Satchell's term
        self._rows: deque[tuple[float, float, float]] = deque(maxlen=window)
        self._close = 0.0

    def update(self, bar: Bar) -> None:
        """Take a finished bar."""
        if not bar.is_sound:
            return
        if self._close:
            up, down, through = log(bar.high / bar.open), log(bar.low / bar.open), log(bar.close / bar.open)
            satchell = up * (up - through) + down * (down - through)
            self._rows.append((log(bar.open / self._close), through, satchell))
        self._close = bar.close

    @property
    def value(self) -> float | None:
        """Return the estimate, None before a whole window of bars with one before them."""
        n = self._window
        if len(self._rows) < n:
            return None
        overnight, through, satchell = zip(*self._rows, strict=True)
        k = 0.34 / (1.34 + (n + 1) / (n - 1))
        variance = _sample_variance(overnight) + k * _sample_variance(through) + (1 - k) * fsum(satchell) / n
        return sqrt(max(0.0, variance))


def _sample_variance(values: tuple[float, ...]) -> float:
    mean = fsum(values) / len(values)
    return fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _at_least(window: int, least: int) -> int:
    if window < least:
        raise ValueError(f"a window was {window}; the least is {least}")
    return window
