"""Backpack's websocket: one signed subscription for the market and the account, and what follows from its life.

The venue does not acknowledge a subscription. It counts as made when the first data of it comes, or when nothing was
said against it for a while; a market can be quiet. The link is up when it is made and a whole book was told, and down
as soon as one of the two is gone: what the loop has of the book is no price then. That the account's part of the
subscription is alive shows when an order rests: the stream must speak of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from api.backpack_answers import depth_of
from api.backpack_calls import Calls, Reply
from api.backpack_errors import AUTH, CLOCK, problem_of
from api.backpack_messages import (
    MARK_PRICE,
    ORDER_UPDATE,
    POSITION_UPDATE,
    DepthNews,
    MarkNews,
    OrderNews,
    PositionNews,
    StreamProblem,
    TradeNews,
    book_delta,
    changes,
    parse_frame,
)
from api.backpack_news import OrderNewsDesk, note_position
from api.backpack_sign import subscribe_frame
from api.backpack_wire import BackpackWire, depth_request
from api.base_client import InboxItem
from api.book_upkeep import BookQuestion, BookUpkeep
from api.http_call import Lane
from api.wire_json import dumps, loads
from api.ws_transport import WsClosed, WsMessage, WsOpened, WsOverflow, WsTransport
from core.market.book import OrderBook
from core.market.events import BookUpdate, LinkDown, LinkUp, PerpFacts, TradePrint
from core.market.instrument import Instrument
from utils.errors import VenueAuthError, VenueUnreachable

_log = logging.getLogger("makerd.market")
_S = 1_000_000_000
_MARKET = ("depth", "trade", MARK_PRICE)
_QUIET_IS_WELL_NS = _S  # nothing said against a subscription: it counts as made
_SNAPSHOT_LEVELS, _CHECK_LEVELS = 1_000, 5
_DEAD_STREAM_PAUSE_NS = 30 * _S  # between reconnects for a silent depth stream
_MAX_SILENT_ACCOUNTS = 3  # reconnects in a row because the account stream said nothing; then it is only told


def is_market_data(text: str) -> bool:
    """Tell whether a message may be dropped when too many wait; one of the account never may."""
    return "account." not in text and any(f'"{kind}.' in text for kind in _MARKET)


class Streams:
    """Books, prints and order updates of one market; `wire` is None without a key."""

    def __init__(
        self,
        leg: str,
        instrument: Instrument,
        ws: WsTransport,
        calls: Calls,
        wire: BackpackWire | None,
        news: OrderNewsDesk | None,
        put: Callable[[InboxItem], None],
        book_depth: int,
    ) -> None:
        self._leg, self._instrument, self._ws, self._calls = leg, instrument, ws, calls
        self._wire, self._news, self._put = wire, news, put
        self._upkeep = BookUpkeep(book_depth, self._ask_book, self._deliver, self._on_dead_depth, self._link_down)
        self.on_reopened: Callable[[], None] = lambda: None
        self._works = False  # the subscription
        self._has_book = False  # the loop has the newest book
        self._told_up = False
        self._subscribed_ns: int | None = None  # when, while it is not known whether it worked
        self._leaves = False  # this connection is given up; what still comes of it may be broken
        self._dead_depth_ns: int | None = None
        self._silent_accounts = 0
        self._now_ns = 0

    # Items of the transport

    def take(self, now_ns: int) -> None:
        """Take in what has come. Raises VenueAuthError."""
        self._now_ns = now_ns
        for item in self._ws.drain():
            if isinstance(item, WsMessage):
                self._on_message(item)
            elif isinstance(item, WsOpened):
                self._on_opened(item)
            elif isinstance(item, WsOverflow):
                _log.warning("market_data_dropped", extra={"fields": {"messages": item.dropped}})
                self._upkeep.overflow(now_ns)
            else:
                self._on_closed(item)

    def _on_opened(self, item: WsOpened) -> None:
        self._leaves = False
        if item.number > 1:
            self.on_reopened()
        try:
            self._ws.send(self._subscription())
        except VenueUnreachable as exc:  # it is closed again already, or takes nothing
            self._reconnect(str(exc))
            return
        self._subscribed_ns = self._now_ns
        self._upkeep.connected(self._now_ns)

    def _subscription(self) -> str:
        symbol = self._instrument.venue_symbol
        market = [f"depth.{symbol}", f"trade.{symbol}"]
        if self._instrument.kind == "perp":
            market.append(f"{MARK_PRICE}.{symbol}")
        if self._wire is None:
            return dumps(subscribe_frame(market))
        return self._wire.subscribe([*market, f"{ORDER_UPDATE}.{symbol}", f"{POSITION_UPDATE}.{symbol}"])

    def _on_closed(self, item: WsClosed) -> None:
        self._link_lost(item.reason)
        if isinstance(item.error, VenueAuthError):
            raise item.error

    def _on_message(self, message: WsMessage) -> None:
        try:
            news = parse_frame(loads(message.text))
            if news is not None:
                self._on_news(news, message.received_ns)
        except ValueError as exc:
            if not self._leaves:
                _log.warning("garbage_frame", extra={"fields": {"reason": str(exc)[:200]}})
            self._reconnect("a message cannot be read")

    def _on_news(self, news: Any, received_ns: int) -> None:
        if isinstance(news, StreamProblem):
            self._on_problem(news)
            return
        self._subscription_works()
        if isinstance(news, DepthNews):
            self._on_depth(news, received_ns)
        elif isinstance(news, TradeNews):
            self._on_trade(news, received_ns)
        elif isinstance(news, MarkNews):
            self._on_mark(news, received_ns)
        elif isinstance(news, OrderNews) and self._news is not None:
            self._silent_accounts = 0
            self._news.take(news)
        elif isinstance(news, PositionNews):
            note_position(news)

    def _on_problem(self, problem: StreamProblem) -> None:
        found = problem_of(400, problem.payload)
        words = found.message.lower()
        if found.kind == CLOCK or "timestamp" in words or "expired" in words:
            self._calls.measure_clock()
        elif found.kind == AUTH or "signature" in words or "api key" in words or "unauthorized" in words:
            raise VenueAuthError(f"{found.code}: {found.message}; check api_key and api_secret")
        _log.warning("subscription_refused", extra={"fields": {"code": found.code, "reason": found.message}})
        self._reconnect(f"the venue refused the subscription ({found.code}: {found.message})")

    # The link

    def _subscription_works(self) -> None:
        self._subscribed_ns = None
        if self._works or self._leaves:
            return
        self._works = True
        if self._news is not None:
            self._news.connected()
        self._settle()

    def _settle(self) -> None:
        """Say that the link is up, once everything is there."""
        if self._works and self._has_book and not self._told_up:
            self._told_up = True
            self._put(LinkUp(self._leg))

    def _link_down(self, reason: str) -> None:
        """Say that the link is down, once: the book that the loop has is no price any more."""
        self._has_book = False
        if self._told_up:
            self._told_up = False
            self._put(LinkDown(self._leg, reason))

    def _link_lost(self, reason: str) -> None:
        self._subscribed_ns = None
        self._works = False
        self._upkeep.disconnected()
        if self._news is not None:
            self._news.disconnected()
        self._link_down(reason)

    def _reconnect(self, reason: str) -> None:
        if self._leaves:
            return
        self._leaves = True
        self._link_lost(reason)
        self._ws.reconnect(reason)

    # The market

    def _on_depth(self, news: DepthNews, received_ns: int) -> None:
        if news.symbol == self._instrument.venue_symbol and not self._leaves:
            self._upkeep.delta(book_delta(news, self._instrument), received_ns)

    def _on_trade(self, news: TradeNews, received_ns: int) -> None:
        lots = self._instrument.to_lots(news.size)
        if news.symbol == self._instrument.venue_symbol and lots:
            ticks = self._instrument.to_ticks(news.price)
            self._put(TradePrint(self._leg, ticks, lots, news.taker, news.venue_ns, received_ns))

    def _on_mark(self, news: MarkNews, received_ns: int) -> None:
        if news.symbol == self._instrument.venue_symbol:
            told = (news.mark_price, news.funding_rate, news.funding_utc_ns)
            self._put(PerpFacts(self._leg, *told, received_ns, news.index_price))

    def _deliver(self, book: OrderBook) -> None:
        self._put(BookUpdate(self._leg, book))
        self._has_book = True
        self._settle()

    def _ask_book(self, question: BookQuestion) -> None:
        levels = _CHECK_LEVELS if question.is_check else _SNAPSHOT_LEVELS
        self._calls.send(
            Lane.READ,
            lambda: depth_request(self._instrument.venue_symbol, levels),
            lambda reply: self._on_book(question, reply),
        )

    def _on_book(self, question: BookQuestion, reply: Reply) -> None:
        try:
            picture = None if reply.trouble else depth_of(reply.payload)
        except ValueError:
            picture = None
        now_ns = reply.received_ns
        if picture is None:
            self._upkeep.failed(question, now_ns)
        elif question.is_check:
            self._upkeep.check(question, picture.sequence, reply.sent_ns, now_ns)
        else:
            levels = changes(picture.bids, picture.asks, self._instrument)
            self._upkeep.snapshot(question, picture.sequence, levels, picture.venue_ns, reply.sent_ns, now_ns)

    def _on_dead_depth(self) -> None:
        """The book moves and the stream does not say so: begin anew, though not for ever at once."""
        _log.warning("depth_stream_silent")
        before_ns = self._dead_depth_ns
        if before_ns is None or self._now_ns - before_ns >= _DEAD_STREAM_PAUSE_NS:
            self._dead_depth_ns = self._now_ns
            self._reconnect("the depth stream is silent while the book moves")

    # Time

    def step(self, now_ns: int) -> int | None:
        """Do what is due; return when to be called next."""
        self._now_ns = now_ns
        if self._subscribed_ns is not None and now_ns - self._subscribed_ns >= _QUIET_IS_WELL_NS:
            self._subscription_works()
        due = [self._upkeep.step(now_ns), self._watch_account(now_ns)]
        if self._subscribed_ns is not None:
            due.append(self._subscribed_ns + _QUIET_IS_WELL_NS)
        return min((each for each in due if each is not None), default=None)

    def _watch_account(self, now_ns: int) -> int | None:
        due_ns = None if self._news is None else self._news.silent_since_ns()
        if due_ns is None or now_ns < due_ns or self._news is None:
            return due_ns
        self._silent_accounts += 1
        if self._silent_accounts <= _MAX_SILENT_ACCOUNTS:
            self._reconnect("the account stream does not speak of an order that rests")
        else:
            _log.error("account_stream_silent")
            self._news.connected()
        return self._news.silent_since_ns()

    def close(self) -> None:
        """Leave."""
        self._ws.close()
