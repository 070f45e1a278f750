"""From gates to orders: look at the gates, ask the strategy when they are open and it is time, do what it says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.market.commands import CancelAll, Confirm, Flatten, Halt, Quotes, Wake
from core.market.events import Timer, Watch
from core.market.risk_gates import CLOSING_ACTIONS, Gate
from core.trading.closing import Closing, SpotRule
from core.trading.cycle_timer import MOVE, OWN
from core.trading.decision_log import DecisionLog
from core.trading.log_fields import fields
from core.trading.view_upkeep import show_orders
from utils.errors import LedgerError, StrategyBug

if TYPE_CHECKING:
    from core.market.commands import Command, Take
    from core.market.events import Event
    from core.trading.bot_state import BotState
    from core.trading.guard import Guard
    from core.trading.leg_state import LegState
    from core.trading.outgoing import Outgoing
    from core.trading.strategy_memory import StrategyMemory
    from strategies.base import Strategy


_log = logging.getLogger("makerd.risk")


class Decider:
    """The decisions of one bot; times are the loop's monotonic nanoseconds."""

    def __init__(
        self, bot: BotState, guard: Guard, outgoing: Outgoing, strategy: Strategy, memory: StrategyMemory
    ) -> None:
        self._bot, self._guard, self._outgoing, self._strategy = bot, guard, outgoing, strategy
        self._memory = memory
        self._decisions = DecisionLog(bot, guard)
        self.is_blocked = True  # quotes are off the venue, and stay off for now: not ready yet, or a gate is shut
        self._patient_until_ns = 0  # orders of an earlier life stay that long without a decision about them
        self._look_due_ns = 0
        self.closing: Closing | None = None  # that is under way
        self._flattening: dict[str, Closing] = {}  # closes after which the bot goes on, by leg
        self.is_halted = False  # what a tripped gate demands is done but for the stop
        self.is_closed = False  # what was to be closed is closed, by the venue's word

    @property
    def in_the_way(self) -> str | None:
        """Return what is left to close and what stands in the way, None when nothing is being closed."""
        under_way = [self.closing] if self.closing is not None else [*self._flattening.values()]
        return "; ".join(one.in_the_way for one in under_way) if under_way else None

    @property
    def is_flattening(self) -> bool:
        """Tell whether a position is being closed after which the bot goes on."""
        return bool(self._flattening)

    def close_first(self, reason: str, closing: Closing, leg: LegState, now_ns: int) -> None:
        """Close a leg before anything else is decided about it, then go on; what closes it already does so."""
        if leg.name in self._flattening:
            return
        self._flattening[leg.name], self._guard.flattening[leg.name] = closing, reason
        self._block(now_ns)
        self.look_soon()

    def be_patient(self, until_ns: int) -> None:
        """Leave the orders of an earlier life alone until there is a book to judge them by, at most until then."""
        self._patient_until_ns = until_ns

    def begin_close(self, spot: SpotRule, now_ns: int) -> None:
        """Take quotes off and close what is held, for good; one that is under way is only widened."""
        if self.closing is None:
            self.forget_flattening()
            self.closing = Closing(self._bot, self._outgoing, spot)
            self._block(now_ns)
        elif not self.closing.widen(spot):
            return
        self.look_soon()

    def look_soon(self) -> None:
        """Look at the gates in the next step, whatever the interval."""
        self._look_due_ns = 0

    def step(self, now_ns: int, may_quote: bool = True) -> int:
        """Decide when something is due; return when to be called next at the latest.

        `may_quote` False: the gates are looked at and what is held may be closed, nothing else.
        """
        timer = self._bot.timer
        if timer.may_refill or now_ns >= self._look_due_ns or now_ns >= timer.due_ns:
            self._look(now_ns)
            if self._guard.tripped is not None:
                self._act_on_trip(now_ns)
            if self.closing is not None:
                self._close(now_ns)
            elif self._guard.tripped is None:
                self._go_on(now_ns, may_quote)
        look_ns = self._look_due_ns
        return look_ns if self.is_blocked or look_ns < timer.due_ns else timer.due_ns

    def _go_on(self, now_ns: int, may_quote: bool) -> None:
        if self._flattening:
            self._flatten(now_ns)
        elif may_quote and not self._guard.blocks:
            self._quote(now_ns)
        else:
            self._block(now_ns)
            if not self._guard.is_blind:
                self.hear(Watch(now_ns), now_ns)

    def _look(self, now_ns: int) -> None:
        self._guard.look(now_ns)
        due_ns = now_ns + self._bot.settings.guard_ns
        if self._patient_until_ns > now_ns:
            due_ns = min(due_ns, self._patient_until_ns)
        for leg in self._bot.legs:  # a book gets stale in silence: be there when it does
            if leg.book_ns is not None and (stale_ns := leg.book_ns + leg.limits.max_book_age_ns + 1) > now_ns:
                due_ns = min(due_ns, stale_ns)
        if (unarmed_ns := self._guard.dead_man_until_ns) > now_ns:
            due_ns = min(due_ns, unarmed_ns)
        self._look_due_ns = due_ns

    def _block(self, now_ns: int) -> None:
        """Take quotes off the venue: once each, those of unknown outcome only when the gate shuts."""
        if self._is_patient(now_ns):
            return
        for leg in self._bot.legs:
            self._outgoing.withdraw(leg, now_ns, doubtful_too=not self.is_blocked)
        self._bot.timer.refilled()
        self.is_blocked = True

    def _is_patient(self, now_ns: int) -> bool:
        if self.closing or self._flattening or self._guard.tripped or not self._guard.lacks_facts_only:
            self._patient_until_ns = 0
        return now_ns < self._patient_until_ns

    def _quote(self, now_ns: int) -> None:
        self._patient_until_ns = 0
        if self.is_blocked:
            self.is_blocked = False
            self._bot.timer.hurry(OWN)
        cause = self._bot.timer.take(now_ns)
        if cause is None:
            self._refill(now_ns)
            return
        self._bot.counters["cycles"] += 1
        for leg in self._bot.legs:
            leg.cycle_mid_ticks = leg.mid_ticks
        if self._bot.reference is not None:
            self._bot.reference.decided()
        seen = self._decisions.begin(cause)
        self.hear(Timer(now_ns, cause), now_ns)
        if self._guard.tripped is None and not self._flattening:
            for leg in self._bot.legs:
                self._outgoing.follow_wish(leg, now_ns)
        self._decisions.end(seen)
        self._bot.live.cycle(self._bot.clock.now_ns() - now_ns)

    def _refill(self, now_ns: int) -> None:
        """Place what the last decision wants into slots that our cancels have freed since; it is still what we want."""
        if self._bot.timer.may_refill:
            for leg in self._bot.legs:
                self._outgoing.refill(leg, now_ns)
        self._bot.timer.refilled()

    def _act_on_trip(self, now_ns: int) -> None:
        """Do what a tripped gate demands, once it is latched on disk; take the quotes off meanwhile."""
        gate = self._guard.tripped
        assert gate is not None
        self._block(now_ns)
        self._guard.trip(gate, now_ns)
        if not self._guard.is_latched:
            return
        if gate.action in CLOSING_ACTIONS:
            self.begin_close(SpotRule.CLOSE, now_ns)
        elif self.closing is None:
            self.is_halted = True

    def _close(self, now_ns: int) -> None:
        """Go on with closing; a gate that tripped must be on disk, and told, before it is done."""
        assert self.closing is not None
        self._block(now_ns)
        if not self.closing.step(now_ns):
            return
        gate = self._guard.tripped
        if gate is not None:
            if not self._guard.is_latched:
                return
            if gate.action in CLOSING_ACTIONS and not self._note_closed(gate.name, now_ns):
                return
            self.is_halted = True
        self.is_closed = True

    def _flatten(self, now_ns: int) -> None:
        """Go on with closing what the strategy wants closed; once it is, quotes may come back.

        A close that something stands in the way of must not keep another leg from being closed meanwhile.
        """
        self._block(now_ns)
        done = [leg for leg, closing in self._flattening.items() if closing.step(now_ns)]
        for leg in done:
            del self._flattening[leg], self._guard.flattening[leg]
        if not self._flattening:
            self.look_soon()
        elif len(self._bot.legs) > 1 and not self._guard.is_blind:
            self.hear(Watch(now_ns), now_ns)

    def forget_flattening(self) -> None:
        """Leave the closes alone after which the bot would have gone on: something else takes over."""
        self._flattening.clear()
        self._guard.flattening.clear()

    def _begin_flatten(self, flatten: Flatten, now_ns: int) -> None:
        leg = self._leg(flatten.leg)
        if self.closing is not None or leg.name in self._flattening or self._guard.tripped is not None:
            return
        told = fields(leg=leg.name, reason=flatten.reason, position=str(leg.instrument.to_size(leg.position.size_lots)))
        _log.warning("flatten", extra=told)
        self._bot.counters["flattens"] += 1
        closing = Closing(self._bot, self._outgoing, SpotRule.CLOSE, flatten)
        self.close_first(flatten.reason, closing, leg, now_ns)

    def _note_closed(self, gate: str, now_ns: int) -> bool:
        """Record that the position is closed, so that a later start does not close anything again."""
        try:
            self._bot.journal.ledger.latches.mark_done(gate)
        except LedgerError as exc:
            self._bot.journal.fail(now_ns, exc)
            return False
        return True

    # The strategy

    def hear(self, event: Event, now_ns: int) -> None:
        """Let the strategy hear an event and do what it says. Raises StrategyBug with its cause."""
        try:
            commands = self._strategy.on_event(event, self._bot.view)
        except Exception as exc:
            told = f"the strategy raised {type(exc).__name__} on {type(event).__name__}: {exc}"
            raise StrategyBug(told) from exc
        self._memory.heard(event)
        if commands:
            self._obey(commands, now_ns, not isinstance(event, Timer))

    def _obey(self, commands: Sequence[Command], now_ns: int, hurry: bool) -> None:
        for command in commands:
            if isinstance(command, Quotes):
                self._wish(command, hurry)
            elif isinstance(command, Flatten):
                self._begin_flatten(command, now_ns)
            elif isinstance(command, Halt):
                self._guard.trip(Gate("halt", "cancel", True, command.reason), now_ns)
                self.look_soon()
            elif isinstance(command, CancelAll):
                for leg in self._bot.legs:
                    self._outgoing.withdraw(leg, now_ns, doubtful_too=True)
            elif isinstance(command, Wake):
                self._bot.timer.wake(command.at_ns)
            elif isinstance(command, Confirm):
                self._leg(command.leg).want_report(now_ns)
            else:
                self._take(command, now_ns)

    def _wish(self, quotes: Quotes, hurry: bool) -> None:
        """Keep what is wanted; said outside of a decision, it makes the next one due soon."""
        leg = self._leg(quotes.leg)
        wanted = quotes.quotes
        if self.is_blocked or leg.wanted == wanted:
            return
        if not leg.knows_reduce_only:
            wanted = tuple(replace(one, reduce_only=False) if one.reduce_only else one for one in wanted)
            if leg.wanted == wanted:
                return
        leg.wanted = wanted
        if hurry:
            self._bot.timer.hurry(MOVE)

    def _take(self, take: Take, now_ns: int) -> None:
        leg = self._leg(take.leg)
        shut = (self.is_blocked and not take.reduce_only) or self._guard.tripped is not None
        if (shut and not take.is_hedge) or self._flattening or self.closing is not None:
            self._bot.counters["skipped.gate"] += 1
        elif self._outgoing.take(leg, take, now_ns):
            show_orders(leg, self._bot.view)  # the next event of this step must not ask for the same once more

    def _leg(self, name: str) -> LegState:
        try:
            return self._bot.by_name[name]
        except KeyError:
            raise StrategyBug(f"the strategy named a leg {name!r} that the bot does not have") from None
