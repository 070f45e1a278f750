"""Bars: what a price did in an interval of time, and how they are made of single prices."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple


class Bar(NamedTuple):
    """Open, high, low, close and volume of an interval; prices in any one unit."""

    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    start_ns: int = 0

    @property
    def is_sound(self) -> bool:
        """Tell whether every price is a positive number and the range holds open and close."""
        whole = isfinite(self.open + self.high + self.low + self.close)
        return whole and 0 < self.low <= min(self.open, self.close) and max(self.open, self.close) <= self.high


class BarBuilder:
    """Makes bars of a fixed length of prices in order of time; an interval without a price has no bar."""

    def __init__(self, bar_s: float) -> None:
        if not bar_s > 0:
            raise ValueError(f"a bar's length was {bar_s} s")
        self._length_ns = round(bar_s * 1e9)
        self.open_bar: Bar | None = None  # not finished yet

    def update(self, at_ns: int, price: float, volume: float = 0.0) -> Bar | None:
        """Take a price; return the bar that it finished, if it did. A price that is none is left out."""
        if not (isfinite(price) and price > 0):
            return None
        finished = self.finish(at_ns)
        bar = self.open_bar
        if bar is None:
            start_ns = at_ns - at_ns % self._length_ns
            self.open_bar = Bar(price, price, price, price, volume, start_ns)
        else:
            high, low = max(bar.high, price), min(bar.low, price)
            self.open_bar = Bar(bar.open, high, low, price, bar.volume + volume, bar.start_ns)
        return finished

    def finish(self, now_ns: int) -> Bar | None:
        """Return the open bar when its time is over, without waiting for the next price."""
        bar = self.open_bar
        if bar is None or now_ns < bar.start_ns + self._length_ns:
            return None
        self.open_bar = None
        return bar
