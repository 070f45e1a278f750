"""Candles of equal volume: one closes whenever so many lots were traded, and a trade is split at the boundary.

Sizes are lots, so every candle holds exactly its volume, and it is the same whether a trade arrives whole or in parts.
"""

from __future__ import annotations

from collections import deque
from math import fsum
from typing import NamedTuple

from core.market.order import Side


class VolumeCandle(NamedTuple):
    """Prices (in any one unit), aggressive lots of each side, first and last time."""

    open: float
    high: float
    low: float
    close: float
    buy_lots: int
    sell_lots: int
    start_ns: int
    end_ns: int

    @property
    def delta(self) -> float:
        """Return bought less sold over their sum, -1 to 1."""
        return (self.buy_lots - self.sell_lots) / (self.buy_lots + self.sell_lots)

    def _with(self, at_ns: int, price: float, buy_lots: int, sell_lots: int) -> VolumeCandle:
        high, low = max(self.high, price), min(self.low, price)
        return VolumeCandle(
            self.open, high, low, price, self.buy_lots + buy_lots, self.sell_lots + sell_lots, self.start_ns, at_ns
        )


class VolumeCandles:
    """The last closed candles and the open one."""

    def __init__(self, threshold_lots: int, max_candles: int = 100) -> None:
        if threshold_lots < 1 or max_candles < 1:
            raise ValueError(f"candles were of {threshold_lots} lots, {max_candles} kept")
        self.threshold_lots = threshold_lots
        self.candles: deque[VolumeCandle] = deque(maxlen=max_candles)
        self.open_candle: VolumeCandle | None = None
        self.closed = 0  # in all, those no longer kept too

    def update(self, at_ns: int, price: float, size_lots: int, aggressor: Side) -> int:
        """Take a print; return how many candles it closed."""
        before = self.closed
        while size_lots > 0:
            size_lots -= self._fill(at_ns, price, size_lots, aggressor)
            if self.open_candle is None:
                size_lots -= self._skip(size_lots)
        return self.closed - before

    def _fill(self, at_ns: int, price: float, size_lots: int, aggressor: Side) -> int:
        """Put into the open candle what it has room for; return how much."""
        candle = self.open_candle or VolumeCandle(price, price, price, price, 0, 0, at_ns, at_ns)
        room = self.threshold_lots - candle.buy_lots - candle.sell_lots
        taken = min(room, size_lots)
        candle = candle._with(at_ns, price, *((taken, 0) if aggressor is Side.BUY else (0, taken)))
        if taken < room:
            self.open_candle = candle
        else:
            self.candles.append(candle)
            self.closed += 1
            self.open_candle = None
        return taken

    def _skip(self, size_lots: int) -> int:
        """Return the lots of candles that this very trade would push out again; they are counted, not made."""
        unseen = max(0, size_lots // self.threshold_lots - (self.candles.maxlen or 0))
        self.closed += unseen
        return unseen * self.threshold_lots

    def vpin(self, candles: int) -> float | None:
        """Return the mean share of one-sided volume of the last `candles`, 0 to 1; None without one. For display."""
        recent = list(self.candles)[-candles:]
        return fsum(abs(one.delta) for one in recent) / len(recent) if recent else None
