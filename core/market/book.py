"""The order book in ticks and lots: an immutable picture for strategies, a mutable one to apply deltas to."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import NamedTuple

from core.market.order import Side
from utils.quick_values import quickly_made

PRINT_BAND_PCT = 1.0  # of the mid: a print farther outside the best prices says nothing of the market


def in_band(bid_ticks: int, ask_ticks: int, price_ticks: int, band_pct: float = PRINT_BAND_PCT) -> bool:
    """Tell whether a price is within `band_pct` percent of the mid around both best prices."""
    band_ticks = (bid_ticks + ask_ticks) / 2 * band_pct / 100
    return bid_ticks - band_ticks <= price_ticks <= ask_ticks + band_ticks


class Level(NamedTuple):
    """One price level."""

    price_ticks: int
    size_lots: int


@quickly_made
@dataclass(frozen=True, slots=True)
class OrderBook:
    """The best levels of a book, best first; `sequence` grows with each change."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sequence: int = 0
    venue_ns: int = 0
    local_ns: int = 0

    @property
    def is_quotable(self) -> bool:
        """Tell whether both sides exist and do not cross."""
        return bool(self.bids) and bool(self.asks) and self.bids[0][0] < self.asks[0][0]

    @property
    def best_bid_ticks(self) -> int:
        """Return the best bid; raises IndexError on an empty side."""
        return self.bids[0][0]

    @property
    def best_ask_ticks(self) -> int:
        """Return the best ask; raises IndexError on an empty side."""
        return self.asks[0][0]

    def mid_ticks(self) -> float:
        """Return the mid price in ticks."""
        return (self.bids[0][0] + self.asks[0][0]) / 2

    def microprice_ticks(self) -> float:
        """Return the weighted mid of the best level, the mid when both sizes are zero."""
        (bid, bid_lots), (ask, ask_lots) = self.bids[0], self.asks[0]
        total = bid_lots + ask_lots
        return (bid * ask_lots + ask * bid_lots) / total if total else (bid + ask) / 2

    def imbalance(self, depth: int = 1) -> float:
        """Return (bid size - ask size) / (their sum) over the first `depth` levels, 0 when both are empty."""
        bid_lots = sum(level[1] for level in self.bids[:depth])
        ask_lots = sum(level[1] for level in self.asks[:depth])
        total = bid_lots + ask_lots
        return (bid_lots - ask_lots) / total if total else 0.0

    def depth_mid_ticks(self, depth: int) -> float:
        """Return the mid weighted by the first `depth` levels, each side's average price by the other's size."""
        bid_lots = sum(level[1] for level in self.bids[:depth])
        ask_lots = sum(level[1] for level in self.asks[:depth])
        if not bid_lots or not ask_lots:
            return self.mid_ticks()
        bid_vwap = sum(price * lots for price, lots in self.bids[:depth]) / bid_lots
        ask_vwap = sum(price * lots for price, lots in self.asks[:depth]) / ask_lots
        return (bid_vwap * ask_lots + ask_vwap * bid_lots) / (bid_lots + ask_lots)


class LocalBook:
    """A full book kept from a snapshot and absolute-size deltas; sorted by price, no clock, no I/O."""

    def __init__(self) -> None:
        self._sizes: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}  # ascending

    def clear(self) -> None:
        """Forget everything, before a new snapshot."""
        for side in (Side.BUY, Side.SELL):
            self._sizes[side].clear()
            self._prices[side].clear()

    def set_level(self, side: Side, price_ticks: int, size_lots: int) -> None:
        """Set the absolute size at a price; 0 removes the level."""
        sizes, prices = self._sizes[side], self._prices[side]
        if size_lots:
            if price_ticks not in sizes:
                insort(prices, price_ticks)
            sizes[price_ticks] = size_lots
        elif sizes.pop(price_ticks, None) is not None:
            del prices[bisect_left(prices, price_ticks)]

    def size_at(self, side: Side, price_ticks: int) -> int:
        """Return the size in lots at a price, 0 when there is none."""
        return self._sizes[side].get(price_ticks, 0)

    def best(self, side: Side) -> Level | None:
        """Return the best level of a side, None when it is empty."""
        prices = self._prices[side]
        if not prices:
            return None
        price = prices[-1] if side is Side.BUY else prices[0]
        return Level(price, self._sizes[side][price])

    def top(self, side: Side, depth: int) -> tuple[Level, ...]:
        """Return the best `depth` levels of a side, best first."""
        prices, sizes = self._prices[side], self._sizes[side]
        chosen = prices[: -depth - 1 : -1] if side is Side.BUY else prices[:depth]
        return tuple(Level(price, sizes[price]) for price in chosen)

    def picture(self, depth: int, sequence: int = 0, venue_ns: int = 0, local_ns: int = 0) -> OrderBook:
        """Return an immutable picture of the best `depth` levels."""
        return OrderBook(self.top(Side.BUY, depth), self.top(Side.SELL, depth), sequence, venue_ns, local_ns)
