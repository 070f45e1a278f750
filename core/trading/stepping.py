"""One step of the loop: listen, tell the strategy, ask for reports, decide, save; what is due, in that order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.market.events import BookUpdate, FillEvent, TradePrint
from core.trading.clock import seconds
from utils.exit_statuses import DONE

if TYPE_CHECKING:
    from core.trading.leg_state import LegState
    from core.trading.loop_parts import LoopParts

_IDLE_NS = seconds(1)
_MARKET = (BookUpdate, TradePrint)  # what is no reason to look at the gates


class Stepping:
    """The steps of one loop; times are the clock's monotonic nanoseconds."""

    def __init__(self, parts: LoopParts) -> None:
        self._parts = parts
        self._bot = parts.bot
        self._guard, self._decider, self._outgoing = parts.guard, parts.decider, parts.outgoing
        self._intake, self._keeping, self._uptime = parts.intake, parts.keeping, parts.uptime
        self._upkeep, self._ending = parts.upkeep, parts.ending

    def step(self, now_ns: int) -> int:
        """Do everything that is due; return when to be called next at the latest."""
        bot, ending, journal = self._bot, self._ending, self._bot.journal
        bot.sent = False
        due_ns = self._listen(now_ns)
        self._keeping.sampler.look(now_ns)
        if not journal.is_settled:
            journal.flush(now_ns)
        self._upkeep.refresh(now_ns)  # what a decision goes by, its time too, is of this step
        if bot.events:
            self._deliver(now_ns)
        if not ending.is_stopping:
            due_ns = self._ask_and_doubt(now_ns, due_ns)
            later_ns = ending.settle(now_ns) if ending.is_handing_over else self._live(now_ns)
            due_ns = later_ns if later_ns < due_ns else due_ns
        if ending.is_stopping:
            due_ns = min(due_ns, ending.step(now_ns))
        if now_ns >= bot.live.due_ns:
            bot.live.look(bot.legs, now_ns)
        self._keeping.save(now_ns)
        if not journal.is_settled:
            journal.flush(now_ns)
        self._upkeep.refresh(now_ns)
        if ending.is_stopping or ending.is_handing_over:
            ending.finish(now_ns)
        if bot.sent:
            due_ns = self._answers_due_ns(now_ns, due_ns)
        return due_ns if due_ns > now_ns else now_ns

    def _answers_due_ns(self, now_ns: int, due_ns: int) -> int:
        """Return when to be called after a step that sent: as soon as there can be an answer, or is more to do."""
        if self._bot.events:
            return now_ns
        for leg in self._bot.legs:
            if leg.needs_report:
                return now_ns
            if leg.awaited_since_ns is not None:
                due_ns = min(due_ns, leg.awaited_since_ns + self._bot.settings.ack_timeout_ns)
            due_ns = min(due_ns, leg.client.answer_due_ns(now_ns))
        return due_ns

    def _listen(self, now_ns: int) -> int:
        """Let the clients do what is due and take in what they said."""
        bot, due_ns, is_stopping = self._bot, now_ns + _IDLE_NS, self._ending.is_stopping
        for leg in bot.legs:
            leg.inbox.hush()
            polled_ns = leg.client.poll(now_ns)
            if polled_ns is not None and polled_ns < due_ns:
                due_ns = polled_ns
            for item in leg.inbox.drain():
                asked_ns = self._intake.take(leg, item, now_ns)
                if is_stopping:
                    self._ending.handle(leg, item, asked_ns)
        if bot.reference is not None:
            due_ns = min(due_ns, bot.reference.listen(now_ns, bot))
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
        decider = self._decider
        look = decider.is_blocked
        while events:
            event = events.popleft()
            look = look or not isinstance(event, _MARKET)
            if decider.closing is None:  # a strategy has no say in a close, nor can it break one
                decider.hear(event, now_ns)
        if look:
            decider.look_soon()

    def _ask_and_doubt(self, now_ns: int, due_ns: int) -> int:
        """Ask for reports that are due, doubt what was not answered in time.

        Returns `due_ns`, or when the next of both is due before it.
        """
        for leg in self._bot.legs:
            urgent, next_ns = leg.needs_report, leg.desk.idle_until_ns
            if urgent or now_ns >= next_ns:
                next_ns = self._ask(leg, now_ns, urgent)
            if next_ns < due_ns:
                due_ns = next_ns
            if leg.awaited_since_ns is not None:
                due_ns = min(due_ns, self._doubt(leg, leg.awaited_since_ns, now_ns))
        return due_ns

    def _ask(self, leg: LegState, now_ns: int, urgent: bool) -> int:
        desk = leg.desk
        questions = desk.questions
        next_ns = desk.step(now_ns, urgent, self._bot.journal.mark(leg.name))
        if desk.questions != questions:
            self._bot.sent = True
        return next_ns

    def _doubt(self, leg: LegState, since_ns: int, now_ns: int) -> int:
        """Doubt requests that have waited for too long since; return when the oldest of the others will have."""
        overdue_ns = since_ns + self._bot.settings.ack_timeout_ns
        if now_ns < overdue_ns:
            return overdue_ns
        self._outgoing.doubt_overdue(leg, now_ns)
        return now_ns + _IDLE_NS

    def _live(self, now_ns: int) -> int:
        """Do what a bot does that is not ending; return when something is due by itself."""
        if self._ending.is_settling:
            return self._ending.go_on_settling(now_ns)
        ending, decider, due_ns = self._ending, self._decider, now_ns + _IDLE_NS
        if ending.is_closing:
            due_ns = min(due_ns, ending.go_on_closing(now_ns))
            if ending.is_stopping:
                return now_ns
        elif decider.closing is None and self._bot.settings.duration_ns:
            end_ns = self._keeping.run_end_ns()
            if now_ns >= end_ns:
                self._ending.stop("the duration is over", DONE, close=self._bot.settings.closes_at_stop)
                return now_ns
            due_ns = min(due_ns, end_ns)
        if not (self._parts.reconciled or self._is_ready(now_ns)):
            return due_ns
        starting = self._parts.starting
        if starting.is_on and (look_ns := starting.step(now_ns)) is not None:
            due_ns = min(due_ns, look_ns)
            if not starting.lets_close:
                return due_ns
        next_ns = decider.step(now_ns, may_quote=not starting.holds)
        if decider.is_closed or decider.is_halted:
            self._end_by_decision()
        return next_ns if next_ns < due_ns else due_ns

    def _end_by_decision(self) -> None:
        """Stop because a tripped gate demands it, or because what was to be closed is closed."""
        gate, closing = self._guard.tripped, self._decider.closing
        asked = self._ending.closing_reason or self._parts.close_reason
        reason = asked if gate is None else f"gate {gate.name} tripped: {gate.reason}"
        if closing is not None and (residue := closing.residue):
            reason = f"{reason} (too small for an order, left as it is: {residue})"
        self._ending.stop(reason, DONE, self._decider.is_closed)

    def _is_ready(self, now_ns: int) -> bool:
        """Tell whether every leg was reconciled once."""
        if not self._parts.reconciled and all(leg.reconciled for leg in self._bot.legs):
            self._parts.reconciled = True
            self._uptime.begin(now_ns)
            self._bot.live.at_touch.begin(now_ns)
            self._parts.trim(now_ns)
        return self._parts.reconciled
