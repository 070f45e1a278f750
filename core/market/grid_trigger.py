"""A price that must be touched before a grid begins. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.market.events import BookUpdate, Event, TradePrint
from core.market.instrument import Instrument


@dataclass(slots=True)
class Trigger:
    """`side` is 1 when the price was first seen above the trigger, -1 below; None before it was seen."""

    side: int | None = None
    is_touched: bool = False

    def hear(self, event: Event, price: Decimal, instrument: Instrument) -> bool:
        """Look at a print or a book; return whether that has changed anything."""
        if isinstance(event, TradePrint):
            return self.see(float(event.price_ticks), price, instrument)
        if isinstance(event, BookUpdate) and event.book.is_quotable:
            return self.see(event.book.mid_ticks(), price, instrument)
        return False

    def see(self, price_ticks: float, price: Decimal, instrument: Instrument) -> bool:
        """Note a price: the trigger is touched once the price is on its other side, or on it."""
        if self.is_touched:
            return False
        trigger, first = float(price / instrument.tick_size), self.side is None
        side = (price_ticks > trigger) - (price_ticks < trigger)
        if self.side is None:
            self.side = side
        self.is_touched = side in (0, -self.side)
        return first or self.is_touched
