"""What the venue says, taken in: streams and reports feed the same functions, each fact counts once.

An event reaches the strategy only after the ledger was given it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate, TradePrint
from core.market.order import POST_ONLY_WOULD_CROSS, Fill, Order, OrderEvent, OrderState, Side
from core.market.reconcile import reconcile
from core.market.reports import VenueReport
from core.trading.clock import seconds
from core.trading.cycle_timer import MOVE, OWN
from core.trading.log_fields import fields
from core.trading.order_changes import after_fill
from core.trading.position_check import check_position
from utils.errors import LedgerError

if TYPE_CHECKING:
    from api.base_client import InboxItem
    from core.market.reconcile import Reconciliation
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState

_log = logging.getLogger("makerd.orders")
_DOUBT = frozenset({OrderEvent.OUTCOME_UNKNOWN, OrderEvent.CANCEL_REJECTED})
_OWN = frozenset({OrderEvent.CANCELED, OrderEvent.REJECTED, OrderEvent.EXPIRED})
_COUNTERS = {
    OrderEvent.CANCELED: "orders_cancelled",
    OrderEvent.REJECTED: "orders_rejected",
    OrderEvent.EXPIRED: "orders_expired",
}


class Intake:
    """The way in."""

    def __init__(self, bot: BotState) -> None:
        self._bot = bot

    def take(self, leg: LegState, item: InboxItem, now_ns: int) -> int | None:
        """Take one item in; of a report, return when it was asked for (None for one that came too late)."""
        if isinstance(item, BookUpdate):
            self._on_book(leg, item, now_ns)
        elif isinstance(item, TradePrint):
            self._bot.events.append(item)
        elif isinstance(item, FillEvent):
            self._on_streamed_fill(leg, item.fill, now_ns)
        elif isinstance(item, OrderUpdate):
            self.on_update(leg, item, now_ns)
        elif isinstance(item, VenueReport):
            return self._on_report(leg, item, now_ns)
        else:
            self._on_link(leg, item, now_ns)
        return None

    def _on_book(self, leg: LegState, update: BookUpdate, now_ns: int) -> None:
        leg.take_book(update.book, now_ns)
        self._bot.events.append(update)
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
            self._announce(leg)

    def _announce(self, leg: LegState) -> None:
        """Tell the strategy that a venue is reachable and reconciled."""
        leg.announced = True
        self._bot.events.append(LinkUp(leg.name))
        self._bot.timer.hurry(OWN)

    def on_update(self, leg: LegState, update: OrderUpdate, now_ns: int, inferred: bool = False) -> None:
        """Apply an order update, from the stream or of our own making; `inferred`: concluded from a report."""
        bot, event = self._bot, update.event
        before = leg.tracker.get(update.client_order_id)
        order = leg.tracker.apply_update(update, now_ns, bot.clock.utc_ns())
        if order is None or before is None:
            if bot.ids.owns(update.client_order_id):
                leg.want_report(now_ns)  # ours, and we do not know it
            return
        if event in _DOUBT:
            if not order.is_closed:
                leg.want_report(now_ns)
        else:
            bot.last_ack_ns = now_ns
        if before.is_closed and event is OrderEvent.ACCEPTED:
            leg.want_report(now_ns)  # we had called it closed, and it rests: a report brings it back
        if order == before:
            return
        bot.journal.note_order(order)
        if event is OrderEvent.ACCEPTED:
            bot.breaker.accepted()
        if order.is_closed and not before.is_closed:
            self._closed(leg, order, event, None if inferred else now_ns)
        bot.events.append(update)

    def _closed(self, leg: LegState, order: Order, event: OrderEvent, refused_ns: int | None) -> None:
        if event in _OWN:
            self._bot.timer.hurry(OWN)
            self._bot.counters[_COUNTERS[event]] += 1
        if event is not OrderEvent.REJECTED:
            return
        # An order that never arrived, in this life or an earlier one, was not refused; one that the market overtook
        # says nothing about us. What was sent together fails together: a whole ladder is one reject.
        if refused_ns is not None and order.reason != POST_ONLY_WOULD_CROSS:
            self._bot.breaker.rejected(refused_ns, group=order.sent_ns)
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
        if known is None and not bot.ids.owns(fill.client_order_id):
            match = leg.tracker.by_venue_id(fill.venue_order_id)
            if match is None:
                return  # somebody else's
            fill = replace(fill, client_order_id=match.client_order_id)
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
        leg.position = leg.position.after_fill(fill, leg.instrument)
        leg.balances.book_fill(fill, now_ns)
        bot.journal.note_fill(fill, leg.position, order)
        bot.timer.hurry(OWN)
        bot.events.append(FillEvent(leg.name, fill))
        self._tell_fill(leg, fill)

    def _tell_fill(self, leg: LegState, fill: Fill) -> None:
        self._bot.counters["fills_buy" if fill.side is Side.BUY else "fills_sell"] += 1
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

    # Reports

    def _on_report(self, leg: LegState, report: VenueReport, now_ns: int) -> int | None:
        asked_ns = leg.desk.take(report)
        try:
            if asked_ns is None:  # a newer one was answered: only its fills may be news
                for fill in report.fills:
                    self.on_fill(leg, fill, now_ns)
            else:
                self._reconcile(leg, report, asked_ns, now_ns)
        except LedgerError as exc:  # it could not be compared with what is booked; the mark stays, so it comes again
            self._bot.journal.fail(now_ns, exc)
            leg.want_report(now_ns)
            return None
        return asked_ns

    def _reconcile(self, leg: LegState, report: VenueReport, asked_ns: int, now_ns: int) -> None:
        bot = self._bot
        late_ns = seconds(leg.client.capabilities.late_arrival_s)
        judged = {order.client_order_id for order in leg.tracker.settled_before(asked_ns)}
        found = reconcile(
            leg.tracker.live(),
            lambda trade_id: bot.journal.has_fill(leg.name, trade_id),
            report,
            bot.ids.owns,
            late_ns,
            bot.clock.utc_ns(),
        )
        for fill in found.new_fills:
            self.on_fill(leg, fill, now_ns)
        for update in found.updates:
            if update.client_order_id in judged:
                self.on_update(leg, update, now_ns, inferred=True)
        for key in found.short_of_fills:
            if key in judged:
                leg.tracker.suspect(key)
        for order in found.adopted:
            self._adopt(leg, order, asked_ns, now_ns)
        if found.complete:
            self._conclude(leg, report, found, asked_ns, now_ns)

    def _adopt(self, leg: LegState, order: Order, asked_ns: int, now_ns: int) -> None:
        """Track an order of ours that rests at the venue; the next diff keeps it in a slot or cancels it."""
        key = order.client_order_id
        if leg.tracker.closed_since(key, asked_ns) or leg.tracker.is_live(key):
            return
        recorded = self._bot.journal.ledger.order(key)
        slot = recorded.slot if recorded else order.slot
        filled = self._bot.journal.filled_lots(leg.name, key)
        restored = leg.tracker.restore(replace(order, slot=slot, filled_lots=filled), now_ns)
        if order.filled_lots > filled:
            leg.tracker.suspect(key)
        self._bot.journal.note_order(restored)
        self._bot.counters["orders_adopted"] += 1
        _log.warning("order_adopted", extra=fields(id=key, leg=leg.name, slot=slot))

    def _conclude(self, leg: LegState, report: VenueReport, found: Reconciliation, asked_ns: int, now_ns: int) -> None:
        """Take what only a complete report can tell."""
        bot = self._bot
        for key in leg.tracker.count_report(bot.settings.report_patience):
            _log.error("fills_do_not_add_up", extra=fields(id=key, leg=leg.name))
        if leg.report_wanted_ns is not None and leg.report_wanted_ns <= asked_ns:
            leg.report_wanted_ns = None
        leg.foreign = found.foreign
        reported = frozenset(fill.trade_id for fill in report.fills)
        agreed = check_position(bot, leg, report, asked_ns, now_ns)
        own = [order for order in report.open_orders if bot.ids.owns(order.client_order_id)]
        leg.balances.rebase(report.balances, own, asked_ns, reported)
        if report.mark is not None:
            bot.journal.note_mark(leg.name, report.mark)
        if not agreed:
            leg.want_report(now_ns)
            return
        leg.confirmed_ns = asked_ns
        if found.waiting and not leg.reconciled:
            leg.want_report(now_ns)
            return
        leg.reconciled = True
        if leg.link_up and not leg.announced and asked_ns >= leg.relinked_ns:
            self._announce(leg)
