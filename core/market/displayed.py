"""What a feed displays to a simulated venue, and what of it was already taken there. Pure.

What was taken from a level stays taken while the level is displayed; a level that is gone and comes back is new.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from core.market.book import Level, in_band
from core.market.order import Side

Taken = dict[tuple[Side, int], int]  # (side of the book, price) -> lots


class Displayed:
    """The newest picture of a feed, or its whole book level by level; best levels first, less what was taken."""

    def __init__(self) -> None:
        self.bids: Sequence[Level] = ()
        self.asks: Sequence[Level] = ()
        self.taken: Taken = {}
        self.is_whole = False  # every level there is, not only the best ones

    def show(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Take a new picture; what was taken from levels that are gone is forgotten."""
        self.bids, self.asks = bids, asks
        if not self.taken:
            return
        shown = {(Side.BUY, level.price_ticks): level.size_lots for level in bids}
        shown |= {(Side.SELL, level.price_ticks): level.size_lots for level in asks}
        # A level that shrank cannot have lost more than it shows.
        self.taken = {key: min(lots, shown[key]) for key, lots in self.taken.items() if key in shown}

    def set_level(self, side: Side, price_ticks: int, size_lots: int) -> int:
        """Set the size at a price of a whole book, 0 removes the level; return what was there before."""
        levels, sign = self._mutable(side), side.sign
        at = bisect_left(levels, -sign * price_ticks, key=lambda level: -sign * level.price_ticks)
        there = at < len(levels) and levels[at].price_ticks == price_ticks
        before = levels[at].size_lots if there else 0
        if size_lots:
            levels[at : at + there] = [Level(price_ticks, size_lots)]
        elif there:
            del levels[at]
        self.limit_taken(side, price_ticks, size_lots)
        return before

    def limit_taken(self, side: Side, price_ticks: int, size_lots: int) -> None:
        """Note that a level shows `size_lots` now: no more than that can have been taken from it."""
        key = (side, price_ticks)
        if self.taken and key in self.taken:
            if size_lots:
                self.taken[key] = min(self.taken[key], size_lots)
            else:
                del self.taken[key]

    def clear(self) -> None:
        """Forget the book: a whole one follows, level by level."""
        self.bids, self.asks, self.taken, self.is_whole = [], [], {}, True

    def _mutable(self, side: Side) -> list[Level]:
        levels = self.levels(side)
        if isinstance(levels, list):
            return levels
        changed = list(levels)
        if side is Side.BUY:
            self.bids = changed
        else:
            self.asks = changed
        return changed

    def levels(self, side: Side) -> Sequence[Level]:
        """Return the displayed levels of a side of the book, best first."""
        return self.bids if side is Side.BUY else self.asks

    def top(self, side: Side, depth: int) -> tuple[Level, ...]:
        """Return the best `depth` levels of a side."""
        return tuple(self.levels(side)[:depth])

    def tops(self, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Return the best `depth` levels of both sides, bids first."""
        return self.top(Side.BUY, depth), self.top(Side.SELL, depth)

    def best_ticks(self, side: Side) -> int | None:
        """Return the best price of a side, None when it is empty."""
        levels = self.levels(side)
        return levels[0].price_ticks if levels else None

    def size_at(self, side: Side, price_ticks: int) -> int:
        """Return what is displayed at a price."""
        return next((level.size_lots for level in self.levels(side) if level.price_ticks == price_ticks), 0)

    def is_unseen(self, side: Side, price_ticks: int) -> bool:
        """Tell whether a price is behind the last level that a picture shows."""
        levels = self.levels(side)
        return not self.is_whole and bool(levels) and side.sign * (levels[-1].price_ticks - price_ticks) > 0

    def within(self, order_side: Side, price_ticks: int) -> list[Level]:
        """Return the levels that an order of that side and price can reach, best first."""
        opposite = self.levels(order_side.opposite)
        return [level for level in opposite if order_side.sign * (price_ticks - level.price_ticks) >= 0]

    def left(self, book_side: Side, level: Level) -> int:
        """Return what a displayed level still offers."""
        return max(0, level.size_lots - self.taken.get((book_side, level.price_ticks), 0))

    def take(self, book_side: Side, level: Level, wanted_lots: int) -> int:
        """Take up to `wanted_lots` of what a displayed level still offers; return how much."""
        lots = max(0, min(wanted_lots, self.left(book_side, level)))
        if lots:
            key = (book_side, level.price_ticks)
            self.taken[key] = self.taken.get(key, 0) + lots
        return lots

    def mid_ticks(self) -> float:
        """Return the mid of the picture, the side there is, or 0."""
        best = [price for side in Side if (price := self.best_ticks(side)) is not None]
        return sum(best) / len(best) if best else 0.0

    def in_band(self, price_ticks: int, band_pct: float) -> bool:
        """Tell whether a print is within `band_pct` percent of mid around both best prices."""
        bid, ask = self.best_ticks(Side.BUY), self.best_ticks(Side.SELL)
        return bid is not None and ask is not None and in_band(bid, ask, price_ticks, band_pct)
