"""What one bot's loop is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.decider import Decider
    from core.trading.ending import Ending
    from core.trading.guard import Guard
    from core.trading.intake import Intake
    from core.trading.keeping import Keeping
    from core.trading.outgoing import Outgoing
    from core.trading.quote_uptime import QuoteUptime
    from core.trading.starting import Starting
    from core.trading.strategy_memory import StrategyMemory
    from core.trading.view_upkeep import ViewUpkeep
    from strategies.base import Strategy


@dataclass(slots=True)
class LoopParts:
    """The parts, each of which knows what it needs of the others; put together once, in `TradingLoop`."""

    bot: BotState
    strategy: Strategy
    guard: Guard
    intake: Intake
    outgoing: Outgoing
    memory: StrategyMemory
    decider: Decider
    keeping: Keeping
    uptime: QuoteUptime
    upkeep: ViewUpkeep
    ending: Ending
    starting: Starting
    close_reason: str = ""
    reconciled: bool = False  # every leg was, once

    def trim(self, now_ns: int) -> None:
        """Hold what rests to the limits of now, whoever placed it under which."""
        for leg in self.bot.legs:
            self.outgoing.trim(leg, now_ns)
