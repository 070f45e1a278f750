"""Reads what Thalex lists of our instrument again and again, and tells when its increments have changed."""

from __future__ import annotations

from collections.abc import Callable

from api.listing_watch import ListingWatch
from api.rate_budget import Lane
from api.thalex_calls import Calls, Reply
from api.thalex_messages import read_market
from api.thalex_wire import Request, WireFault
from core.market.instrument import Instrument
from utils.errors import VenueError


class Listing:
    """The listing of one instrument, read at `now_ns`; `fail` is told the error that ends the client."""

    def __init__(self, instrument: Instrument, calls: Calls, fail: Callable[[VenueError], None], now_ns: int) -> None:
        self._name, self._calls, self._fail = instrument.venue_symbol, calls, fail
        self._watch = ListingWatch(instrument, now_ns)

    def hurry(self) -> None:
        """Read it soon."""
        self._watch.hurry()

    def tick(self, now_ns: int) -> int:
        """Read it when that is due; return when to be called next."""
        if self._watch.take_turn(now_ns):
            request = Request("public/instrument", {"instrument_name": self._name})
            self._calls.ask(request, Lane.READ, self._on_read, now_ns)
        return self._watch.due_ns

    def _on_read(self, reply: Reply) -> None:
        try:
            market = None if reply.lost or reply.code is not None else read_market(reply.result)
        except WireFault:
            market = None
        if market is not None and (changed := self._watch.compare(market.tick_size, market.size_step)) is not None:
            self._fail(changed)
