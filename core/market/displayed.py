"""What a feed displays to a simulated venue, and what of it was already taken there. Pure.

What was taken from a level stays taken while the level is displayed; a level that is gone and comes back is new.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.market.book import Level
from core.market.order import Side

Taken = dict[tuple[Side, int], int]  # (side of the book, price) -> lots


class Displayed:
    """The newest picture of a feed, best levels first, less what was taken."""

    def __init__(self) -> None:
        self.bids: Sequence[Level] = ()
        self.asks: Sequence[Level] = ()
        self.taken: Taken = {}

    def show(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Take a new picture; what was taken from levels that are gone is forgotten."""
        self.bids, self.asks = bids, asks
        if not self.taken:
            return
        shown = {(Side.BUY, level.price_ticks): level.size_lots for level in bids}
        shown |= {(Side.SELL, level.price_ticks): level.size_lots for level in asks}
        # A level that shrank cannot have lost more than it shows.
        self.taken = {key: min(lots, shown[key]) for key, lots in self.taken.items() if key in shown}

    def levels(self, side: Side) -> Sequence[Level]:
        """Return the displayed levels of a side of the book, best first."""
        return self.bids if side is Side.BUY else self.asks

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
        best = [side[0].price_ticks for side in (self.bids, self.asks) if side]
        return sum(best) / len(best) if best else 0.0

    def in_band(self, price_ticks: int, band_pct: float) -> bool:
        """Tell whether a print is within `band_pct` percent of mid around both best prices."""
        if not self.bids or not self.asks:
            return False
        bid, ask = self.bids[0].price_ticks, self.asks[0].price_ticks
        band_ticks = (bid + ask) / 2 * band_pct / 100
        return bid - band_ticks <= price_ticks <= ask + band_ticks
