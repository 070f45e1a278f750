"""When the ledger's series gets a row, and what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.trading.clock import seconds
from core.trading.ledger_series import Sample

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState

_EVERY_NS = seconds(10)
_AFTER_FILL_NS = seconds(1)  # a fill is followed by a row at once, but a flood of fills is not a flood of rows

_NEVER_NS = 1 << 63


class Sampler:
    """Notes a row for each leg about every ten seconds and after fills, for a flush that happens anyway."""

    def __init__(self, bot: BotState) -> None:
        self._bot = bot
        self._wanted = bot.journal.ledger.keeps_series
        self._due_ns = self._fill_due_ns = 0 if self._wanted else _NEVER_NS
        self._fills = -1  # as of the last rows

    def look(self, now_ns: int) -> None:
        """Note rows when fills are about to be written that have none."""
        if now_ns >= self._fill_due_ns and self._booked() != self._fills:
            self.note(now_ns)

    def note_due(self, now_ns: int) -> None:
        """Note rows when the last ones are old; called when other figures are saved."""
        if now_ns >= self._due_ns:
            self.note(now_ns)

    def note(self, now_ns: int) -> None:
        """Note rows now."""
        bot = self._bot
        if not self._wanted or not all(leg.is_open and leg.reconciled for leg in bot.legs):
            return
        self._fills = self._booked()
        self._due_ns, self._fill_due_ns = now_ns + _EVERY_NS, now_ns + _AFTER_FILL_NS
        utc_ns = bot.clock.utc_ns()
        bot.journal.note_samples(tuple(_sample(bot, leg, utc_ns) for leg in bot.legs))

    def _booked(self) -> int:
        return sum(leg.position.fills for leg in self._bot.legs)


def _sample(bot: BotState, leg: LegState, utc_ns: int) -> Sample:
    mark, position, instrument = leg.mark(), leg.position, leg.instrument
    return Sample(
        leg=leg.name,
        utc_ns=utc_ns,
        position=instrument.to_size(position.size_lots),
        mid=None if leg.mid_ticks is None else mark,
        realised=position.realised_pnl,
        fees=position.fees_paid,
        funding=position.funding_paid,
        net=None if mark is None else position.net_pnl(mark, instrument),
        equity=bot.session.equity(bot.legs) if leg is bot.legs[0] else None,
    )
