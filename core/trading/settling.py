"""Before a stop: the quotes go off, and the strategy brings into balance what only it can; then everything is swept.

For most strategies there is nothing to settle, and a stop begins at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.market.events import Watch
from core.trading.clock import seconds

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.decider import Decider
    from core.trading.outgoing import Outgoing
    from strategies.base import Strategy

_LOOK_NS = seconds(0.05)
_MOST_NS = seconds(5)
_SHARE = 4  # of the stop's time: the sweep has the rest


class Settling:
    """The time between the wish to stop and the sweep. Times are the loop's monotonic nanoseconds."""

    def __init__(self, bot: BotState, decider: Decider, outgoing: Outgoing, strategy: Strategy) -> None:
        self._bot, self._decider, self._outgoing, self._strategy = bot, decider, outgoing, strategy
        self._since_ns = self._until_ns = 0
        self.reason = ""
        self.status = 0
        self.is_on = False

    def begin(self, reason: str, status: int, now_ns: int, stop_timeout_ns: int) -> bool:
        """Begin unless there is nothing to settle; return whether it is under way, the first reason counts.

        Before every leg was reconciled once nothing can be settled.
        """
        reconciled = all(leg.reconciled for leg in self._bot.legs)
        if not self.is_on and reconciled and not self._strategy.is_settled(self._bot.view):
            self.is_on, self.reason, self.status = True, reason, status
            self._since_ns = now_ns
            self._until_ns = now_ns + min(_MOST_NS, stop_timeout_ns // _SHARE)
            self._decider.forget_flattening()  # a close that is cut short would keep the strategy from acting
        return self.is_on

    def step(self, now_ns: int) -> int:
        """Take the quotes off and let the strategy act on what is open; return when to look again."""
        for leg in self._bot.legs:
            leg.wanted, leg.withheld = None, ()
            quotes = {order.client_order_id for order in leg.tracker.quotes()}
            resting = [key for key in leg.tracker.cancellable() if key in quotes]
            if resting:
                self._outgoing.cancel(leg, resting, now_ns)
        self._decider.hear(Watch(now_ns), now_ns)
        return min(now_ns + _LOOK_NS, self._until_ns)

    def told(self) -> str:
        """Return the reason for the stop, and that something stays open when the time for it was not enough."""
        if self._strategy.is_settled(self._bot.view):
            return self.reason
        return f"{self.reason} (not in balance: the time to settle was over)"

    def spent_ns(self, now_ns: int) -> int:
        """Return what it has taken of the stop's time."""
        return now_ns - self._since_ns

    def is_done(self, now_ns: int) -> bool:
        """Tell whether the stop may go on: everything is in balance, or the time for it is over."""
        if now_ns >= self._until_ns:
            return True
        return self._strategy.is_settled(self._bot.view) and not any(leg.tracker.live() for leg in self._bot.legs)
