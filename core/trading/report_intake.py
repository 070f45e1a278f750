"""A venue's report, taken in: what happened that we did not hear of, and what only a complete report can tell."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from core.market.reconcile import NOT_LISTED, reconcile
from core.trading.clock import seconds
from core.trading.log_fields import fields
from core.trading.position_check import check_position
from utils.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.market.order import Fill, Order
    from core.market.reconcile import Reconciliation
    from core.market.reports import VenueReport
    from core.trading.bot_state import BotState
    from core.trading.intake import Intake
    from core.trading.leg_state import LegState

_log = logging.getLogger("makerd.orders")


class ReportIntake:
    """The way in for reports; what they tell of single orders and fills goes the way of the streams."""

    def __init__(self, bot: BotState, intake: Intake) -> None:
        self._bot = bot
        self._intake = intake

    def take(self, leg: LegState, report: VenueReport, now_ns: int) -> int | None:
        """Take a report in; return when it was asked for, None for one that came too late or could not be compared."""
        asked_ns = leg.desk.take(report)
        try:
            if asked_ns is None:  # a newer one was answered: only its fills may be news
                for fill in report.fills:
                    self._intake.on_fill(leg, fill, now_ns)
            else:
                self._reconcile(leg, report, asked_ns, now_ns)
        except LedgerError as exc:  # it could not be compared with what is booked; the mark stays, so it comes again
            self._bot.journal.fail(now_ns, exc)
            leg.want_report(now_ns)
            return None
        return asked_ns

    def _reconcile(self, leg: LegState, report: VenueReport, asked_ns: int, now_ns: int) -> None:
        bot = self._bot
        tracker, late_ns = leg.tracker, seconds(leg.client.capabilities.late_arrival_s)
        judged = {order.client_order_id for order in tracker.settled_before(asked_ns)}
        found = reconcile(
            tracker.live(),
            lambda trade_id: bot.journal.has_fill(leg.name, trade_id),
            report,
            leg.ids.owns,
            lambda key: tracker.may_arrive(key, asked_ns, late_ns),
            lambda venue_order_id: self._intake.id_of(leg, venue_order_id),
            tracker.asked_terms,
            tracker.may_be_amended,
        )
        hold_mark = found.complete and self._may_be_ours(leg, found.unmatched)
        for fill in found.new_fills:
            self._intake.on_fill(leg, fill, now_ns)
        for payment in report.funding:
            self._intake.on_funding(leg, payment, now_ns)
        doubted = self._doubted_absences(leg, found, asked_ns)
        for update in found.updates:
            if update.client_order_id in judged - doubted:
                self._intake.on_update(leg, update, now_ns, inferred=True)
        for key, told_lots in found.short_of_fills:
            if key in judged:
                tracker.suspect(key, told_lots)
        for order in found.adopted:
            self._adopt(leg, order, asked_ns, now_ns)
        if found.complete:
            self._conclude(leg, report, found, bool(doubted), asked_ns, now_ns)
            if report.mark is not None and not hold_mark:
                bot.journal.note_mark(leg.name, report.mark)
        if hold_mark or doubted:
            leg.want_report(now_ns)  # when the mark stays, these fills come again

    def _doubted_absences(self, leg: LegState, found: Reconciliation, asked_ns: int) -> set[str]:
        """Return orders that are not listed, but may have filled: the venue's history is not that quick.

        They go on counting towards the limits until they have been absent for that long.
        """
        if not found.complete:
            return set()
        absent = [update.client_order_id for update in found.updates if update.reason == NOT_LISTED]
        leg.absent_since = {key: leg.absent_since.get(key, asked_ns) for key in absent}
        lag_ns = seconds(leg.client.capabilities.history_lag_s)
        return {key for key, since_ns in leg.absent_since.items() if asked_ns - since_ns < lag_ns}

    def _may_be_ours(self, leg: LegState, fills: Sequence[Fill]) -> bool:
        """Tell whether fills without a match may be of orders of ours whose venue ids we do not know yet.

        An order that was sent after such a fill was first seen has not made it.
        """
        lacking = leg.tracker.without_venue_id()
        before, leg.nameless = (
            leg.nameless,
            {fill.trade_id: leg.nameless.get(fill.trade_id, lacking) & lacking for fill in fills},
        )
        given_up = [key for key, orders in leg.nameless.items() if before.get(key) and not orders]
        if given_up:
            _log.warning("fills_left_to_others", extra=fields(leg=leg.name, trade_ids=given_up))
        return any(leg.nameless.values())

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
            leg.tracker.suspect(key, order.filled_lots)
        self._bot.journal.note_order(restored)
        self._bot.counters["orders_adopted"] += 1
        _log.warning("order_adopted", extra=fields(id=key, leg=leg.name, slot=slot))

    def _conclude(
        self, leg: LegState, report: VenueReport, found: Reconciliation, doubted: bool, asked_ns: int, now_ns: int
    ) -> None:
        """Take what only a complete report can tell."""
        bot = self._bot
        for key in leg.tracker.count_report(bot.settings.report_patience, asked_ns):
            _log.error("fills_do_not_add_up", extra=fields(id=key, leg=leg.name))
        if leg.report_wanted_ns is not None and leg.report_wanted_ns <= asked_ns:
            leg.report_wanted_ns = None
        leg.foreign = found.foreign
        reported = frozenset(fill.trade_id for fill in report.fills)
        reported |= {payment.payment_id for payment in report.funding}
        agreed = check_position(bot, leg, report, asked_ns, now_ns)
        own = [order for order in report.open_orders if leg.ids.owns(order.client_order_id)]
        leg.balances.rebase(report.balances, own, asked_ns, reported)
        # A gap that never ends (somebody else trades on the account) must not keep a hedge waiting for ever.
        patience_ns = 0 if agreed else bot.settings.adjust_after_ns
        lag_ns = max(patience_ns, seconds(leg.client.capabilities.history_lag_s))
        leg.unsure_takes.agree(report.request_id, asked_ns, lag_ns)
        if not agreed:
            leg.want_report(now_ns)
            return
        leg.confirmed_ns = asked_ns
        if leg.unsure_takes:
            leg.want_report(now_ns)
        if (found.waiting or doubted) and not leg.reconciled:
            leg.want_report(now_ns)
            return
        leg.reconciled = True
        if leg.link_up and not leg.announced and asked_ns >= leg.relinked_ns:
            self._intake.announce(leg)
