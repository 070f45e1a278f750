"""The paper venue over recorded events, with its memory in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from api.base_client import ClientContext
from api.event_feed import EventFeed
from api.event_file import EventSpan
from api.feed import Feed
from api.market_facts import Market
from api.paper_client import PaperClient
from api.paper_settings import PaperSettings
from api.paper_store import NEWEST_PAYMENTS, Change, StoredVenue, VenueStore
from api.paper_venue import PaperVenue
from core.market.funding import FundingPayment
from core.market.instrument import Instrument
from core.market.order import Fill, Side
from core.market.position import Position
from utils.errors import ConfigError

_HINT = "; the account of a backtest trades what the events do: --set '{}.initial_balances={}'"
NEVER = 1 << 62  # later than anything
NoteFill = Callable[[Fill], None]
NoteFunding = Callable[[FundingPayment], None]


def hold_balances(config: Mapping[str, Any], market: Market, section: str) -> None:
    """Refuse balances that events cannot use, with what to say in place of them. Raises ConfigError."""
    try:
        PaperSettings.from_config(config).starting_balances(market)
    except ConfigError as exc:
        usable = json.dumps({asset: f"{amount:f}" for asset, amount in market.initial_balances.items()})
        raise ConfigError(f"{exc}{_HINT.format(section, usable)}") from exc


class MemoryStore:
    """What the file of a paper venue would hold, as long as the backtest runs."""

    def __init__(self, note: NoteFill, note_funding: NoteFunding) -> None:
        self._fills: list[Fill] = []
        self._funding: list[FundingPayment] = []
        self._note, self._note_funding = note, note_funding

    def load(
        self, instrument: Instrument, utc_ns: int, starting_balances: Mapping[str, Decimal], market_text: str
    ) -> StoredVenue:
        """Return a venue that was just born."""
        return StoredVenue(utc_ns, 0, 1, 0, 0, dict(starting_balances), Position("venue"), ())

    def commit(self, change: Change) -> None:
        """Keep the fills and payments of a step."""
        for payment in change.funding:
            self._funding.append(payment)
            self._note_funding(payment)
        for fill in change.fills:
            self._fills.append(fill)
            self._note(fill)

    def fills_after(self, number: int, instrument: Instrument, leg: str) -> tuple[Fill, ...]:
        """Return the fills behind the `number`-th, oldest first."""
        return tuple(self._fills[number:])

    def newest_funding(self, instrument: Instrument, leg: str) -> tuple[FundingPayment, ...]:
        """Return the newest payments, oldest first."""
        return tuple(self._funding[-NEWEST_PAYMENTS:])

    @property
    def fill_count(self) -> int:
        """Return how many fills there were."""
        return len(self._fills)

    def close(self) -> None:
        """Do nothing: there is no file."""


class ReplayVenue(PaperClient):
    """One paper account on recorded events; `note_fill` and `note_funding` hear of each at the moment it happens."""

    def __init__(
        self,
        config: Mapping[str, Any],
        context: ClientContext,
        span: EventSpan,
        note_fill: NoteFill,
        note_funding: NoteFunding,
        venue_class: type[PaperVenue] | None = None,
        prints_wanted: bool = True,
    ) -> None:
        super().__init__(config, context)
        self._span, self._note_fill, self._note_funding = span, note_fill, note_funding
        self.venue_class = venue_class or self.venue_class
        self._prints_wanted = prints_wanted
        self._times: Any = span.rows["local_ns"]

    def _find_feed(self) -> tuple[Market, Feed]:
        market = self._span.market
        if not market.lists(self.context.symbol):
            raise ConfigError(f"the data are of {market.symbol}, the config trades {self.context.symbol}")
        span = self._span
        self._events = EventFeed(span.rows, self._settings.interval_ns, span.begin, span.first_ns, span.last_ns)
        return market, self._events

    def start_market_data(self) -> None:
        """Begin to deliver LinkUp and books, and prints to who wants them."""
        super().start_market_data()
        self._opened().prints_wanted = self._prints_wanted

    def _open_store(self, symbol: str) -> VenueStore:
        self._memory = MemoryStore(self._note_fill, self._note_funding)
        return self._memory

    def mid_ticks(self) -> float:
        """Return the mid as the matching sees it now."""
        return self._opened().mid_ticks()

    def resting(self) -> tuple[int | None, int | None]:
        """Return the best prices of our own resting orders, bid and ask, in ticks."""
        return self._opened().best_own(Side.BUY), self._opened().best_own(Side.SELL)

    # What several venues under one clock are asked; times are on the loop's clock
    @property
    def latency_ns(self) -> int:
        """Return how long a message is under way."""
        return self._latency_ns

    @property
    def rests(self) -> bool:
        """Tell whether an order of ours rests: the market can do nothing to us where none does."""
        return self.resting() != (None, None)

    @property
    def fill_count(self) -> int:
        """Return how many fills there were."""
        return self._memory.fill_count

    def arrival_ns(self) -> int:
        """Return when the next message under way arrives, NEVER when there is none."""
        return self._opened().time.now_at(self._on_the_way[0][0]) if self._on_the_way else NEVER

    def next_event_ns(self) -> int:
        """Return when the next event that is not played yet comes, NEVER when there is none."""
        feed, time = self._events, self._opened().time
        if feed.at == len(feed.rows):
            return NEVER
        position_ns = self._times.item(feed.at) - feed.begin_ns + feed.base_ns
        return time.now_at(time.elapsed_at(position_ns))


CLIENT = ReplayVenue
