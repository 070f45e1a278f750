"""One bot's life: what venues say comes in, the strategy is asked, what it wants goes out.

A step listens (inboxes, ledger, strategy), asks for reports, looks at the gates, decides, and says when it must be
called again. There is no wall clock, no sleep and no thread in here: the same code runs live, on paper and with a
simulated clock.

    INIT -> SYNC -> WARMUP -> QUOTING <-> PAUSED -> (CLOSING ->) STOPPING -> finished
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.market.churn import ChurnMeter
from core.trading.bot_state import BotState
from core.trading.clock import SECOND_NS, seconds
from core.trading.closing import SpotRule
from core.trading.closing_stop import ClosingStop
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
from core.trading.starting import Starting
from core.trading.stepping import Stepping
from core.trading.stopping import LoopExit
from core.trading.strategy_memory import StrategyMemory
from core.trading.view_upkeep import ViewUpkeep
from utils.exit_statuses import DONE, RISK_HALT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.trading.clock import Clock
    from core.trading.ledger import Ledger
    from core.trading.reference import Reference
    from core.trading.watched_file import WatchedFiles
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
        churn=ChurnMeter(settings.churn),
    )


def _parts_of(bot: BotState, strategy: Strategy, stop_timeout_s: float, files: WatchedFiles) -> LoopParts:
    guard, intake, keeping, uptime = Guard(bot, strategy.gates), Intake(bot, strategy), Keeping(bot), QuoteUptime()
    outgoing, memory = Outgoing(bot, intake), StrategyMemory(bot, strategy)
    decider = Decider(bot, guard, outgoing, strategy, memory)
    settling, closing_stop = Settling(bot, decider, outgoing, strategy), ClosingStop(bot, decider)
    ending = Ending(bot, guard, decider, keeping, seconds(stop_timeout_s), settling, closing_stop)
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
        upkeep=ViewUpkeep(bot, guard, uptime, files),
        ending=ending,
        starting=Starting(bot, guard, decider, outgoing, ending),
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
        files: WatchedFiles | None = None,
        reference: Reference | None = None,
    ) -> None:
        self._bot, self._clock, self._strategy = _bot_state(legs, settings, clock, ledger), clock, strategy
        self._bot.reference = reference
        self._parts = parts = _parts_of(self._bot, strategy, stop_timeout_s, files or {})
        self._guard, self._outgoing, self._decider = parts.guard, parts.outgoing, parts.decider
        self._ending, self._stepping = parts.ending, Stepping(parts)
        self._lag = LoopLag()
        self._started = False
        self._started_ns: int | None = None

    @property
    def reconciled(self) -> bool:
        """Tell whether every leg was reconciled once."""
        return self._parts.reconciled

    @property
    def finished(self) -> LoopExit | None:
        """Return how it ended, None while it has not."""
        return self._ending.result

    # Life

    def use_times(self, duration_s: float | None, interval_s: float | None) -> None:
        """Take a duration or an interval in place of the config's, before the start; None leaves it."""
        bot = self._bot
        if duration_s is not None:
            bot.settings = replace(bot.settings, duration_ns=seconds(duration_s))
        if interval_s is not None:
            bot.settings = replace(bot.settings, interval_ns=seconds(interval_s))
            bot.timer.use(bot.settings.interval_ns, bot.settings.min_cycle_ns)

    def start(
        self, only_close: SpotRule | None = None, new_run: bool = False, swept: bool = False, fresh: bool = False
    ) -> None:
        """Open the clients and load the ledger. Raises VenueError, ConfigError and LedgerError.

        `swept`: it was confirmed that nothing of an earlier life rests or can still arrive at a venue.

        A bot with a latched gate is finished at once, and no venue hears of it; unless an earlier life ended before
        it had closed what the gate demands: then this one closes it. `only_close`: this life quotes nothing and
        closes, whatever is latched; latches stay as they are. `new_run`: `duration_s` begins anew, however the life
        before ended. `fresh`: somebody started a bot that was at rest, so `startup_position` is asked.
        """
        bot = self._bot
        latches = bot.journal.ledger.latches.all()
        if only_close is not None:
            self._guard.only_show(latches)
            self._leave_reference()  # nothing is quoted
        elif (gate := self._guard.take_up(latches)) is not None:
            self._ending.result = LoopExit(RISK_HALT, f"gate {gate.name} is latched: {gate.reason}", True, ())
            return
        open_life(self._parts, new_run, swept)
        if only_close is None:
            self._parts.starting.load(fresh, self._clock.now_ns())
        self._started, self._started_ns = True, self._clock.now_ns()
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
        self._ending.stay()
        self._parts.close_reason = self._parts.close_reason or reason
        self._decider.begin_close(spot, self._clock.now_ns())

    def begin_handover(self, reason: str, settle_s: float, write: Callable[[Sequence[str]], None]) -> None:
        """Stop deciding, let what is in flight settle, have `write` record the orders, and finish without cancelling.

        Where that cannot be done within `settle_s`, it becomes a stop. `write` raises OSError when it cannot.
        """
        self._ending.hand_over(reason, settle_s, write)

    def begin_stop(self, reason: str, status: int = DONE, close: bool = False) -> None:
        """Cancel everything and finish once the venues confirm it or `stop_timeout_s` is over.

        `close`: the position is closed before, as far as that time goes; the reason of the end tells what is left.
        """
        if not self._started and self.finished is None:
            self._ending.result = LoopExit(status, reason, True, ())
        self._ending.stop(reason, status, close=close)

    @property
    def closes_at_stop(self) -> bool:
        """Tell whether the config wants the position closed when the bot is stopped."""
        return self._bot.settings.closes_at_stop

    @property
    def is_ending(self) -> bool:
        """Tell whether it is too late to ask for anything else."""
        return self._ending.has_begun or self._ending.is_settling or self._ending.is_closing

    @property
    def is_stopping(self) -> bool:
        """Tell whether a stop was asked for, or is over."""
        return self.is_ending and not self._ending.is_handing_over

    def close(self) -> None:
        """Disconnect the clients and give the descriptors back; orders stay as they are, the ledger is its owner's."""
        for leg in self._bot.legs:
            leg.is_open = False
            leg.client.close()
            leg.inbox.close()
        self._leave_reference()

    def _leave_reference(self) -> None:
        beside, self._bot.reference = self._bot.reference, None
        if beside is not None:
            beside.close()

    def filenos(self) -> list[int]:
        """Return the descriptors that should end a wait."""
        beside = [] if self._bot.reference is None else [self._bot.reference.fileno()]
        return [*(leg.inbox.fileno() for leg in self._bot.legs), *beside]

    @property
    def phase(self) -> str:
        """Return the phase of the life cycle; why a bot does not quote is in its gates."""
        if self.is_ending and not self._ending.is_closing:
            return "STOPPING"
        if not self._started:
            return "INIT"
        if not self.reconciled or self._parts.starting.holds:
            return "SYNC"
        if self._decider.in_the_way is not None:
            return "CLOSING"
        if any(leg.book is None for leg in self._bot.legs) and not self._guard.operator_paused:
            return "WARMUP"
        return "PAUSED" if self._guard.gates or self._decider.is_blocked else "QUOTING"

    @property
    def uptime_s(self) -> float:
        """Return how long ago it was started, 0 before."""
        return 0.0 if self._started_ns is None else (self._clock.now_ns() - self._started_ns) / SECOND_NS

    @property
    def view(self) -> View:
        """Return what the strategy looks at; for looking only."""
        return self._bot.view

    def file_errors(self) -> Mapping[str, str]:
        """Return why files that the strategy goes by are not used as they are now, by the keys that name them."""
        return self._strategy.file_errors()

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
        if self._ending.result is not None:
            return now_ns + _IDLE_NS
        try:
            due_ns = self._stepping.step(now_ns)
        except Exception:
            self._outgoing.abandon(now_ns)
            raise
        self._lag.promised_ns = due_ns
        return due_ns
