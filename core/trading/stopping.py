"""The end of a loop: every order off every venue, confirmed, or named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.market.reports import VenueReport
from core.trading.clock import seconds
from core.trading.order_sweep import OrderSweep

if TYPE_CHECKING:
    from api.base_client import InboxItem
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState

_LISTEN_NS = seconds(0.02)  # answers are waited for, so look often


@dataclass(frozen=True, slots=True)
class LoopExit:
    """How a loop ended. Not `clean`: `left_orders` may still rest at a venue, a sweep must look.

    `closed`: it was to close, and the venues confirmed it. `handover`: the orders were left for a successor.
    `left_position`: the stop was to close the position and has not.
    """

    status: int
    reason: str
    clean: bool
    left_orders: tuple[str, ...]
    closed: bool = False
    handover: bool = False
    left_position: bool = False


class Stopping:
    """One sweep a leg, all at the same time, with one deadline."""

    def __init__(
        self,
        bot: BotState,
        reason: str,
        status: int,
        deadline_ns: int,
        closed: bool = False,
        left_position: bool = False,
    ) -> None:
        self._reason, self._status, self._closed, self._left_position = reason, status, closed, left_position
        self._sweeps = {leg.name: self._sweep(bot, leg, deadline_ns) for leg in bot.legs if leg.is_open}
        self._deadline_ns = deadline_ns

    @staticmethod
    def _sweep(bot: BotState, leg: LegState, deadline_ns: int) -> OrderSweep:
        late_s = leg.client.capabilities.late_arrival_s
        since = bot.journal.mark(leg.name)
        live = leg.tracker.live()
        return OrderSweep(leg.client, None, leg.ids, live, bot.clock, late_s, deadline_ns, since=since, desk=leg.desk)

    def handle(self, leg: LegState, item: InboxItem, asked_ns: int | None) -> None:
        """Take in what the loop has taken in; of a report, `asked_ns` is when it was asked for."""
        sweep = self._sweeps.get(leg.name)
        if sweep is None:
            return
        if not isinstance(item, VenueReport):
            sweep.handle(item)
        elif asked_ns is not None:
            sweep.judge(item, asked_ns)

    def step(self, now_ns: int) -> int:
        """Do what is due; return when to be called next at the latest."""
        for sweep in self._sweeps.values():
            if sweep.done is None:
                sweep.step()
        return min(now_ns + _LISTEN_NS, self._deadline_ns)

    def exit(self) -> LoopExit | None:
        """Return how it ended, None while it has not."""
        results = [sweep.done for sweep in self._sweeps.values()]
        if any(result is None for result in results):
            return None
        ended = [result for result in results if result is not None]
        left = tuple(key for result in ended for key in result.left)
        trouble = "; ".join(result.reason for result in ended if result.reason)
        reason = f"{self._reason} ({trouble})" if trouble else self._reason
        clean = all(result.confirmed for result in ended)
        return LoopExit(self._status, reason, clean, left, self._closed, left_position=self._left_position)
