"""The embedded venue: an ExchangeClient that needs no account and no network, and keeps its promises after a kill.

A feed gives the market, `core/market/matching.py` the fills, `paper_store.py` the memory; `paper_venue.py` joins them.
There is no thread: `poll` brings the venue up to now and says when it wants to be called again: for the next book
picture or the next message under way. Everything is in the file before it is in the inbox. Messages under way when the
client is closed or killed are lost; nothing arrives later.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import api.event_feed  # here, not when a feed is opened: each forked worker would have its own copy of numpy
import api.replay_feed
import api.synthetic_feed  # noqa: F401
from api.base_client import Capabilities, ClientContext, ExchangeClient, Inbox
from api.feed import Feed, SilentFeed
from api.market_facts import Market, market_from_text
from api.paper_settings import PaperSettings, paper_complaints
from api.paper_store import PaperStore, VenueStore, store_path
from api.paper_venue import PaperVenue
from core.market.account_needs import MarginTerms
from core.market.events import BookUpdate, LinkDown, LinkUp
from core.market.order import Amend, Order
from utils.errors import ConfigError, MakerdError, NotListed, VenueUnreachable

_MAX_EVENTS_PER_POLL = 5_000  # the loop gets its turn back even when there is much to catch up with
_MAX_GAP_NS = 60 * 10**9  # after a longer pause of the process the venue counts as closed meanwhile
_ARRIVAL_MARGIN_S = 0.1

Arrive = Callable[[PaperVenue, int], None]  # what a message does at the venue, and when (venue time)


class PaperClient(ExchangeClient):
    """One paper account on one symbol."""

    per_home = True
    embedded = True
    venue_class: type[PaperVenue] = PaperVenue

    def __init__(self, config: Mapping[str, Any], context: ClientContext) -> None:
        super().__init__(config, context)
        self._settings = PaperSettings.from_config(config)
        self.capabilities = Capabilities(
            reduce_only=True,
            amend=True,
            amend_keeps_post_only=True,
            batch_cancel=True,
            cancel_all_at_once=True,
            late_arrival_s=self._settings.latency_ms / 1000 + _ARRIVAL_MARGIN_S,
            max_open_orders=self._settings.max_open_orders,
        )
        self._latency_ns = int(self._settings.latency_ms * 1_000_000)
        self._venue: PaperVenue | None = None
        self._feed_problem: MakerdError | None = None
        self._on_the_way: deque[tuple[int, Arrive]] = deque()  # venue time of the arrival; the latency is constant
        self._asked: list[tuple[int, str | None]] = []  # reports to give at the end of this poll
        self._publishing = False
        self._publish_from_ns = 0  # venue time
        self._published = -1  # number of the newest picture told

    @classmethod
    def config_complaints(cls, exchange_config: Mapping[str, Any], symbol: str, data_dirs: Sequence[str]) -> list[str]:
        """Return what is wrong with feed, recording, symbol and balances; compiles the recording on the way."""
        return paper_complaints(exchange_config, symbol, data_dirs)

    def open(self, inbox: Inbox, leg: str) -> None:
        """Open the venue's file. Raises NotListed (unknown symbol), VenueUnreachable (file in use), ConfigError."""
        context = self.context
        self._inbox, self._leg = inbox, leg
        try:
            market, feed = self._find_feed()
        except (ConfigError, NotListed, VenueUnreachable) as exc:
            market, feed, store = self._open_without_feed(exc)
        else:
            store = self._open_store(market.symbol)
        try:
            self._venue = self.venue_class(
                store, self._settings, market, feed, leg, inbox.put, context.utc_ns(), context.now_ns()
            )
        except BaseException:
            store.close()
            raise
        self.instrument = self._venue.instrument

    def _find_feed(self) -> tuple[Market, Feed]:
        """Return what is traded and where its prices come from. Raises NotListed, ConfigError, VenueUnreachable."""
        market = self._settings.find_market(self.context.symbol, self.context.data_dirs)
        return market, self._settings.open_feed(market, self.context.data_dirs)

    def _open_store(self, symbol: str) -> VenueStore:
        return self._open_file(symbol)

    def _open_file(self, symbol: str) -> PaperStore:
        context = self.context
        path = store_path(context.state_dir, context.exchange, context.account, symbol)
        return PaperStore(path, f"process {os.getpid()} (bot {context.bot_name})")

    def _open_without_feed(self, problem: MakerdError) -> tuple[Market, Feed, VenueStore]:
        """Open an account that exists although its feed is gone, so that its orders can be listed and cancelled."""
        context, symbol = self.context, self.context.symbol
        if not store_path(context.state_dir, context.exchange, context.account, symbol).exists():
            raise problem
        store = self._open_file(symbol)
        try:
            text = store.market_text()
            if text is None:
                raise problem
            market = market_from_text(text, store.path)
        except BaseException:
            store.close()
            raise
        self._feed_problem = problem
        return market, SilentFeed(), store

    def start_market_data(self) -> None:
        """Begin to deliver LinkUp, books and trade prints. Raises what `open` found wrong with the feed."""
        venue = self._opened()
        if self._feed_problem is not None:
            raise self._feed_problem
        self._publishing = venue.prints_wanted = True
        self._begin(venue)

    def _begin(self, venue: PaperVenue) -> None:
        self._inbox.put(LinkUp(self._leg))
        self._publish_book(venue, self.context.now_ns())

    def margin_terms(self) -> MarginTerms | None:
        """Return the leverage of the account, None on spot; it is a cross account, long and short are one position."""
        venue = self._opened()
        return None if self.instrument.kind == "spot" else MarginTerms(venue.leverage, "cross")

    def set_leverage(self, leverage: Decimal) -> None:
        """Set the leverage, for as long as the client is open. Raises VenueRefused."""
        self._opened().set_leverage(leverage)

    def close(self) -> None:
        """Close the file; orders stay as they are."""
        venue, self._venue = self._venue, None
        self._on_the_way.clear()
        self._asked.clear()
        if venue is not None:
            venue.close()

    def submit(self, orders: Sequence[Order]) -> None:
        """Send new orders; each is answered when it has arrived."""
        sent = tuple(orders)
        if sent:
            self._send(lambda venue, at_ns: venue.submit(sent, at_ns))

    def amend(self, amends: Sequence[Amend]) -> None:
        """Send amendments; each is answered when it has arrived. Raises VenueRefused where the venue amends nothing."""
        if not self.capabilities.amend:
            super().amend(amends)
        sent = tuple(amends)
        if sent:
            self._send(lambda venue, at_ns: venue.amend(sent, at_ns))

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Send cancels; each is answered by CANCELED or CANCEL_REJECTED."""
        ids = tuple(client_order_ids)
        if ids:
            self._send(lambda venue, _: venue.cancel(ids))

    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        """Cancel every open order whose client order id `owns` says yes to."""
        self._send(lambda venue, _: venue.cancel_all(owns))

    def request_report(self, request_id: int, since: str | None) -> None:
        """Ask for open orders, fills after the mark `since`, positions and balances."""
        # Given at the end of the poll in which the request arrives: all that arrived by then is in it.
        self._send(lambda _venue, _at: self._asked.append((request_id, since)))

    def _send(self, arrive: Arrive) -> None:
        now_ns = self._opened().time.elapsed(self.context.now_ns())
        self._on_the_way.append((now_ns + self._latency_ns, arrive))

    def _opened(self) -> PaperVenue:
        if self._venue is None:
            raise VenueUnreachable("the paper venue is not open")
        return self._venue

    def poll(self, now_ns: int) -> int | None:
        """Bring the venue up to `now_ns` and return when to be called next. Raises VenueUnreachable when closed."""
        venue = self._venue or self._opened()
        elapsed_ns = max(venue.time.elapsed(now_ns), venue.played_ns)
        if elapsed_ns - venue.played_ns > _MAX_GAP_NS:
            self._resume_after_gap(venue, elapsed_ns)
        if not self._advance(venue, elapsed_ns):
            return now_ns
        venue.retry_unsaved()
        venue.check_margin()
        self._publish_book(venue, now_ns)
        for request_id, since in self._asked:
            self._inbox.put(venue.report(request_id, since))
        self._asked.clear()
        return venue.time.now_at(self._next_due_ns(venue, elapsed_ns))

    def answer_due_ns(self, now_ns: int) -> int:
        """Return when the next message arrives: nothing is answered before."""
        if not self._on_the_way:
            return now_ns
        return max(now_ns, self._opened().time.now_at(self._on_the_way[0][0]))

    def run_ahead(self, until_ns: int) -> int:
        """Play on until something of ours happens, to `until_ns` of the loop's clock at most; return when that was.

        For a clock that is simulated: nobody can act before the moment that is returned, so nothing is missed.
        """
        venue = self._venue or self._opened()
        stop_ns = venue.time.elapsed(until_ns)
        if self._on_the_way:
            stop_ns = min(stop_ns, self._on_the_way[0][0])
        while venue.played_ns < stop_ns and not venue.play(stop_ns, _MAX_EVENTS_PER_POLL, stop_at_fill=True):
            pass
        return venue.time.now_at(venue.played_ns)

    def _advance(self, venue: PaperVenue, elapsed_ns: int) -> bool:
        """Play feed and messages in the order of time; False when there is more to do than fits one call."""
        budget = _MAX_EVENTS_PER_POLL
        while self._on_the_way and self._on_the_way[0][0] <= elapsed_ns:
            due_ns, arrive = self._on_the_way[0]
            budget = venue.play(due_ns, budget)
            if not budget:
                return False
            self._on_the_way.popleft()
            arrive(venue, due_ns)
        return venue.play(elapsed_ns, budget) > 0

    def _next_due_ns(self, venue: PaperVenue, elapsed_ns: int) -> int:
        due_ns = self._publish_from_ns
        if venue.played_ns >= due_ns or self._settings.speed > 1:  # else the next picture is the one to be told then
            due_ns = max(due_ns, venue.next_picture_ns)
        if self._on_the_way:
            due_ns = min(due_ns, self._on_the_way[0][0])
        return max(due_ns, elapsed_ns)

    def _resume_after_gap(self, venue: PaperVenue, elapsed_ns: int) -> None:
        if self._publishing:
            self._inbox.put(LinkDown(self._leg, "the process was paused"))
        venue.go_to(elapsed_ns)
        if self._publishing:
            self._inbox.put(LinkUp(self._leg))

    def _publish_book(self, venue: PaperVenue, now_ns: int) -> None:
        """Tell the newest picture; a feed that runs faster than time is told at the pace of one that does not."""
        is_due = self._publishing and venue.played_ns >= self._publish_from_ns
        if not is_due or venue.picture_number == self._published:
            return
        self._published = venue.picture_number
        if self._settings.speed > 1:
            self._publish_from_ns = venue.played_ns + self._settings.interval_ns
        elif venue.shows_changes:
            self._publish_from_ns = venue.next_picture_ns
        if (facts := venue.facts(now_ns)) is not None:
            self._inbox.put(facts)
        self._inbox.put(BookUpdate(self._leg, venue.book(now_ns)))


CLIENT = PaperClient
