"""A stop that closes the position first, within the stop's time: what it did not manage is told, never hidden."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from core.trading.closing import SpotRule
from core.trading.log_fields import fields

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.decider import Decider

_SHARE = 0.75  # of the stop's time; the sweep that follows has the rest
_log = logging.getLogger("makerd.risk")


class ClosingStop:
    """The time between the wish to stop and the sweep. Times are the loop's monotonic nanoseconds."""

    def __init__(self, bot: BotState, decider: Decider) -> None:
        self._bot, self._decider = bot, decider
        self._since_ns = self._until_ns = 0
        self.reason = ""
        self.status = 0
        self.is_on = False

    def begin(self, reason: str, status: int, now_ns: int, stop_timeout_ns: int) -> bool:
        """Begin to close; return whether that is under way. The first reason counts.

        Before every leg was reconciled once it is not known what is held. On spot what was bought is sold.
        """
        if not self.is_on and all(leg.reconciled for leg in self._bot.legs):
            self.is_on, self.reason, self.status = True, reason, status
            self._since_ns, self._until_ns = now_ns, now_ns + int(stop_timeout_ns * _SHARE)
            self._decider.begin_close(SpotRule.SELL, now_ns)
        return self.is_on

    def step(self, now_ns: int) -> int | None:
        """Return when the time to close is over, None when it is."""
        if now_ns < self._until_ns:
            return self._until_ns
        _log.error("position_left", extra=fields(reason=self._decider.in_the_way or ""))
        return None

    def spent_ns(self, now_ns: int) -> int:
        """Return what it has taken of the stop's time."""
        return now_ns - self._since_ns if self.is_on else 0
