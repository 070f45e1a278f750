"""Market data of one Thalex leg: the book kept and renewed, the tape told, the link called up or down."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from api.base_client import InboxItem
from api.thalex_book import ThalexBook
from api.thalex_calls import SECOND
from api.thalex_messages import read_book, read_ticker, read_trades
from api.thalex_session import Session, Stage
from api.thalex_settings import ThalexSettings, book_channel, ticker_channel, trades_channel
from core.market.events import BookUpdate, LinkDown, LinkUp, PerpFacts, TradePrint
from core.market.instrument import Instrument

_FIRST_PAUSE_NS, _MAX_PAUSE_NS = SECOND, 30 * SECOND
_WHOLE_NS = 10 * SECOND  # how long a subscription may leave us without its whole book
_CALM_NS = 60 * SECOND  # a book that was fine for so long is renewed at once again
_log = logging.getLogger("makerd.market")


class MarketData:
    """The public half of a leg. LinkUp: the session is ready and a whole book is here; LinkDown: not any more."""

    def __init__(
        self,
        leg: str,
        instrument: Instrument,
        settings: ThalexSettings,
        session: Session,
        put: Callable[[InboxItem], None],
        on_fault: Callable[[], None],
    ) -> None:
        self._leg, self._instrument, self._session, self._put = leg, instrument, session, put
        self._on_fault = on_fault  # the book does not fit: perhaps the instrument is not what it was
        self._depth = settings.book_depth
        name = instrument.venue_symbol
        self._channels = (book_channel(name), trades_channel(name), ticker_channel(name))
        self._book = ThalexBook(instrument)
        self._listening = True  # to the book: not while an old subscription may still speak
        self._changed = False
        self._heard_ns = 0  # when the newest word on the book came: it may have waited since
        self._tape_is_new = False  # whether the first message of the tape, old prints, was heard
        self._pause_ns = 0
        self._renew_ns: int | None = None  # when to subscribe anew
        self._renewed_ns = 0
        self._awaited_ns: int | None = None  # since when a whole book is awaited
        self._told_up = False

    @property
    def channels(self) -> tuple[str, ...]:
        """Return what is to be subscribed."""
        return self._channels

    # The subscription

    def start_over(self) -> None:
        """Expect a whole book and old prints: the first messages of new subscriptions."""
        self._book.start_over()
        self._listening, self._tape_is_new = True, False
        self._renew_ns = self._awaited_ns = None
        self._changed = False

    def fault(self, reason: str, now_ns: int) -> None:
        """Throw the book away and get it anew, after a pause when that happens often."""
        if not self._listening:
            return  # it is thrown away already
        self.link_down(f"book: {reason}")
        _log.warning("book_renewed", extra={"fields": {"leg": self._leg, "reason": reason}})
        if now_ns - self._renewed_ns > _CALM_NS:
            self._pause_ns = 0
        self._on_fault()
        self._book.start_over()
        self._listening = self._changed = False
        self._renew_ns = now_ns + self._pause_ns
        self._pause_ns = min(max(_FIRST_PAUSE_NS, 2 * self._pause_ns), _MAX_PAUSE_NS)

    def _renew(self, now_ns: int) -> None:
        self._renew_ns = None
        self._renewed_ns = now_ns

        def begun() -> None:
            self._listening = True

        self._session.renew(self._channels[:1], self.settle, begun)

    def resume(self, now_ns: int) -> None:
        """Take up a renewal that a new login has cut short."""
        if self._session.market_up and not self._listening and self._renew_ns is None:
            self._renew_ns = now_ns

    # Messages

    def take(self, channel: str, body: Any, received_ns: int) -> None:
        """Take in a notification; one of no channel of ours is left alone. Raises WireFault."""
        book, tape, ticker = self._channels
        if channel == book:
            self._take_book(body, received_ns)
        elif channel == tape:
            self._take_tape(body, received_ns)
        elif channel == ticker:
            self._take_ticker(body, received_ns)

    def _take_book(self, body: Any, received_ns: int) -> None:
        if not self._listening:
            return
        if reason := self._book.apply(read_book(body), received_ns):
            self.fault(reason, received_ns)
            return
        self._changed, self._heard_ns = True, received_ns
        if not self._told_up:
            self.settle()

    def _take_tape(self, body: Any, received_ns: int) -> None:
        trades = read_trades(body)
        if not self._tape_is_new:
            self._tape_is_new = True
            return
        for trade in trades:
            price, lots = self._instrument.to_ticks(trade.price), self._instrument.to_lots(trade.amount)
            if lots > 0:
                self._put(TradePrint(self._leg, price, lots, trade.side, trade.venue_ns, received_ns))

    def _take_ticker(self, body: Any, received_ns: int) -> None:
        ticker = read_ticker(body)
        if ticker.mark_price is not None or ticker.index_price is not None:
            self._put(PerpFacts(self._leg, ticker.mark_price, None, None, received_ns, ticker.index_price))
        if self._book.ready and self._book.compare(ticker, received_ns):
            self._changed, self._heard_ns = True, received_ns  # as fresh as if it had been sent again

    # Time

    def tick(self, now_ns: int) -> int | None:
        """Do what is due and tell the newest book; return when to be called next."""
        if self._session.market_up and self._book.ready and (reason := self._book.overdue(now_ns)):
            self.fault(reason, now_ns)
        whole_due_ns = self._await_whole(now_ns)
        if self._renew_ns is not None and now_ns >= self._renew_ns and self._session.stage is Stage.READY:
            self._renew(now_ns)
        if self._changed:
            self._changed = False
            self._put(BookUpdate(self._leg, self._book.picture(self._depth, self._heard_ns)))
        due = [when for when in (self._renew_ns, self._book.due_ns(), whole_due_ns) if when is not None]
        return min(due, default=None)

    def _await_whole(self, now_ns: int) -> int | None:
        """Ask again when a subscription brings no book; return when to look."""
        if not self._session.market_up or not self._listening or self._book.ready:
            self._awaited_ns = None
            return None
        if self._awaited_ns is None:
            self._awaited_ns = now_ns
        if now_ns - self._awaited_ns >= _WHOLE_NS:
            self._awaited_ns = None
            self.fault("no whole book came", now_ns)
            return None
        return self._awaited_ns + _WHOLE_NS

    # The link

    def settle(self) -> None:
        """Say that the link is up, once everything is there."""
        ready = self._session.stage is Stage.READY and self._session.market_up and self._book.ready
        if ready and not self._told_up:
            self._told_up = True
            self._put(LinkUp(self._leg))

    def link_down(self, reason: str) -> None:
        """Say that the link is down, once."""
        if self._told_up:
            self._told_up = False
            self._put(LinkDown(self._leg, reason))
