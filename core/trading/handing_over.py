"""A planned end that leaves the orders where they are: nothing is decided any more, and what is in flight settles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.base_client import DeadManScope
from core.market.order import OrderState
from core.trading.order_tracker import IMMEDIATE

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.guard import Guard
    from core.trading.leg_state import LegState

_RESTING = frozenset({OrderState.NEW, OrderState.PARTIALLY_FILLED})


@dataclass(slots=True)
class HandingOver:
    """One try, until `until_ns`. `write` puts the orders on record durably for the successor; it raises OSError."""

    reason: str
    until_ns: int
    write: Callable[[Sequence[str]], None]
    next_look_ns: int = 0

    def refusal(self, bot: BotState, guard: Guard, now_ns: int) -> str:
        """Return why the orders must not stay without an owner, empty when they may. Looks at the gates."""
        for leg in bot.legs:
            if leg.client.capabilities.dead_man_scope is DeadManScope.CONNECTION:
                return "the venue ends orders with their connection"
        if now_ns >= self.next_look_ns:
            self.next_look_ns = now_ns + bot.settings.guard_ns
            guard.look(now_ns)
        shut = sorted(name for name, gate in guard.gates.items() if gate.action != "hold")
        return f"gates are shut: {', '.join(shut)}" if guard.blocks else ""

    def unsettled(self, bot: BotState) -> str:
        """Return what is not known for certain yet, empty when a successor would find all as it is in the ledger."""
        if not bot.journal.healthy:
            return "the ledger cannot be written"
        return next((told for leg in bot.legs if (told := _unsettled(leg))), "")


def resting_orders(bot: BotState) -> tuple[str, ...]:
    """Return the client order ids that a successor takes over."""
    return tuple(sorted(order.client_order_id for leg in bot.legs for order in leg.tracker.live()))


def _unsettled(leg: LegState) -> str:
    open_requests = [o for o in leg.tracker.live() if o.state not in _RESTING or o.time_in_force == IMMEDIATE]
    if open_requests:
        return f"{len(open_requests)} requests are not answered"
    return "the venue has not told everything yet" if leg.needs_report else ""
