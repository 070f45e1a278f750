"""What a loop saves on its way: counters, peak, series, how long the run has lasted; and what it forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.market.churn import MINUTE_NS
from core.trading.clock import SECOND_NS, seconds
from core.trading.sampling import Sampler
from utils.errors import LedgerError

if TYPE_CHECKING:
    from core.trading.bot_state import BotState

RUN_S = "run_s"  # counter: seconds that the bot has lived since its run began, over crashes and handovers
_PRUNE_NS = seconds(60)


class Keeping:
    """Saves now and then; orders and fills are saved at once, elsewhere.

    A run begins with a start that follows an end by itself, or under another supervisor, and goes on in the next life
    after any other end.
    """

    def __init__(self, bot: BotState) -> None:
        self._bot = bot
        self.sampler = Sampler(bot)
        self._run_began_ns = 0
        self._save_due_ns = self._prune_due_ns = 0

    def load(self, now_ns: int, new_run: bool) -> None:
        """Read the counters. Raises LedgerError."""
        self._bot.counters.update(self._bot.journal.ledger.counters())
        self._bot.recall_shocks()
        self._bot.recall_breaker()
        self._recall_orders()
        if new_run:
            self._bot.counters[RUN_S] = 0
        self._run_began_ns = now_ns - self._bot.counters[RUN_S] * SECOND_NS

    def _recall_orders(self) -> None:
        """Count the orders that an earlier life placed within the last minute, too."""
        self._bot.recall_churn(self._bot.journal.ledger.sent_since(self._bot.clock.utc_ns() - MINUTE_NS))

    def run_end_ns(self) -> int:
        """Return when `duration_s` is over; not for a run that is endless."""
        return self._run_began_ns + self._bot.settings.duration_ns

    def save(self, now_ns: int) -> None:
        """Save when it is time; forget old closed orders."""
        if now_ns < self._save_due_ns:
            return
        self._save_due_ns = now_ns + self._bot.settings.save_ns
        self._note(now_ns)
        self.sampler.note_due(now_ns)
        if now_ns >= self._prune_due_ns:
            self._prune_due_ns = now_ns + _PRUNE_NS
            self._prune(now_ns)

    def save_end(self, now_ns: int, run_goes_on: bool) -> None:
        """Save at the end of this life; `run_goes_on`: a successor counts on."""
        self._note(now_ns)
        self.sampler.note(now_ns)
        if not run_goes_on:
            self._bot.journal.note_counters({**self._bot.counters, RUN_S: 0})

    def _note(self, now_ns: int) -> None:
        bot = self._bot
        bot.session.save()
        bot.note_churn()
        bot.counters[RUN_S] = (now_ns - self._run_began_ns) // SECOND_NS
        bot.journal.note_counters(dict(bot.counters))

    def _prune(self, now_ns: int) -> None:
        bot = self._bot
        try:
            bot.journal.ledger.prune(bot.clock.utc_ns() - bot.settings.keep_closed_orders_ns)
        except LedgerError as exc:
            bot.journal.fail(now_ns, exc)
