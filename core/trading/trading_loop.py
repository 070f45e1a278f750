"""One bot's life: what venues say comes in, the strategy is asked, what it wants goes out.

A step listens (inboxes, ledger, strategy), asks for reports, looks at the gates, decides, and says when it must be
called again. There is no wall clock, no sleep and no thread in here: the same code runs live, on paper and with a
simulated clock.

    INIT -> SYNC -> WARMUP -> QUOTING <-> PAUSED -> (CLOSING ->) STOPPING -> finished
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.market.events import BookUpdate, TradePrint
from core.market.risk import Gate
from core.trading.bot_state import BotState
from core.trading.clock import seconds
from core.trading.cycle_timer import CycleTimer
from core.trading.decider import Decider
from core.trading.guard import Guard
from core.trading.intake import Intake
from core.trading.journal import Journal
from core.trading.leg_state import LegRuntime, LegState
from core.trading.loop_lag import LoopLag
from core.trading.loop_settings import LoopSettings
from core.trading.outgoing import Outgoing
from core.trading.quote_uptime import QuoteUptime
from core.trading.reject_breaker import RejectBreaker
from core.trading.session_book import SessionBook
from core.trading.snapshot import take_snapshot
from core.trading.stopping import LoopExit, Stopping
from utils.errors import LedgerError
from utils.exit_statuses import DONE, RISK_HALT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.trading.clock import Clock
    from core.trading.ledger import Ledger
    from strategies.base import Strategy

__all__ = ["LegRuntime", "LoopExit", "LoopSettings", "TradingLoop"]

_IDLE_NS = seconds(1)
_PRUNE_NS = seconds(60)


def _bot_state(legs: Sequence[LegRuntime], settings: LoopSettings, clock: Clock, ledger: Ledger) -> BotState:
    journal = Journal(ledger, settings.ledger_retry_ns)
    return BotState(
        legs=tuple(LegState(runtime, settings) for runtime in legs),
        settings=settings,
        clock=clock,
        journal=journal,
        session=SessionBook(journal),
        timer=CycleTimer(settings.interval_ns, settings.min_cycle_ns),
        breaker=RejectBreaker(
            settings.max_consecutive_rejects, settings.reject_window_ns, settings.breaker_cooldown_ns
        ),
    )


class TradingLoop:
    """One bot's loop; times are the clock's monotonic nanoseconds."""

    def __init__(
        self,
        legs: Sequence[LegRuntime],
        strategy: Strategy,
        settings: LoopSettings,
        ledger: Ledger,
        clock: Clock,
        stop_timeout_s: float,
    ) -> None:
        self._bot = _bot_state(legs, settings, clock, ledger)
        self._clock = clock
        self._strategy = strategy
        self._stop_timeout_ns = seconds(stop_timeout_s)
        self._guard = Guard(self._bot)
        self._intake = Intake(self._bot)
        self._outgoing = Outgoing(self._bot, self._intake)
        self._decider = Decider(self._bot, self._guard, self._outgoing, strategy)
        self._uptime = QuoteUptime()
        self._lag = LoopLag()
        self._stopping: Stopping | None = None
        self._started_ns: int | None = None
        self._save_due_ns = self._prune_due_ns = 0
        self.reconciled = False
        self.finished: LoopExit | None = None

    # Life

    def start(self, swept: bool = False) -> None:
        """Open the clients and load the ledger. Raises VenueError, ConfigError and LedgerError.

        `swept`: it was confirmed that nothing of an earlier life rests or can still arrive at a venue.

        A bot with a latched gate is finished at once, and no venue hears of it; unless an earlier life ended before
        it had closed what the gate demands: then this one closes it.
        """
        bot, ledger = self._bot, self._bot.journal.ledger
        for name, latch in ledger.latches.all().items():
            if not latch.done:
                self._guard.resume(name, latch)
            elif self._guard.tripped is None:
                self._guard.gates[name] = Gate(name, latch.action, True, latch.reason)
                self.finished = LoopExit(RISK_HALT, f"gate {name} is latched: {latch.reason}", True, ())
        if self._guard.tripped is not None:
            self.finished = None
        if self.finished is not None:
            return
        for leg in bot.legs:
            self._open(leg, swept)
        bot.session.load()
        bot.counters.update(ledger.counters())
        self._started_ns = self._clock.now_ns()
        for leg in bot.legs:
            leg.client.start_market_data()

    def _open(self, leg: LegState, swept: bool) -> None:
        ledger = self._bot.journal.ledger
        leg.client.open(leg.inbox, leg.name)
        leg.opened(self._bot.settings)
        ledger.use_instrument(leg.name, leg.instrument)
        leg.position = ledger.position(leg.name)
        self._bot.journal.mark(leg.name)
        asked_ns = self._clock.now_ns() - 1  # some time before now: nothing that is asked from now on is older
        if swept:  # what was never answered has had its time to arrive; it is not waited for once more
            asked_ns -= seconds(leg.client.capabilities.late_arrival_s)
        for order in ledger.open_orders(leg.name):
            leg.tracker.add(order, asked_ns)
        self._bot.view.instruments[leg.name] = leg.instrument

    def pause(self) -> None:
        """Take the quotes off the venue until `resume`."""
        self._guard.operator_paused = True
        self._decider.look_soon()

    def resume(self) -> None:
        """Quote again."""
        self._guard.operator_paused = False
        self._decider.look_soon()

    def begin_stop(self, reason: str, status: int = DONE) -> None:
        """Cancel everything and finish once the venues confirm it or `stop_timeout_s` is over."""
        if self._stopping is not None or self.finished is not None:
            return
        if self._started_ns is None:
            self.finished = LoopExit(status, reason, True, ())
            return
        if self._guard.tripped is not None:
            status = RISK_HALT
        self._stopping = Stopping(self._bot, reason, status, self._clock.now_ns() + self._stop_timeout_ns)

    def close(self) -> None:
        """Disconnect the clients and give the descriptors back; orders stay as they are, the ledger is its owner's."""
        for leg in self._bot.legs:
            leg.is_open = False
            leg.client.close()
            leg.inbox.close()

    def filenos(self) -> list[int]:
        """Return the descriptors that should end a wait."""
        return [leg.inbox.fileno() for leg in self._bot.legs]

    @property
    def phase(self) -> str:
        """Return the phase of the life cycle; why a bot does not quote is in its gates."""
        if self._stopping is not None or self.finished is not None:
            return "STOPPING"
        if self._started_ns is None:
            return "INIT"
        if not self.reconciled:
            return "SYNC"
        if self._decider.is_closing:
            return "CLOSING"
        if any(leg.book is None for leg in self._bot.legs) and not self._guard.operator_paused:
            return "WARMUP"
        return "PAUSED" if self._guard.gates or self._decider.is_blocked else "QUOTING"

    def snapshot(self) -> dict[str, Any]:
        """Return the trading part of the bot's status."""
        now_ns = self._clock.now_ns()
        uptime, lag_ns, stats = self._uptime.pct(now_ns), self._lag.worst_ns(), self._strategy.stats()
        return take_snapshot(self._bot, now_ns, self.phase, sorted(self._guard.gates), uptime, lag_ns, stats)

    # One step

    def step(self) -> int:
        """Do everything that is due; return when to be called next at the latest.

        Raises StrategyBug with its cause, VenueAuthError, and whatever a client's own failure raises; everything
        that rests is cancelled first, as far as that works.
        """
        now_ns = self._clock.now_ns()
        self._lag.called(now_ns)
        if self.finished is not None:
            return now_ns + _IDLE_NS
        try:
            due_ns = self._step(now_ns)
        except Exception:
            self._outgoing.abandon(now_ns)
            raise
        self._lag.promised(due_ns)
        return due_ns

    def _step(self, now_ns: int) -> int:
        bot = self._bot
        bot.sent = False
        due_ns = self._listen(now_ns)
        bot.journal.flush(now_ns)
        self._deliver(now_ns)
        if self._stopping is None:
            due_ns = min(due_ns, self._ask_for_reports(now_ns), self._live(now_ns))
        if self._stopping is not None:
            due_ns = min(due_ns, self._stopping.step(now_ns))
        self._save(now_ns)
        bot.journal.flush(now_ns)
        self._refresh(now_ns)
        self._finish(now_ns)
        return now_ns if bot.sent else max(now_ns, due_ns)

    def _listen(self, now_ns: int) -> int:
        """Let the clients do what is due and take in what they said."""
        due_ns = now_ns + _IDLE_NS
        for leg in self._bot.legs:
            leg.inbox.hush()
            polled_ns = leg.client.poll(now_ns)
            if polled_ns is not None and polled_ns < due_ns:
                due_ns = polled_ns
            for item in leg.inbox.drain():
                asked_ns = self._intake.take(leg, item, now_ns)
                if self._stopping is not None:
                    self._stopping.handle(leg, item, asked_ns)
        return due_ns

    def _deliver(self, now_ns: int) -> None:
        """Let the strategy hear what happened, now that the ledger has it."""
        events = self._bot.events
        if self._stopping is not None:
            events.clear()  # an answer could only be an order that the sweep does not know of
        if not events:
            return
        self._refresh(now_ns)
        look = self._decider.is_blocked
        while events:
            event = events.popleft()
            look = look or not isinstance(event, (BookUpdate, TradePrint))
            self._decider.hear(event, now_ns)
        if look:
            self._decider.look_soon()

    def _refresh(self, now_ns: int) -> None:
        """Bring the strategy's view up to date."""
        view = self._bot.view
        view.now_ns = now_ns
        changed = False
        for leg in self._bot.legs:
            view.positions[leg.name] = leg.position
            if leg.book is not None:
                view.books[leg.name] = leg.book
            if leg.has_changed():
                changed = True
                view.open_orders[leg.name] = leg.tracker.live()
                view.balances[leg.name] = leg.balances.view(leg.tracker.live())
        if changed:
            self._uptime.update(now_ns, any(leg.tracker.rests_on_both_sides() for leg in self._bot.legs))

    def _ask_for_reports(self, now_ns: int) -> int:
        due_ns = now_ns + _IDLE_NS
        for leg in self._bot.legs:
            questions = leg.desk.questions
            due_ns = min(due_ns, leg.desk.step(now_ns, leg.needs_report, self._bot.journal.mark(leg.name)))
            if leg.desk.questions != questions:
                self._bot.sent = True
        return due_ns

    def _live(self, now_ns: int) -> int:
        """Do what a bot does that is not stopping; return when something is due by itself."""
        due_ns = self._doubt_overdue(now_ns)
        if self._bot.settings.duration_ns and self._started_ns is not None:
            end_ns = self._started_ns + self._bot.settings.duration_ns
            if now_ns >= end_ns:
                self.begin_stop("the duration is over")
                return now_ns
            due_ns = min(due_ns, end_ns)
        if not self._is_ready(now_ns):
            return due_ns
        due_ns = min(due_ns, self._decider.step(now_ns))
        gate = self._guard.tripped
        if gate is not None and self._decider.is_halted:
            self.begin_stop(f"gate {gate.name} tripped: {gate.reason}", RISK_HALT)
        return due_ns

    def _doubt_overdue(self, now_ns: int) -> int:
        due_ns = now_ns + _IDLE_NS
        for leg in self._bot.legs:
            if leg.awaited_since_ns is None:
                continue
            overdue_ns = leg.awaited_since_ns + self._bot.settings.ack_timeout_ns
            if now_ns >= overdue_ns:
                self._outgoing.doubt_overdue(leg, now_ns)
            else:
                due_ns = min(due_ns, overdue_ns)
        return due_ns

    def _is_ready(self, now_ns: int) -> bool:
        """Tell whether every leg was reconciled once."""
        if not self.reconciled and all(leg.reconciled for leg in self._bot.legs):
            self.reconciled = True
            self._uptime.begin(now_ns)
        return self.reconciled

    # The end, and what is saved on the way

    def _finish(self, now_ns: int) -> None:
        if self._stopping is None or (ended := self._stopping.exit()) is None:
            return
        self._save(now_ns, at_the_end=True)
        self._bot.journal.flush(now_ns)
        self.finished = ended

    def _save(self, now_ns: int, at_the_end: bool = False) -> None:
        """Save counters and the session's peak now and then; forget old closed orders."""
        if now_ns < self._save_due_ns and not at_the_end:
            return
        bot = self._bot
        self._save_due_ns = now_ns + bot.settings.save_ns
        bot.session.save()
        bot.journal.note_counters(dict(bot.counters))
        if now_ns >= self._prune_due_ns and not at_the_end:
            self._prune_due_ns = now_ns + _PRUNE_NS
            self._prune(now_ns)

    def _prune(self, now_ns: int) -> None:
        try:
            self._bot.journal.ledger.prune(self._clock.utc_ns() - self._bot.settings.keep_closed_orders_ns)
        except LedgerError as exc:
            self._bot.journal.fail(now_ns, exc)
