"""One bot's life: what venues say comes in, the strategy is asked, what it wants goes out.

A step listens (inboxes, ledger, strategy), asks for reports, looks at the gates, decides, and says when it must be
called again. There is no wall clock, no sleep and no thread in here: the same code runs live, on paper and with a
simulated clock.

    INIT -> SYNC -> WARMUP -> QUOTING <-> PAUSED -> (CLOSING ->) STOPPING -> finished
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.trading.bot_state import BotState
from core.trading.clock import seconds
from core.trading.closing import SpotRule
from core.trading.cycle_timer import CycleTimer
from core.trading.decider import Decider
from core.trading.ending import Ending
from core.trading.guard import Guard
from core.trading.intake import Intake
from core.trading.journal import Journal
from core.trading.keeping import Keeping
from core.trading.leg_state import LegRuntime, LegState
from core.trading.live_change import LiveChange, apply_change, prepare_change
from core.trading.loop_lag import LoopLag
from core.trading.loop_parts import LoopParts
from core.trading.loop_settings import LoopSettings
from core.trading.opening import open_life
from core.trading.outgoing import Outgoing
from core.trading.quote_uptime import QuoteUptime
from core.trading.reject_breaker import RejectBreaker
from core.trading.session_book import SessionBook
from core.trading.settling import Settling
from core.trading.snapshot import Told, take_snapshot
from core.trading.stepping import Stepping
from core.trading.stopping import LoopExit
from core.trading.strategy_memory import StrategyMemory
from core.trading.view_upkeep import ViewUpkeep
from utils.exit_statuses import DONE, RISK_HALT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.trading.clock import Clock
    from core.trading.ledger import Ledger
    from core.trading.watched_file import WatchedFile
    from strategies.base import Strategy, View

__all__ = ["LegRuntime", "LiveChange", "LoopExit", "LoopSettings", "SpotRule", "TradingLoop"]

_IDLE_NS = seconds(1)


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


def _parts_of(bot: BotState, strategy: Strategy, stop_timeout_s: float, params_file: WatchedFile | None) -> LoopParts:
    guard, intake, keeping, uptime = Guard(bot, strategy.gates), Intake(bot), Keeping(bot), QuoteUptime()
    outgoing, memory = Outgoing(bot, intake), StrategyMemory(bot, strategy)
    decider = Decider(bot, guard, outgoing, strategy, memory)
    return LoopParts(
        bot=bot,
        strategy=strategy,
        guard=guard,
        intake=intake,
        outgoing=outgoing,
        memory=memory,
        decider=decider,
        keeping=keeping,
        uptime=uptime,
        upkeep=ViewUpkeep(bot, uptime, params_file),
        settling=Settling(bot, decider, outgoing, strategy),
        ending=Ending(bot, guard, decider, keeping, seconds(stop_timeout_s)),
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
        params_file: WatchedFile | None = None,
    ) -> None:
        self._bot, self._clock, self._strategy = _bot_state(legs, settings, clock, ledger), clock, strategy
        self._parts = parts = _parts_of(self._bot, strategy, stop_timeout_s, params_file)
        self._guard, self._outgoing, self._decider = parts.guard, parts.outgoing, parts.decider
        self._ending, self._stepping = parts.ending, Stepping(parts)
        self._lag = LoopLag()
<<<<<<< HEAD
=======
        settling = Settling(self._bot, self._decider, self._outgoing, strategy)
        self._ending = Ending(self._bot, self._guard, self._decider, self._keeping, seconds(stop_timeout_s), settling)
        self._close_reason = ""
>>>>>>> hedge
        self._started = False

    @property
    def reconciled(self) -> bool:
        """Tell whether every leg was reconciled once."""
        return self._parts.reconciled

    @property
    def finished(self) -> LoopExit | None:
        """Return how it ended, None while it has not."""
        return self._ending.result

    # Life

    def start(self, only_close: SpotRule | None = None, new_run: bool = False, swept: bool = False) -> None:
        """Open the clients and load the ledger. Raises VenueError, ConfigError and LedgerError.

        `swept`: it was confirmed that nothing of an earlier life rests or can still arrive at a venue.

        A bot with a latched gate is finished at once, and no venue hears of it; unless an earlier life ended before
        it had closed what the gate demands: then this one closes it. `only_close`: this life quotes nothing and
        closes, whatever is latched; latches stay as they are. `new_run`: `duration_s` begins anew, however the life
        before ended.
        """
        bot = self._bot
        latches = bot.journal.ledger.latches.all()
        if only_close is not None:
            self._guard.only_show(latches)
        elif (gate := self._guard.take_up(latches)) is not None:
            self._ending.result = LoopExit(RISK_HALT, f"gate {gate.name} is latched: {gate.reason}", True, ())
            return
        open_life(self._parts, new_run, swept)
        self._started = True
        for leg in bot.legs:
            leg.client.start_market_data()
        if only_close is not None:
            self.begin_close("asked to close", only_close)

    def pause(self) -> None:
        """Take the quotes off the venue until `resume`."""
        self._guard.operator_paused = True
        self._decider.look_soon()

    def resume(self) -> None:
        """Quote again."""
        self._guard.operator_paused = False
        self._decider.look_soon()

    def trust_dead_man(self, until_ns: int) -> None:
        """Take the word that the account's dead-man switch is armed until then; beyond it no order may rest."""
        self._guard.dead_man_until_ns = until_ns
        self._decider.look_soon()

    def prepare_change(
        self, strategy_config: Mapping[str, Any], risk_config: Mapping[str, Any], stop_timeout_s: float
    ) -> LiveChange:
        """Return what validated sections would change; nothing happens yet. Raises ConfigError."""
        return prepare_change(self._bot, self._strategy, strategy_config, risk_config, stop_timeout_s)

    def apply_change(self, change: LiveChange) -> None:
        """Take a prepared change over between two steps. Raises ConfigError (all is as before), StrategyBug."""
        apply_change(self._bot, self._strategy, change)
        self._ending.stop_timeout_ns = change.stop_timeout_ns
        self._decider.look_soon()
        if self.reconciled:
            self._parts.trim(self._clock.now_ns())

    def begin_close(self, reason: str, spot: SpotRule) -> None:
        """Take the quotes off, close the positions as `spot` says, and finish once the venues confirm it."""
        if self.finished is not None or self._ending.is_stopping or not self._started:
            return
