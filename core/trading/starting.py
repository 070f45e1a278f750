"""The beginning of a run: what is done about own orders and a position that are found, before anything is quoted.

A run begins when somebody starts a bot that is at rest; a worker that follows a crash, a handover or a planned restart
goes on with one. What a start has to do about a position is on disk as a counter until it is done, so the next life
goes on with it, whatever ended this one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from core.trading.clock import seconds
from core.trading.closing import Closing, SpotRule, size_text
from core.trading.log_fields import fields
from utils.errors import LedgerError
from utils.exit_statuses import CONFIG

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.decider import Decider
    from core.trading.ending import Ending
    from core.trading.guard import Guard
    from core.trading.leg_state import LegState
    from core.trading.outgoing import Outgoing

KEEP, REFUSE, CANCEL_ALL = "keep", "refuse", "cancel_all"
PENDING = "startup_pending"  # counter: 1 until what a start has to do about a position is done
_SIGNS = {"close_long": 1, "close_short": -1, "close_all": 0}  # of the positions that are closed; 0: of all
_LOOK_NS = seconds(1)
_log = logging.getLogger("makerd.risk")


class Starting:
    """What stands between the first reconciliation and the first quote. Times are the loop's monotonic nanoseconds."""

    def __init__(self, bot: BotState, guard: Guard, decider: Decider, outgoing: Outgoing, ending: Ending) -> None:
        self._bot, self._guard = bot, guard
        self._decider, self._outgoing, self._ending = decider, outgoing, ending
        self._position = KEEP
        self._cancels = self._is_closing = False
        self._cancel_due_ns = 0
        self._had_orders = False
        self._gone_ns: int | None = None  # when the last of them was known to be gone
        self.is_on = False

    @property
    def holds(self) -> bool:
        """Tell whether nothing is decided yet because orders of earlier lives are being cancelled."""
        return self.is_on and self._cancels

    @property
    def lets_close(self) -> bool:
        """Tell whether gates and barriers count meanwhile: not where a position is refused, and left to a person."""
        return self.holds and self._position != REFUSE

    def load(self, fresh: bool, now_ns: int) -> None:
        """Take up what is to be done; `fresh`: a run begins. Raises LedgerError."""
        settings = self._bot.settings
        self._position = settings.startup_position if fresh or self._bot.counters[PENDING] else KEEP
        self._cancels = settings.startup_orders == CANCEL_ALL
        self.is_on = self._cancels or self._position != KEEP
        if self._note(self._position != KEEP) and not self._bot.journal.flush(now_ns):
            raise LedgerError(self._bot.journal.reason)

    def _note(self, pending: bool) -> bool:
        """Note whether something is to be done; tell whether that is news."""
        if bool(self._bot.counters[PENDING]) == pending:
            return False
        self._bot.counters[PENDING] = int(pending)
        self._bot.journal.note_counters(dict(self._bot.counters))
        return True

    def step(self, now_ns: int) -> int | None:
        """Do what is due once every leg is reconciled; return when to look again, None when the bot may decide."""
        # What a close or a tripped gate demands goes before: everything is cancelled then, and mostly closed.
        if self._decider.closing is not None or self._guard.tripped is not None:
            self.is_on = False
            return None
        if self._cancels and self._cancel(now_ns):
            return min(self._cancel_due_ns, now_ns + _LOOK_NS)
        self._cancels = False
        if self._position == REFUSE and (held := self._held(0)):
            self._refuse(held)
            return now_ns
        if self._position in _SIGNS and self._close(_SIGNS[self._position], now_ns):
            return None
        self.is_on = False
        self._note(pending=False)
        return None

    def _cancel(self, now_ns: int) -> bool:
        """Cancel what rests, once a second while it does; tell whether anything may rest, or have filled unheard."""
        legs = self._bot.legs
        if now_ns >= self._cancel_due_ns:
            self._cancel_due_ns = now_ns + self._bot.settings.close_retry_ns
            for leg in legs:
                self._outgoing.withdraw(leg, now_ns, doubtful_too=False)
                if self._gone_ns is not None:
                    leg.want_report(now_ns)
        if any(leg.tracker.live() or leg.tracker.missing() for leg in legs):
            self._had_orders, self._gone_ns = True, None
            return True
        if self._had_orders and self._gone_ns is None:
            self._gone_ns = now_ns
            for leg in legs:
                leg.want_report(now_ns)
        since_ns = self._gone_ns
        return since_ns is not None and any(leg.confirmed_ns is None or leg.confirmed_ns <= since_ns for leg in legs)

    def _refuse(self, held: list[LegState]) -> None:
        told = f'a position was found at the start ({_told(held)}) and startup_position is "{REFUSE}"'
        cure = f'close it (`bot close`, `flatten`), or set startup_position to "{KEEP}"; then start it again'
        self._ending.stop(f"{told}: {cure}", CONFIG, at_once=True)

    def _close(self, sign: int, now_ns: int) -> bool:
        """Go on with closing; tell whether it is under way."""
        if self._is_closing:
            return self._decider.is_flattening
        if held := self._held(sign):
            self._is_closing = True
            _log.warning("startup_close", extra=fields(position=_told(held)))
            for leg in self._bot.legs:  # each by itself: what one waits for must hold up no other, nor its barriers
                closing = Closing(self._bot, self._outgoing, SpotRule.SELL, leg=leg.name, sign=sign)
                self._decider.close_first(f"startup_position {self._position}", closing, leg, now_ns)
        return self._is_closing

    def _held(self, sign: int) -> list[LegState]:
        """Return the legs with a position that an order of the venue could close; `sign` 0: whichever way."""
        return [
            leg
            for leg in self._bot.legs
            if abs(leg.position.size_lots) >= max(1, leg.instrument.min_lots) and leg.position.size_lots * sign >= 0
        ]


def _told(legs: list[LegState]) -> str:
    return ", ".join(f"{leg.name}: {size_text(leg)}" for leg in legs)
