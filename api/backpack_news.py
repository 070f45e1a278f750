"""What Backpack's account stream says of our orders. Updates can lack our id, repeat themselves, or come too early."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from api.backpack_errors import WOULD_TAKE, expiry_class, expiry_reason
from api.backpack_messages import OWN_ORIGIN, FillNews, OrderNews, PositionNews
from api.backpack_orders import OrderDesk
from api.backpack_records import OrderRecords, SentOrder
from core.market.instrument import Instrument
from core.market.order import Fill, OrderEvent, OrderState

_log = logging.getLogger("makerd.orders")
_MAX_UNCLAIMED = 500
_EXPECT_NS = 5 * 1_000_000_000  # an order that rests by its answer must be in the stream by then
_MAX_EXPECTED = 1_000
_ENGINE_SAYS_NO = frozenset({"expired"})
_IGNORED = frozenset({"triggerPlaced", "triggerFailed"})  # we place no such orders


class OrderNewsDesk:
    """Takes order updates to the loop, and notices when the stream does not speak of orders that rest."""

    def __init__(
        self, leg: str, instrument: Instrument, records: OrderRecords, desk: OrderDesk, now_ns: Callable[[], int]
    ) -> None:
        self._leg, self._instrument, self._records, self._desk = leg, instrument, records, desk
        self._now_ns = now_ns
        self._unclaimed: deque[OrderNews] = deque(maxlen=_MAX_UNCLAIMED)  # no id of ours, while creates are unanswered
        self._expected: dict[str, int] = {}  # our id -> when the stream must have spoken of it
        self._told_words: set[str] = set()
        self._is_listening = False
        desk.on_new_id = self._claim
        desk.on_resting = self._expect

    # The stream as a whole

    def connected(self) -> None:
        """From now on the stream must speak."""
        self._is_listening = True
        self._expected.clear()

    def disconnected(self) -> None:
        """Expect nothing."""
        self._is_listening = False
        self._expected.clear()

    def _expect(self, sent: SentOrder) -> None:
        if self._is_listening and not sent.is_heard and len(self._expected) < _MAX_EXPECTED:
            self._expected.setdefault(sent.key, self._now_ns() + _EXPECT_NS)

    def silent_since_ns(self) -> int | None:
        """Return when the oldest expected word is overdue, None when nothing is expected."""
        return min(self._expected.values(), default=None)

    # Updates

    def take(self, news: OrderNews) -> None:
        """Take an order update in."""
        if news.symbol != self._instrument.venue_symbol:
            return
        if news.origin != OWN_ORIGIN:
            told = {"origin": news.origin, "order_id": news.order_id, "event": news.event, "size": str(news.size)}
            _log.error("venue_traded_for_account", extra={"fields": told})
        sent = self._records.match(news.order_id, news.client_id)
        if sent is not None:
            self._apply(sent, news)
        elif news.client_id is None:
            self._unclaimed.append(news)

    def _claim(self, sent: SentOrder) -> None:
        """Take in what the stream said of an order before its answer told us the venue's id."""
        if not self._unclaimed:
            return
        waiting, self._unclaimed = self._unclaimed, deque(maxlen=_MAX_UNCLAIMED)
        for news in waiting:
            if news.order_id == sent.venue_id:
                self._apply(sent, news)
            else:
                self._unclaimed.append(news)

    def _apply(self, sent: SentOrder, news: OrderNews) -> None:
        sent.is_heard = True
        self._expected.pop(sent.key, None)
        filled = self._instrument.to_lots(news.filled)
        if news.fill is not None:
            self._records.accepted(sent)
            self._records.filled(self._fill(sent, news, news.fill))
        if news.event in ("orderAccepted", "orderModified"):
            self._records.accepted(sent, filled)
        elif news.event == "orderFill":
            if news.state is OrderState.FILLED:
                self._desk.end_filled(sent, filled)
        elif news.event == "orderCancelled":
            self._records.ended(sent, OrderEvent.CANCELED, "", filled)
        elif news.event == "orderExpired":
            self._expired(sent, news, filled)
        elif news.event not in _IGNORED:
            self._unknown(sent, news)
        self._desk.release(sent)

    def _expired(self, sent: SentOrder, news: OrderNews, filled: int) -> None:
        """An order that the engine refused on arrival is a reject; one that rested or traded has expired."""
        kind = expiry_class(news.reason)
        refused = kind == WOULD_TAKE or (kind not in _ENGINE_SAYS_NO and not filled and not sent.is_accepted)
        event = OrderEvent.REJECTED if refused else OrderEvent.EXPIRED
        self._records.ended(sent, event, expiry_reason(news.reason), filled)

    def _unknown(self, sent: SentOrder, news: OrderNews) -> None:
        if news.event not in self._told_words and len(self._told_words) < _MAX_UNCLAIMED:
            self._told_words.add(news.event)
            _log.warning("unknown_order_event", extra={"fields": {"event": news.event[:100], "id": sent.key}})
        self._records.doubtful(sent, f"the venue says {news.event[:100]!r}, which we do not know")

    def _fill(self, sent: SentOrder, news: OrderNews, fill: FillNews) -> Fill:
        return Fill(
            trade_id=fill.trade_id,
            client_order_id=sent.key,
            leg=self._leg,
            side=news.side,
            price_ticks=self._instrument.to_ticks(fill.price),
            size_lots=self._instrument.to_lots(fill.size),
            liquidity="maker" if fill.is_maker else "taker",
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            venue_ns=fill.venue_ns,
            venue_order_id=news.order_id,
        )


def note_position(news: PositionNews) -> None:
    """Note a position update for the reader of a debug log; the loop takes positions from reports only."""
    _log.debug("position_update", extra={"fields": {"symbol": news.symbol, "size": str(news.size)}})
