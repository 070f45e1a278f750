"""Mode `paper` of a live venue: its public prices, our simulated fills; no key, no order leaves this host.

The venue's own client reads the market, the paper venue matches and remembers. What the market says takes effect when
it is heard: the feed has no time of its own. While the line to the venue is down there is no book, so no order is
taken; what rests waits for the next picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from api.base_client import Candle, ClientContext, ExchangeClient, Inbox, RateScope
from api.client_registry import client_class
from api.feed import Feed, Levels, Picture, Print
from api.market_facts import Market
from api.paper_client import PaperClient
from api.paper_venue import PaperVenue
from core.market.events import BookUpdate, LinkDown, LinkUp, PerpFacts, TradePrint
from core.market.instrument import Instrument
from utils.errors import VenueUnreachable

_START_QUOTE = Decimal(10_000)  # a new paper account, where the config does not say
_MAX_WAITING = 10_000  # prints that wait for their turn; the oldest go first
_IDLE_NS = 10**9


class HeardFeed:
    """A feed of what is pushed into it; an event happens at the moment it is asked for."""

    def __init__(self) -> None:
        self._waiting: deque[TradePrint | tuple[Levels, Levels]] = deque(maxlen=_MAX_WAITING)
        self.sides: tuple[Levels, Levels] = ((), ())
        self._number = 0
        self._position_ns = 0

    def push(self, item: TradePrint | tuple[Levels, Levels]) -> None:
        """Add a print, or a new picture's bids and asks."""
        self._waiting.append(item)

    def seek(self, position_ns: int) -> Picture:
        """Return the newest picture that was handed out."""
        self._position_ns = position_ns
        return Picture(position_ns, self._number, *self.sides)

    def next(self, until_ns: int) -> Picture | Print | None:
        """Return what was heard and not handed out yet, as of now."""
        self._position_ns = max(self._position_ns, until_ns)
        if not self._waiting:
            return None
        item = self._waiting.popleft()
        if isinstance(item, TradePrint):
            return Print(self._position_ns, item.price_ticks, item.size_lots, item.aggressor)
        self.sides = item
        self._number += 1
        return Picture(self._position_ns, self._number, *self.sides)

    @property
    def next_picture_ns(self) -> int:
        """Return a position that is a moment ahead: what is heard meanwhile wakes the loop."""
        return self._position_ns if self._waiting else self._position_ns + _IDLE_NS


class _PassingInbox(Inbox):
    """The inner client's inbox: what wakes it wakes the loop."""

    def __init__(self, outer: Inbox) -> None:
        super().__init__()
        self._outer = outer

    def wake(self) -> None:
        """Wake the loop, from any thread."""
        self._outer.wake()


class PaperOnFeed(PaperClient):
    """One paper account on the public market of a live venue."""

    embedded = False

    def __init__(self, config: Mapping[str, Any], context: ClientContext) -> None:
        super().__init__(config, context)
        public = replace(context, public_only=True, ids=None)
        self._reader: ExchangeClient = client_class(context.exchange)(config, public)
        told = self._reader.capabilities  # an order is amended where it will be once the bot is live
        self.capabilities = replace(
            self.capabilities, amend=told.amend, amend_keeps_post_only=told.amend_keeps_post_only
        )
        self._feed = HeardFeed()
        self._heard: Inbox | None = None

    @classmethod
    def config_complaints(cls, exchange_config: Mapping[str, Any], symbol: str, data_dirs: Sequence[str]) -> list[str]:
        """Return nothing: what this venue lists is only known once it is asked."""
        return []

    def _find_feed(self) -> tuple[Market, Feed]:
        self._heard = _PassingInbox(self._inbox)
        self._reader.open(self._heard, self._leg)
        return _market_of(self._reader.instrument), self._feed

    def _begin(self, venue: PaperVenue) -> None:
        self._reader.start_market_data()

    def _publish_book(self, venue: PaperVenue, now_ns: int) -> None:
        """Tell the newest picture; one without a price is the same as none."""
        if any(self._feed.sides):
            super()._publish_book(venue, now_ns)

    def poll(self, now_ns: int) -> int | None:
        """Hear the market, then bring the paper venue up to `now_ns`; return when to be called next."""
        if self._heard is None or self._feed_problem is not None:
            return super().poll(now_ns)
        reader_due_ns = self._reader.poll(now_ns)
        for item in self._heard.drain():
            if isinstance(item, BookUpdate):
                self._feed.push((item.book.bids, item.book.asks))
            elif isinstance(item, TradePrint):
                self._feed.push(item)
            elif isinstance(item, PerpFacts):
                self._opened().hear_facts(item.mark_price, item.funding_rate, item.index_price)
            elif isinstance(item, LinkDown):
                self._opened().hear_facts(None, None)
                self._feed.push(((), ()))
                self._inbox.put(item)
            elif isinstance(item, LinkUp):
                self._inbox.put(item)
        dues = [due for due in (reader_due_ns, super().poll(now_ns)) if due is not None]
        return min(dues, default=None)

    def rate_scopes(self) -> tuple[RateScope, ...]:
        """Return what reading the market draws on."""
        return () if self._feed_problem is not None else self._reader.rate_scopes()

    def lease(self, key: str, per_s: float, burst: float, until_ns: int) -> None:
        """Take a share of a budget until a monotonic time."""
        self._reader.lease(key, per_s, burst, until_ns)

    def clock_offset_ms(self) -> float | None:
        """Return how far the venue's clock is ahead of this host's."""
        return self._reader.clock_offset_ms()

    def candles(self, interval_s: int, limit: int) -> list[Candle]:
        """Return the venue's candles. Raises VenueError."""
        if self._feed_problem is not None:
            raise VenueUnreachable(str(self._feed_problem))
        return self._reader.candles(interval_s, limit)

    def close(self) -> None:
        """Disconnect from the market and close the file; orders stay as they are."""
        self._reader.close()
        if self._heard is not None:
            self._heard.close()
            self._heard = None
        super().close()


def _market_of(instrument: Instrument) -> Market:
    return Market(
        symbol=instrument.symbol,
        venue_symbol=instrument.venue_symbol,
        kind=instrument.kind,
        base=instrument.base,
        quote=instrument.quote,
        tick_size=instrument.tick_size,
        lot_size=instrument.lot_size,
        min_notional=instrument.min_notional,
        initial_balances={instrument.quote: _START_QUOTE},
        min_lots=instrument.min_lots,
    )


CLIENT = PaperOnFeed
