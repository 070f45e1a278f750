"""Reads what Backpack lists of our market again and again, and ends the client when its increments have changed."""

from __future__ import annotations

from api.backpack_calls import Calls, Reply
from api.backpack_markets import market_of
from api.backpack_wire import public
from api.http_call import Lane
from api.listing_watch import ListingWatch
from core.market.instrument import Instrument
from utils.errors import VenueUnreachable


class Listing:
    """The listing of one market, read at `now_ns`."""

    def __init__(self, instrument: Instrument, calls: Calls, now_ns: int) -> None:
        self._symbol, self._calls = instrument.venue_symbol, calls
        self._watch = ListingWatch(instrument, now_ns)
        self._changed: VenueUnreachable | None = None

    def hurry(self) -> None:
        """Read it soon."""
        self._watch.hurry()

    def step(self, now_ns: int) -> int:
        """Read it when that is due; return when to be called next. Raises VenueUnreachable once it has changed."""
        if self._changed is not None:
            raise self._changed
        if self._watch.take_turn(now_ns):
            self._calls.send(Lane.READ, lambda: public("/api/v1/market", symbol=self._symbol), self._on_read)
        return self._watch.due_ns

    def _on_read(self, reply: Reply) -> None:
        try:
            market = None if reply.trouble else market_of(reply.payload)
        except ValueError:
            market = None
        if market is not None:  # else the next turn tells
            self._changed = self._watch.compare(market.tick_size, market.size_step)
