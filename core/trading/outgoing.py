"""What goes to the venues: risk is asked, the ledger written, then the client told; never the other way round."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.market.commands import Quote
from core.market.events import OrderUpdate
from core.market.ladder import stepped_back
from core.market.order import Order, OrderEvent, OrderState, Side
from core.market.order_diff import diff_orders
from core.market.risk_reduction import allow_reduction, limits_of_hedges, orders_over_limits
from core.market.risk_room import Denial, Verdict, allow_places, trim_quotes
from core.trading.log_fields import fields
from core.trading.outgoing_amends import OutgoingAmends
from utils.errors import LedgerError, VenueAuthError, VenueError, VenueRefused

if TYPE_CHECKING:
    from core.market.commands import Take
    from core.market.order_diff import DiffTolerance
    from core.trading.bot_state import BotState
    from core.trading.intake import Intake
    from core.trading.leg_state import LegState

_log = logging.getLogger("makerd.orders")
TAKE_SLOT = "take"


class Outgoing:
    """The way out."""

    def __init__(self, bot: BotState, intake: Intake) -> None:
        self._bot = bot
        self._intake = intake
        self._amends = OutgoingAmends(bot, self._outcome)
        self._wide = (bot.settings.tolerance, 1, bot.settings.tolerance)  # what was widened, how much, and the outcome

    def follow_wish(self, leg: LegState, now_ns: int) -> None:
        """Bring the live orders of a leg to what the strategy wants, as far as the limits allow."""
        if leg.refused or leg.steps_back:
            leg.steps_back, leg.refused = leg.refused, set()
        if leg.wanted is None:
            return
        bot, utc_ns = self._bot, self._bot.clock.utc_ns()
        tolerance = self._tolerance(now_ns)
        is_met = bot.settings.group is None and utc_ns < leg.met_until_utc_ns  # in a group other legs take up room
        if is_met and not leg.wish_moved(bot.settings, tolerance):
            return
        leg.met_until_utc_ns = 0
        leg.denied.clear()
        verdict = self._fitting(leg, leg.wanted, now_ns)
        if verdict.denied:
            self._count_denials(leg, verdict.denied)
        diff = diff_orders(verdict.allowed, leg.tracker.live(), tolerance, utc_ns)
        if diff.cancel:
            diff = self._amends.instead(leg, diff, verdict.allowed, tolerance, now_ns)
        if diff.cancel:
            self.cancel(leg, diff.cancel, now_ns)
        if diff.amend:
            self._amends.send(leg, diff.amend, now_ns)
        if diff.place:
            self.place(leg, diff.place, now_ns)
        self._note_withheld(leg)
        if not (verdict.denied or diff.cancel or diff.amend or diff.place):
            leg.wish_moved(bot.settings, tolerance)
            leg.met_until_utc_ns = tolerance.oldest_until_ns(leg.tracker.live())

    def _fitting(self, leg: LegState, wanted: Sequence[Quote], now_ns: int) -> Verdict:
        """Return what of the wish fits limits and balances; as before while all that it is made of is the same."""
        # What a suspect has filled takes room that is not looked at, and so do the other legs of a group.
        is_shared = bool(leg.tracker.suspects) or self._bot.settings.group is not None
        if leg.room_moved() or leg.fitting is None or is_shared:
            verdict = trim_quotes(wanted, leg.limits, self._bot.risk_state(leg, now_ns))
            leg.fitting = None if is_shared else verdict
            return verdict
        return leg.fitting

    def _tolerance(self, now_ns: int) -> DiffTolerance:
        """Return how far an order may be off: the config's, wider while too much is sent; the same object each time."""
        base, churn = self._bot.settings.tolerance, self._bot.churn
        times = 1 if churn.limits.is_off else churn.widening(now_ns)
        if times == 1:
            return base
        if self._wide[:2] != (base, times):
            self._wide = (base, times, base.widened(times))
            _log.info("tolerance_widened", extra=fields(times=times))
        return self._wide[2]

    def _note_withheld(self, leg: LegState) -> None:
        """Note why nothing rests although something is wanted; a bot that may place nothing must not look well."""
        withheld = () if leg.tracker.live() else tuple(sorted(leg.denied))
        if withheld and withheld != leg.withheld:
            _log.warning("quotes_withheld", extra=fields(leg=leg.name, reasons=list(withheld)))
        leg.withheld = withheld

    def refill(self, leg: LegState, now_ns: int) -> None:
        """Place what the standing wish has for free slots, and cancel nothing; never through the newest touch."""
        if leg.wanted is None or leg.book is None or not leg.book.is_quotable:
            return
        bot = self._bot
        verdict = self._fitting(leg, leg.wanted, now_ns)
        diff = diff_orders(verdict.allowed, leg.tracker.live(), self._tolerance(now_ns), bot.clock.utc_ns())
        bid, ask = leg.book.best_bid_ticks, leg.book.best_ask_ticks
        unbooked = leg.unbooked_slots()  # filled is not cancelled: only a decision knows what follows
        free = [quote for quote in diff.place if quote.slot_name not in unbooked]
        rests = [q for q in free if (q.price_ticks < ask if q.side is Side.BUY else q.price_ticks > bid)]
        if rests:
            self.place(leg, rests, now_ns)

    def place(self, leg: LegState, quotes: Sequence[Quote], now_ns: int) -> bool:
        """Send quotes that the limits allow now; return whether any was sent."""
        if leg.steps_back and leg.book is not None and leg.book.is_quotable:
            quotes = stepped_back(quotes, leg.steps_back, leg.book)
        return self._place(leg, quotes, now_ns, False)

    def _place(
        self, leg: LegState, quotes: Sequence[Quote], now_ns: int, immediate: bool, is_hedge: bool = False
    ) -> bool:
        bot = self._bot
        if not bot.journal.healthy or (bot.breaker.is_open(now_ns) and not is_hedge):
            return False
        limits = limits_of_hedges(leg.limits) if is_hedge else leg.limits
        verdict = allow_places(quotes, limits, bot.risk_state(leg, now_ns, with_foreign=True))
        allowed, left = verdict.allowed, bot.churn.orders_left(now_ns)
        denied = list(verdict.denied)
        if not is_hedge and len(allowed) > left:
            denied += [Denial(quote, "churn") for quote in allowed[left:]]
            allowed = allowed[:left]
        if denied:
            self._count_denials(leg, denied)
        return bool(self._record_and_send(leg, allowed, now_ns, immediate))

    def _record_and_send(self, leg: LegState, quotes: Sequence[Quote], now_ns: int, immediate: bool) -> Sequence[Order]:
        """Ledger first, send second; return what was sent."""
        bot = self._bot
        utc_ns = bot.clock.utc_ns()
        try:
            orders = [leg.tracker.compose(quote, leg.ids.next(), utc_ns, immediate) for quote in quotes]
        except LedgerError as exc:  # ids that are not reserved could be used twice
            bot.journal.note_counters(dict(bot.counters))  # writing them tells when there is room again
            bot.journal.fail(now_ns, exc)
            return ()
        if not orders or not bot.journal.record_new(orders, now_ns):
            return ()
        for order in orders:
            leg.tracker.add(order, now_ns)
        if bot.sent_ids is not None:
            bot.sent_ids.placed.extend(_ids(orders))
        bot.counters["orders_created"] += len(orders)
        bot.churn.placed(len(orders), now_ns)
        bot.live.did = ("place", len(orders), leg.name, now_ns)
        self._submit(leg, orders, now_ns)
        return orders

    def take(self, leg: LegState, take: Take, now_ns: int) -> bool:
        """Send an immediate order that the limits allow; return whether it was sent.

        Nothing is sent while it is not known what the last one of its side came to: what it asks for may be done.
        """
        if leg.awaits_take(take.side):
            self._bot.counters["skipped.take_not_booked"] += 1
            return False
        if take.reduce_only:
            return isinstance(self.close(leg, take, now_ns, in_group=True), Order)
        return self._place(leg, (_immediate(leg, take),), now_ns, True, take.is_hedge)

    def close(self, leg: LegState, take: Take, now_ns: int, in_group: bool = False) -> Order | str:
        """Send an immediate order that only reduces the position; return it, or why none was sent.

        The breaker and the limits that keep exposure from growing are not asked: they never hold it open.
        `in_group`: nor may it take the whole of a group farther from balance than its limits allow.
        """
        bot = self._bot
        if not bot.journal.healthy:
            return f"the ledger cannot be written: {bot.journal.reason}"
        verdict = allow_reduction(_immediate(leg, take), leg.limits, bot.risk_state(leg, now_ns), in_group)
        if verdict.denied:
            self._count_denials(leg, verdict.denied)
            return f"no order may be sent: {verdict.denied[0].reason}"
        sent = self._record_and_send(leg, verdict.allowed, now_ns, True)
        return sent[0] if sent else f"the ledger cannot be written: {bot.journal.reason}"

    def trim(self, leg: LegState, now_ns: int) -> None:
        """Cancel at once what the limits do not allow: they may be lower than when it was placed.

        Without a book a limit in quote cannot be judged; the first decision does it.
        """
        limits = leg.limits if leg.book is not None else replace(leg.limits, max_position_quote=None)
        state = self._bot.risk_state(leg, now_ns)
        state.group = self._bot.group_room(leg, by_value=all(one.book is not None for one in self._bot.legs))
        over = orders_over_limits(limits, state)
        if over:
            _log.warning("orders_over_limits", extra=fields(leg=leg.name, ids=list(over)))
            self.cancel(leg, over, now_ns)

    def _submit(self, leg: LegState, orders: Sequence[Order], now_ns: int) -> None:
        self._bot.sent = True
        try:
            leg.client.submit(orders)
        except VenueAuthError:
            raise
        except VenueRefused as exc:
            self._outcome(leg, _ids(orders), OrderEvent.REJECTED, str(exc), now_ns)
        except VenueError as exc:  # some of it may have arrived
            self._outcome(leg, _ids(orders), OrderEvent.OUTCOME_UNKNOWN, str(exc), now_ns)

    def _outcome(self, leg: LegState, ids: Sequence[str], event: OrderEvent, reason: str, now_ns: int) -> None:
        for key in ids:
            update = OrderUpdate(leg.name, key, event, None, reason)
            self._intake.on_update(leg, update, now_ns)

    def doubt_overdue(self, leg: LegState, now_ns: int) -> None:
        """Call the outcome of requests unknown that were not answered in time; a report settles them, no repetition."""
        overdue = leg.tracker.overdue(now_ns - self._bot.settings.ack_timeout_ns)
        if not overdue:
            return
        ids = _ids(overdue)
        self._outcome(leg, ids, OrderEvent.OUTCOME_UNKNOWN, "no answer in time", now_ns)
        _log.warning("no_answer", extra=fields(leg=leg.name, ids=ids))

    # Cancels

    def cancel(self, leg: LegState, client_order_ids: Sequence[str], now_ns: int) -> None:
        """Cancel orders; the ledger is told, but whether it can be written does not matter here."""
        for key in client_order_ids:
            order = leg.tracker.mark_cancel_sent(key, now_ns)
            if order is not None:
                self._bot.journal.note_order(order)
        if self._bot.sent_ids is not None:
            self._bot.sent_ids.cancelled.extend(client_order_ids)
        self._bot.churn.cancelled(len(client_order_ids), now_ns)
        self._bot.live.did = ("cancel", len(client_order_ids), leg.name, now_ns)
        self._bot.sent = True
        self._try(leg, lambda: leg.client.cancel(client_order_ids))

    def withdraw(self, leg: LegState, now_ns: int, doubtful_too: bool) -> None:
        """Cancel what rests, each order once; `doubtful_too`: also orders of unknown outcome."""
        ids = leg.tracker.cancellable()
        if doubtful_too:
            doubtful = [one.client_order_id for one in leg.tracker.live() if one.state is OrderState.UNKNOWN]
            ids += [key for key in doubtful if key not in ids]
        leg.wanted = None
        leg.withheld = ()
        if ids:
            self.cancel(leg, ids, now_ns)

    def abandon(self, now_ns: int) -> None:
        """Try to cancel everything before a crash; what does not work is left to the sweep."""
        for leg in self._bot.legs:
            if leg.is_open:
                self._abandon(leg, now_ns)

    def _abandon(self, leg: LegState, now_ns: int) -> None:
        try:
            if leg.client.capabilities.cancel_all_at_once:
                leg.client.cancel_all(leg.ids.owns)
            else:
                leg.client.cancel(_ids(leg.tracker.live()))
            leg.client.poll(now_ns)
        except Exception:  # the first error is the one that must come out
            _log.warning("cancel_failed", extra=fields(leg=leg.name), exc_info=True)

    def _try(self, leg: LegState, request: Callable[[], None]) -> None:
        try:
            request()
        except VenueAuthError:
            raise
        except VenueError as exc:  # unanswered, they become unknown, a report tells, and they are cancelled again
            _log.warning("cancel_failed", extra=fields(leg=leg.name, reason=str(exc)))

    def _count_denials(self, leg: LegState, denied: Sequence[Denial]) -> None:
        leg.denied.update(denial.reason for denial in denied)
        reasons = Counter(f"skipped.{denial.reason}" for denial in denied)
        self._bot.counters.update(reasons)


def _ids(orders: Sequence[Order]) -> list[str]:
    return [order.client_order_id for order in orders]


def _immediate(leg: LegState, take: Take) -> Quote:
    reduce_only = take.reduce_only and leg.knows_reduce_only
    return Quote(take.side, take.price_ticks, take.size_lots, 0, leg.name, False, reduce_only, slot=TAKE_SLOT)
