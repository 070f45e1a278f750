"""How a loop ends: a confirmed stop, or a handover that becomes a stop where it cannot be one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core.trading.clock import seconds
from core.trading.handing_over import HandingOver, resting_orders
from core.trading.stopping import LoopExit, Stopping
from utils.exit_statuses import DONE, RISK_HALT

if TYPE_CHECKING:
    from api.base_client import InboxItem
    from core.trading.bot_state import BotState
    from core.trading.closing_stop import ClosingStop
    from core.trading.decider import Decider
    from core.trading.guard import Guard
    from core.trading.keeping import Keeping
    from core.trading.leg_state import LegState
    from core.trading.settling import Settling


class Ending:
    """The end of one life. `result` is set once; `stop_timeout_ns` may change while nothing has begun.

    `is_stopping`: everything is being cancelled. `is_handing_over`: nothing is decided any more while the orders stay.
    """

    def __init__(
        self,
        bot: BotState,
        guard: Guard,
        decider: Decider,
        keeping: Keeping,
        stop_timeout_ns: int,
        settling: Settling,
        closing_stop: ClosingStop,
    ) -> None:
        self._bot, self._guard, self._decider, self._keeping = bot, guard, decider, keeping
        self._settling, self._closing_stop = settling, closing_stop
        self._handing: HandingOver | None = None
        self._stopping: Stopping | None = None
        self.is_stopping = self.is_handing_over = False
        self.stop_timeout_ns = stop_timeout_ns
        self.result: LoopExit | None = None

    def _hand(self, handing: HandingOver | None) -> None:
        self._handing, self.is_handing_over = handing, handing is not None

    @property
    def is_settling(self) -> bool:
        """Tell whether a stop waits for what the strategy has to bring into balance; it still decides and hears."""
        return self._settling.is_on

    @property
    def has_begun(self) -> bool:
        """Tell whether the end has begun, or is over."""
        return self.result is not None or self.is_stopping or self.is_handing_over

    @property
    def is_closing(self) -> bool:
        """Tell whether a stop closes the position before it cancels everything."""
        return self._closing_stop.is_on and not self.is_stopping

    @property
    def closing_reason(self) -> str:
        """Return why a stop closes the position, empty when none does."""
        return self._closing_stop.reason

    def stop(self, reason: str, status: int, closed: bool = False, close: bool = False, at_once: bool = False) -> None:
        """Cancel everything, and make sure of it until the stop's deadline; the first stop counts.

        `close`: the position is closed before, as far as the time goes; a stop without it ends such a close. Else what
        the strategy has to bring into balance comes first, unless `at_once`.
        """
        if self.result is not None or self.is_stopping:
            return
        now_ns = self._bot.clock.now_ns()
        if close and self._closing_stop.begin(reason, status, now_ns, self.stop_timeout_ns):
            self._hand(None)
            self._settling.is_on = False
            return
        settles = not (closed or at_once) and self._decider.closing is None
        if settles and self._settling.begin(reason, status, now_ns, self.stop_timeout_ns):
            self._hand(None)
            return
        self._sweep(reason, status, closed, self._closing_stop.spent_ns(now_ns))

    def go_on_closing(self, now_ns: int) -> int:
        """Go on with a stop that closes first; return when to look again."""
        due_ns = self._closing_stop.step(now_ns)
        if due_ns is not None:
            return due_ns
        stop = self._closing_stop
        self._sweep(stop.reason, stop.status, False, stop.spent_ns(now_ns))
        return now_ns

    def go_on_settling(self, now_ns: int) -> int:
        """Go on with what comes before the sweep; return when to look again."""
        settling = self._settling
        due_ns = settling.step(now_ns)
        if settling.is_done(now_ns):
            settling.is_on = False
            self._sweep(settling.told(), settling.status, False, settling.spent_ns(now_ns))
        return due_ns

    def _sweep(self, reason: str, status: int, closed: bool, spent_ns: int) -> None:
        """Begin to cancel everything; `spent_ns` of the stop's time is over."""
        if self._guard.tripped is not None:
            status = RISK_HALT
        closing = self._decider.closing
        if closing is not None and not closed:
            reason = f"{reason} (not closed: {closing.in_the_way})"
        self._hand(None)
        deadline_ns = self._bot.clock.now_ns() + self.stop_timeout_ns - spent_ns
        left_position = self._closing_stop.is_on and not closed
        self._stopping = Stopping(self._bot, reason, status, deadline_ns, closed, left_position)
        self.is_stopping = True

    def hand_over(self, reason: str, settle_s: float, write: Callable[[Sequence[str]], None]) -> None:
        """Let what is in flight settle, and leave the orders; see `HandingOver`."""
        if self.has_begun or self.is_settling or self.is_closing:
            return
        self._hand(HandingOver(reason, self._bot.clock.now_ns() + seconds(settle_s), write))
        if self._decider.is_blocked:
            self._stop_instead("quotes are off")

    def stay(self) -> None:
        """Take a handover, or a stop that has not begun to cancel, back: there is something to do first."""
        self._hand(None)
        self._settling.is_on = False
        self._decider.look_soon()

    def _stop_instead(self, why: str) -> None:
        assert self._handing is not None
        self.stop(f"{self._handing.reason} (no handover: {why})", DONE)

    def handle(self, leg: LegState, item: InboxItem, asked_ns: int | None) -> None:
        """Let a stop hear what the loop has taken in."""
        if self._stopping is not None:
            self._stopping.handle(leg, item, asked_ns)

    def step(self, now_ns: int) -> int:
        """Do what a stop has to do; return when to be called next at the latest."""
        assert self._stopping is not None
        return self._stopping.step(now_ns)

    def settle(self, now_ns: int) -> int:
        """Wait for what is in flight; return when to look again. A tripped gate goes before any handover."""
        assert self._handing is not None
        refusal = self._handing.refusal(self._bot, self._guard, now_ns)
        if self._guard.tripped is not None:
            self.stay()
        elif refusal:
            self._stop_instead(refusal)
        elif now_ns >= self._handing.until_ns and (told := self._handing.unsettled(self._bot)):
            self._stop_instead(told)
        else:
            return min(self._handing.until_ns, self._handing.next_look_ns)
        return now_ns

    def finish(self, now_ns: int) -> None:
        """Conclude, at the end of a step, when everything is done and in the ledger."""
        if self._handing is not None:
            self._finish_handover(self._handing, now_ns)
        if self._stopping is None or (ended := self._stopping.exit()) is None:
            return
        self._keeping.save_end(now_ns, run_goes_on=False)
        self._bot.journal.flush(now_ns)
        self.result = ended

    def _finish_handover(self, handing: HandingOver, now_ns: int) -> None:
        if handing.unsettled(self._bot):
            return
        self._keeping.save_end(now_ns, run_goes_on=True)
        if not self._bot.journal.flush(now_ns):
            return
        orders = resting_orders(self._bot)
        try:
            handing.write(orders)
        except OSError as exc:
            self._stop_instead(f"it cannot be recorded: {exc}")
            return
        self.result = LoopExit(DONE, handing.reason, False, orders, handover=True)