<<<<<<< HEAD
        self._parts.settling.is_on = False
=======
>>>>>>> hedge
        self._ending.stay()
        self._parts.close_reason = self._parts.close_reason or reason
        self._decider.begin_close(spot, self._clock.now_ns())

    def begin_handover(self, reason: str, settle_s: float, write: Callable[[Sequence[str]], None]) -> None:
        """Stop deciding, let what is in flight settle, have `write` record the orders, and finish without cancelling.

        Where that cannot be done within `settle_s`, it becomes a stop. `write` raises OSError when it cannot.
        """
        self._ending.hand_over(reason, settle_s, write)

    def begin_stop(self, reason: str, status: int = DONE) -> None:
        """Cancel everything and finish once the venues confirm it or `stop_timeout_s` is over."""
        if not self._started and self.finished is None:
            self._ending.result = LoopExit(status, reason, True, ())
<<<<<<< HEAD
        self._parts.stop(reason, status, self._clock.now_ns())
=======
        self._ending.stop(reason, status)
>>>>>>> hedge

    @property
    def is_ending(self) -> bool:
        """Tell whether it is too late to ask for anything else."""
<<<<<<< HEAD
        return self._ending.has_begun or self._parts.settling.is_on
=======
        return self._ending.has_begun or self._ending.is_settling
>>>>>>> hedge

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
        if self.is_ending:
            return "STOPPING"
        if not self._started:
            return "INIT"
        if not self.reconciled:
            return "SYNC"
        if self._decider.in_the_way is not None:
            return "CLOSING"
        if any(leg.book is None for leg in self._bot.legs) and not self._guard.operator_paused:
            return "WARMUP"
        return "PAUSED" if self._guard.gates or self._decider.is_blocked else "QUOTING"

    @property
    def view(self) -> View:
        """Return what the strategy looks at; for looking only."""
        return self._bot.view

    def snapshot(self) -> dict[str, Any]:
        """Return the trading part of the bot's status."""
        now_ns = self._clock.now_ns()
        told = Told(
            phase=self.phase,
            gates=sorted(self._guard.gates),
            paused=self._guard.operator_paused,
            closing=self._decider.in_the_way,
            uptime_pct=self._parts.uptime.pct(now_ns),
            lag_ns=self._lag.worst_ns(),
            stats=self._strategy.stats(),
        )
        return take_snapshot(self._bot, now_ns, told)

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
            due_ns = self._stepping.step(now_ns)
        except Exception:
            self._outgoing.abandon(now_ns)
            raise
        self._lag.promised(due_ns)
        return due_ns
