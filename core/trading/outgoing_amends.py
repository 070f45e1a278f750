"""Amendments on their way out: which cancels become one, the ledger first, the client second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.market.order import Amend, OrderEvent
from core.market.order_amends import AmendRule, amend_instead
from core.market.risk_room import allow_amends
from core.trading.order_changes import after_amend_sent
from utils.errors import VenueAuthError, VenueError, VenueRefused

if TYPE_CHECKING:
    from core.market.commands import Quote
    from core.market.order_diff import Diff, DiffTolerance
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState

Tell = Callable[["LegState", Sequence[str], OrderEvent, str, int], None]  # what became of orders, by our own word


class OutgoingAmends:
    """The amendments of one bot."""

    def __init__(self, bot: BotState, tell: Tell) -> None:
        self._bot, self._tell = bot, tell

    def instead(
        self, leg: LegState, diff: Diff, wanted: Sequence[Quote], tolerance: DiffTolerance, now_ns: int
    ) -> Diff:
        """Return a diff with amendments in place of cancels, as far as config, venue and limits allow them."""
        bot, can = self._bot, leg.client.capabilities
        if not (diff.cancel and bot.settings.amend_orders and can.amend):
            return diff
        if not bot.journal.healthy or bot.breaker.is_open(now_ns):
            return diff
        rule = AmendRule(can.amend_keeps_post_only, leg.tracker.is_amendable)
        found = amend_instead(diff, wanted, leg.tracker.live(), tolerance, rule, bot.clock.utc_ns())
        if not found.amend:
            return diff
        allowed = allow_amends(found.amend, leg.limits, bot.risk_state(leg, now_ns, with_foreign=True))
        allowed = allowed[: bot.churn.orders_left(now_ns)]
        denied = tuple(amend.client_order_id for amend in found.amend if amend not in allowed)
        return replace(found, cancel=found.cancel + denied, amend=allowed)

    def send(self, leg: LegState, amends: Sequence[Amend], now_ns: int) -> None:
        """Send amendments; those that cannot be recorded are not sent, and their orders stay for the next decision."""
        bot, tracker, utc_ns = self._bot, leg.tracker, self._bot.clock.utc_ns()
        live = {order.client_order_id: order for order in tracker.live()}
        before = [live[amend.client_order_id] for amend in amends]
        worst = [after_amend_sent(order, amend, utc_ns) for order, amend in zip(before, amends, strict=True)]
        bot.note_amends(len(amends), utc_ns)
        if not bot.journal.record_amending(before, worst, now_ns):
            return
        for amend, order in zip(amends, worst, strict=True):
            tracker.mark_amend_sent(amend, order, now_ns)
        ids = [amend.client_order_id for amend in amends]
        if bot.sent_ids is not None:
            bot.sent_ids.amended.extend(ids)
        bot.churn.placed(len(ids), now_ns)  # an amendment counts as the cancel and the order that it stands for
        bot.churn.cancelled(len(ids), now_ns)
        bot.sent = True
        bot.live.did = ("amend", len(ids), leg.name, now_ns)
        try:
            leg.client.amend(amends)
        except VenueAuthError:
            raise
        except VenueRefused as exc:
            self._tell(leg, ids, OrderEvent.AMEND_REJECTED, str(exc), now_ns)
        except VenueError as exc:  # some of it may have arrived
            self._tell(leg, ids, OrderEvent.OUTCOME_UNKNOWN, str(exc), now_ns)
