"""What the venue says, taken in: streams and reports feed the same functions, each fact counts once.

An event reaches the strategy only after the ledger was given it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from core.market.book import in_band
from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate, PerpFacts, TradePrint
from core.market.funding import FundingPayment
from core.market.order import POST_ONLY_WOULD_CROSS, Amend, Fill, Order, OrderEvent, OrderState, Side
from core.market.reports import VenueReport
from core.trading.cycle_timer import FREED, MOVE, OWN
from core.trading.log_fields import fields
from core.trading.order_changes import after_fill
from core.trading.report_intake import ReportIntake
from utils.errors import LedgerError

if TYPE_CHECKING:
    from api.base_client import InboxItem
    from core.market.book import OrderBook
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState
    from strategies.base import Strategy

_log = logging.getLogger("makerd.orders")
_DOUBT = frozenset({OrderEvent.OUTCOME_UNKNOWN, OrderEvent.CANCEL_REJECTED})
_RESTS = frozenset({OrderEvent.ACCEPTED, OrderEvent.AMENDED})
_AMEND_ANSWERS = frozenset({OrderEvent.AMENDED, OrderEvent.AMEND_REJECTED})
_OWN = frozenset({OrderEvent.CANCELED, OrderEvent.REJECTED, OrderEvent.EXPIRED})
_COUNTERS = {
    OrderEvent.CANCELED: "orders_cancelled",
    OrderEvent.REJECTED: "orders_rejected",
    OrderEvent.EXPIRED: "orders_expired",
}


class Intake:
    """The way in."""

    def __init__(self, bot: BotState, strategy: Strategy) -> None:
        self._bot, self._strategy = bot, strategy
        self._reports = ReportIntake(bot, self)
        self._unvalued: set[tuple[str, str]] = set()  # leg and fee asset, told once each

    def take(self, leg: LegState, item: InboxItem, now_ns: int) -> int | None:
        """Take one item in; of a report, return when it was asked for (None for one that came too late)."""
        if isinstance(item, OrderUpdate):
            self.on_update(leg, item, now_ns)
        elif isinstance(item, BookUpdate):
            self._on_book(leg, item, now_ns)
        elif isinstance(item, PerpFacts):
            leg.take_facts(item, now_ns, self._bot.clock.utc_ns())
        elif isinstance(item, TradePrint):
            self._on_print(leg, item)
        elif isinstance(item, FillEvent):
            self._on_streamed_fill(leg, item.fill, now_ns)
        elif isinstance(item, FundingPayment):
            self._on_streamed_funding(leg, item, now_ns)
        elif isinstance(item, VenueReport):
            return self._reports.take(leg, item, now_ns)
        else:
            self._on_link(leg, item, now_ns)
        return None

    def _on_print(self, leg: LegState, item: TradePrint) -> None:
        """Tell of a trade near the book; one far outside (an insurance fund's, an error's) moves no price of ours.

        The next book says whether the market went there.
        """
        if not self._strategy.hears_prints:  # what nobody hears must not even have a shut gate looked at
            return
        if _is_near(item, leg.book):
            self._bot.events.append(item)
        else:
            leg.far_prints.append(item)

    def _judge_far_prints(self, leg: LegState) -> None:
        near = [item for item in leg.far_prints if _is_near(item, leg.book)]
        if off_market := len(leg.far_prints) - len(near):
            self._bot.counters["prints_off_market"] += off_market
        self._bot.events.extend(near)
        leg.far_prints.clear()

    def _on_book(self, leg: LegState, update: BookUpdate, now_ns: int) -> None:
        leg.take_book(update.book, now_ns)
        if leg.far_prints:
            self._judge_far_prints(leg)
        self._bot.events.append(update)
        last = leg.shock
        if leg.is_shocked(now_ns):
            self._bot.note_shock(leg, last)
            self._bot.timer.hurry(MOVE)  # the gates are looked at before a decision
        bps, before, mid = self._bot.settings.requote_bps, leg.cycle_mid_ticks, leg.mid_ticks
        if bps and before and mid is not None and abs(mid - before) * 10_000 >= bps * before:
            self._bot.timer.hurry(MOVE)

    def _on_link(self, leg: LegState, item: LinkUp | LinkDown, now_ns: int) -> None:
        if isinstance(item, LinkDown):
            leg.link_up = leg.announced = False
            leg.was_down = True
            self._bot.events.append(item)
            _log.warning("link_down", extra=fields(leg=leg.name, reason=item.reason))
            return
        if leg.link_up:
            return
        leg.link_up = True
        if leg.was_down:  # what happened meanwhile is read back first
            leg.relinked_ns = now_ns
            leg.want_report(now_ns)
        elif leg.reconciled:
            self.announce(leg)

    def announce(self, leg: LegState) -> None:
        """Tell the strategy that a venue is reachable and reconciled."""
        leg.announced = True
        self._bot.events.append(LinkUp(leg.name))
        self._bot.timer.hurry(OWN)

    def on_update(self, leg: LegState, update: OrderUpdate, now_ns: int, inferred: bool = False) -> None:
        """Apply an order update, from the stream or of our own making; `inferred`: concluded from a report."""
        bot, event = self._bot, update.event
        before = leg.tracker.get(update.client_order_id)
        asked = leg.tracker.asked_terms(update.client_order_id) if event in _AMEND_ANSWERS else None
        order = leg.tracker.apply_update(update, now_ns, bot.clock.utc_ns(), inferred)
        if order is None or before is None:
            if leg.ids.owns(update.client_order_id):
                leg.want_report(now_ns)  # ours, and we do not know it
            return
        if event in _DOUBT:
            if not order.is_closed:
                leg.want_report(now_ns)
        else:
            bot.last_ack_ns = now_ns
        was_closed = before.is_closed
        if was_closed:
            if event in _RESTS:
                leg.want_report(now_ns)  # we had called it closed, and it rests
            self._note_reopened(leg, order)
        if order is before:  # as it is when the update changes nothing
            return
        bot.journal.note_order(order)
        if event is OrderEvent.ACCEPTED:
            bot.breaker.accepted()
        elif asked is not None:
            self._amend_answered(leg, order, update, asked)
        elif event is OrderEvent.AMENDED and order.on_terms(before.price_ticks, before.size_lots) != order:
            bot.timer.hurry(OWN)
            _log.warning("order_on_other_terms", extra=fields(id=order.client_order_id, leg=leg.name))
        asked_for = event is OrderEvent.CANCELED and before.state is OrderState.PENDING_CANCEL
        if not was_closed and order.is_closed:
            self._closed(leg, order, event, None if inferred else now_ns, asked_for and not inferred)
            if not inferred and leg.unsure_takes.hear_end(order, update, leg.desk.questions, now_ns):
                leg.want_report(now_ns)
        told = OrderUpdate(
            update.leg, update.client_order_id, event, update.venue_order_id, update.reason, update.filled_lots,
            order.slot, asked_for,
        )  # fmt: skip
        bot.events.append(told)

    def _amend_answered(self, leg: LegState, order: Order, update: OrderUpdate, asked: Amend) -> None:
        """Count an amendment that is in force; decide soon about an order that stayed as it was."""
        if (order.price_ticks, order.size_lots) == (asked.price_ticks, asked.size_lots):
            self._bot.counters["orders_amended"] += 1
            if leg.denied:  # while it was not answered it took the room of both terms
                self._bot.timer.hurry(FREED)
            return
        self._bot.timer.hurry(OWN)
        told = fields(id=order.client_order_id, leg=leg.name, reason=update.reason)
        _log.warning("order_not_amended", extra=told)

    def _note_reopened(self, leg: LegState, order: Order) -> None:
        """Decide soon about an order that was closed and rests although a report had not listed it."""
        if not order.is_closed:
            self._bot.timer.hurry(OWN)
            _log.warning("order_reopened", extra=fields(id=order.client_order_id, leg=leg.name))

    def _closed(self, leg: LegState, order: Order, event: OrderEvent, refused_ns: int | None, asked_for: bool) -> None:
        if event in _OWN:
            self._bot.timer.hurry(FREED if asked_for else OWN)
            self._bot.counters[_COUNTERS[event]] += 1
        if event is not OrderEvent.REJECTED:
            return
        # An order that never arrived, in this life or an earlier one, was not refused; one that the market overtook
        # says nothing about us. What was sent together fails together: a whole ladder is one reject.
        if order.reason == POST_ONLY_WOULD_CROSS:
            if order.slot not in leg.steps_back:
                leg.refused.add(order.slot)
        elif refused_ns is not None:
            self._bot.breaker.rejected(refused_ns, group=order.sent_ns)
            self._bot.note_breaker()
        price = leg.instrument.to_price(order.price_ticks)
        told = fields(id=order.client_order_id, side=order.side.value, price=str(price), reason=order.reason)
        _log.warning("order_rejected", extra=told)

    def _on_streamed_fill(self, leg: LegState, fill: Fill, now_ns: int) -> None:
        try:
            self.on_fill(leg, fill, now_ns)
        except LedgerError as exc:  # whether it is booked cannot be told now; the mark stays, a report brings it again
            self._bot.journal.fail(now_ns, exc)
            leg.want_report(now_ns)

    def on_fill(self, leg: LegState, fill: Fill, now_ns: int) -> None:
        """Book a fill of ours once, whatever the state of its order."""
        bot = self._bot
        known = leg.tracker.get(fill.client_order_id)
        if known is None and not leg.ids.owns(fill.client_order_id):
            key = self.id_of(leg, fill.venue_order_id)
            if key is None:
                self._on_unmatched(leg, fill, now_ns)
                return
            fill, known = replace(fill, client_order_id=key), leg.tracker.get(key)
        if bot.journal.has_fill(leg.name, fill.trade_id):
            bot.counters["fills_repeated"] += 1
            return
        if known is not None and known.is_closed and known.state is not OrderState.FILLED:
            leg.want_report(now_ns)  # it trades although we had called it closed
        order = leg.tracker.apply_fill(fill, now_ns)
        if order is None:
            leg.want_report(now_ns)  # whatever is left of it may still rest
            order = bot.journal.ledger.order(fill.client_order_id)
            order = None if order is None else after_fill(order, fill)
        elif known is not None and known.is_closed:
            self._note_reopened(leg, order)
        if order is not None:
            leg.unsure_takes.book(order)
        leg.position = leg.position.after_fill(fill, leg.instrument)
        leg.balances.book_fill(fill, now_ns)
        bot.journal.note_fill(fill, leg.position, order)
        bot.churn.filled(now_ns)
        bot.timer.hurry(OWN)
        bot.events.append(FillEvent(leg.name, fill, "" if order is None else order.slot))
        bot.live.fill(leg, fill, now_ns)
        self._tell_fill(leg, fill)

    def _on_streamed_funding(self, leg: LegState, payment: FundingPayment, now_ns: int) -> None:
        try:
            self.on_funding(leg, payment, now_ns)
        except LedgerError as exc:  # a report brings it again
            self._bot.journal.fail(now_ns, exc)
            leg.want_report(now_ns)

    def on_funding(self, leg: LegState, payment: FundingPayment, now_ns: int) -> None:
        """Book a funding payment once."""
        journal = self._bot.journal
        if journal.has_funding(leg.name, payment.payment_id):
            return
        leg.position = leg.position.after_funding(payment.amount)
        leg.balances.book_funding(payment, now_ns)
        journal.note_funding(payment, leg.position)
        told = fields(leg=leg.name, amount=f"{payment.amount:f}", rate=f"{payment.rate:f}", id=payment.payment_id)
        _log.info("funding", extra=told)

    def id_of(self, leg: LegState, venue_order_id: str | None) -> str | None:
        """Return which order of ours has a venue's order id: live, closed a while ago, or in the ledger only."""
        if venue_order_id is None:
            return None
        order = leg.tracker.by_venue_id(venue_order_id)
        return order.client_order_id if order else self._bot.journal.ledger.order_id_at(leg.name, venue_order_id)

    def _on_unmatched(self, leg: LegState, fill: Fill, now_ns: int) -> None:
        """Leave a fill that names no order of ours alone, unless it may be of one whose venue id we do not know yet."""
        if not fill.client_order_id and leg.tracker.without_venue_id():
            leg.want_report(now_ns)

    def _tell_fill(self, leg: LegState, fill: Fill) -> None:
        if fill.fee and fill.fee_asset not in ("", leg.instrument.quote, leg.instrument.base):
            self._on_unvalued_fee(leg, fill)
        self._bot.counters["fills_buy" if fill.side is Side.BUY else "fills_sell"] += 1
        if not _log.isEnabledFor(logging.INFO):
            return
        price, size = leg.instrument.to_price(fill.price_ticks), leg.instrument.to_size(fill.size_lots)
        told = fields(
            id=fill.client_order_id,
            trade_id=fill.trade_id,
            leg=leg.name,
            side=fill.side.value,
            price=str(price),
            size=str(size),
            fee=str(fill.fee),
            fee_asset=fill.fee_asset,
            liquidity=fill.liquidity,
        )
        _log.info("fill", extra=told)

    def _on_unvalued_fee(self, leg: LegState, fill: Fill) -> None:
        """Tell once, and count each time, that a fee is missing in the profit: its asset has no price here."""
        self._bot.counters["fees_unvalued"] += 1
        if (leg.name, fill.fee_asset) not in self._unvalued:
            self._unvalued.add((leg.name, fill.fee_asset))
            _log.warning("fee_unvalued", extra=fields(leg=leg.name, asset=fill.fee_asset, fee=str(fill.fee)))


def _is_near(item: TradePrint, book: OrderBook | None) -> bool:
    if book is None or not (book.bids and book.asks):
        return False
    return in_band(book.best_bid_ticks, book.best_ask_ticks, item.price_ticks)
