"""What a strategy remembers over lives: kept in the ledger, in step with the fills that it has heard.

Fills have numbers, in the order in which they were booked; a fill is in the ledger before the strategy hears it. What
is saved goes with the number of the last fill that the strategy had heard by then, in one transaction, and in the one
of the orders that it led to. A fill that is in the ledger and not in the memory (booked while the bot ended or closed,
or just before it was killed) is told to the next life before it decides. So no kill brings the two apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.market.events import BookUpdate, Event, FillEvent, TradePrint
from core.trading.ledger import Memory
from utils.errors import LedgerError, StrategyBug

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from strategies.base import Strategy

_MARKET = (BookUpdate, TradePrint)


class StrategyMemory:
    """The memory of one bot's strategy."""

    def __init__(self, bot: BotState, strategy: Strategy) -> None:
        self._bot = bot
        self._strategy = strategy
        self._kind = type(strategy).__name__
        self._heard = 0  # fills, by their number in the ledger
        self._noted: tuple[dict[str, Any] | None, int] = (None, 0)

    def load(self) -> Iterator[FillEvent]:
        """Give the strategy what it saved; return the fills that it has not heard. Raises LedgerError, StrategyBug."""
        ledger = self._bot.journal.ledger
        memory = ledger.memory()
        if memory is None or memory.kind != self._kind:
            self._heard = ledger.fill_count()  # of another strategy, or of none that remembers
            return
        try:
            saved = json.loads(memory.saved)
        except ValueError as exc:
            raise LedgerError(f"what the strategy saved in {ledger.path} cannot be read: {exc}") from exc
        self._heard = memory.heard
        try:
            self._strategy.restore(saved, self._bot.view)
        except Exception as exc:
            raise StrategyBug(f"the strategy could not take up what it saved: {type(exc).__name__}: {exc}") from exc
        for fill, slot in ledger.fills_after(memory.heard):
            yield FillEvent(fill.leg, fill, slot)

    def heard(self, event: Event) -> None:
        """Note what the strategy remembers after an event."""
        if isinstance(event, _MARKET):
            return
        if isinstance(event, FillEvent):
            self._heard += 1
        saved = self._strategy.saved()
        if saved is None or (saved is self._noted[0] and self._heard == self._noted[1]):
            return
        self._noted = (saved, self._heard)
        self._bot.journal.note_memory(Memory(self._kind, json.dumps(saved), self._heard))