<<<<<<< HEAD
=======

    def _step(self, now_ns: int) -> int:
        bot = self._bot
        bot.sent = False
        due_ns = self._listen(now_ns)
        bot.journal.flush(now_ns)
        self._deliver(now_ns)
        if not self._ending.is_stopping:
            due_ns = min(due_ns, self._ask_for_reports(now_ns), self._doubt_overdue(now_ns))
            due_ns = min(due_ns, self._ending.settle(now_ns) if self._ending.is_handing_over else self._live(now_ns))
        if self._ending.is_stopping:
            due_ns = min(due_ns, self._ending.step(now_ns))
        self._keeping.save(now_ns)
        bot.journal.flush(now_ns)
        self._refresh(now_ns)
        self._ending.finish(now_ns)
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
                self._ending.handle(leg, item, asked_ns)
        return due_ns

    def _deliver(self, now_ns: int) -> None:
        """Let the strategy hear what happened, now that the ledger has it."""
        events = self._bot.events
        if self._ending.has_begun:
            # An answer could only be an order that the sweep, or the successor, does not know of. Fills are kept for a
            # handover that is taken back; else the next life hears them.
            fills = [event for event in events if isinstance(event, FillEvent)]
            events.clear()
            events.extend(fills)
            return
        if not events:
            return
        self._refresh(now_ns)
        look = self._decider.is_blocked
        while events:
            event = events.popleft()
            look = look or not isinstance(event, (BookUpdate, TradePrint))
            if self._decider.closing is None:  # a strategy has no say in a close, nor can it break one
                self._decider.hear(event, now_ns)
        if look:
            self._decider.look_soon()

    def _refresh(self, now_ns: int) -> None:
        """Bring the strategy's view up to date."""
        view = self._bot.view
        view.now_ns, view.utc_ns = now_ns, self._clock.utc_ns()
        if self._params_file is not None:
            view.params_file = self._params_file.look(now_ns)
        changed = False
        for leg in self._bot.legs:
            view.positions[leg.name] = leg.position
            if leg.book is not None:
                view.books[leg.name] = leg.book
            if leg.instrument.kind != "spot":
                _show_perp(leg, view)
            if leg.has_changed():
                changed = True
                view.open_orders[leg.name] = leg.tracker.live()
                view.balances[leg.name] = leg.balances.view(leg.tracker.live())
            view.unbooked[leg.name] = leg.tracker.unbooked_slots()
            view.limits[leg.name] = leg.limits
            if leg.confirmed_ns is not None:
                view.confirmed_ns[leg.name] = leg.confirmed_ns
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
        """Do what a bot does that is not ending; return when something is due by itself."""
        due_ns = now_ns + _IDLE_NS
        if self._decider.closing is None and (end_ns := self._keeping.run_end_ns()) is not None:
            if now_ns >= end_ns:
                self.begin_stop("the duration is over")
                return now_ns
            due_ns = min(due_ns, end_ns)
        if not self._is_ready(now_ns):
            return due_ns
        if self._ending.is_settling:
            return self._ending.go_on_settling(now_ns)
        due_ns = min(due_ns, self._decider.step(now_ns))
        if self._decider.is_closed or self._decider.is_halted:
            self._end_by_decision()
        return due_ns

    def _end_by_decision(self) -> None:
        """Stop because a tripped gate demands it, or because what was to be closed is closed."""
        gate, closing = self._guard.tripped, self._decider.closing
        reason = self._close_reason if gate is None else f"gate {gate.name} tripped: {gate.reason}"
        if closing is not None and (residue := closing.residue):
            reason = f"{reason} (too small for an order, left as it is: {residue})"
        self._ending.stop(reason, DONE, self._decider.is_closed)

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
            self._trim(now_ns)
        return self.reconciled
>>>>>>> hedge
