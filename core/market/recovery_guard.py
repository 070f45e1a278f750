"""Smaller and wider after a breach, and an end after too many: the way back as a strategy walks it. Pure.

A breach is a stop of the position, or too many round trips in a row that lost. Times are the view's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from core.market.instrument import Instrument
from core.market.lasting import Moment, at_moment, utc_of
from core.market.position import Position
from core.market.recovery import Recovery, RecoverySettings, RecoveryState

_DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class RecoveryRules:
    """The keys; `max_losses` round trips in a row, `most_a_day` breaches in 24 hours."""

    is_on: bool = False
    settings: RecoverySettings = field(default_factory=RecoverySettings)
    most_a_day: int = 3
    max_losses: int = 5


class RecoveryGuard:
    """Where on the way back a bot is, and how often it was sent on it."""

    def __init__(self, rules: RecoveryRules) -> None:
        self.rules = rules
        self.now = Recovery()
        self.losses = 0  # round trips in a row
        self._breaches_utc_ns: tuple[int, ...] = ()
        self._recorded: tuple[Any, dict[str, Any]] = (None, {})

    def breach(self, now: Moment) -> None:
        """Begin the way back, or begin it anew."""
        if not self.rules.is_on:
            return
        recent = [when for when in self._breaches_utc_ns if now.utc_ns - when < _DAY_NS]
        self._breaches_utc_ns = (*recent, now.utc_ns)
        self.now = self.now.after(now.now_ns, True, False, self.rules.settings)

    def look(self, earned: Decimal | None, is_healthy: bool, now: Moment) -> None:
        """Go on with the way back; `earned` is what a round trip brought that has just ended, None when none has."""
        if not self.rules.is_on:
            return
        if earned is not None:
            self.losses = self.losses + 1 if earned < 0 else 0
        if self.losses >= self.rules.max_losses:
            self.losses = 0
            self.breach(now)
            return
        self.now = self.now.after(now.now_ns, False, is_healthy, self.rules.settings)

    @property
    def is_halted(self) -> bool:
        """Tell whether nothing is quoted."""
        return self.rules.is_on and self.now.state is RecoveryState.HALTED

    @property
    def size_scale(self) -> float:
        """Return the share of the usual size."""
        return self.now.size_scale if self.rules.is_on else 1.0

    @property
    def spread_factor(self) -> float:
        """Return what the spread is multiplied with."""
        return self.now.spread_factor if self.rules.is_on else 1.0

    def is_spent(self, utc_ns: int) -> bool:
        """Tell whether there were more breaches in 24 hours than are allowed."""
        recent = [when for when in self._breaches_utc_ns if utc_ns - when < _DAY_NS]
        return self.rules.is_on and len(recent) > self.rules.most_a_day

    def to_plain(self, now: Moment) -> dict[str, Any]:
        """Return a JSON-able record; the same object while nothing has changed."""
        state = (self.now, self._breaches_utc_ns, self.losses)
        if state != self._recorded[0]:
            since_ns = 0 if self.now.state is RecoveryState.NORMAL else utc_of(self.now.since_ns, now)
            in_utc = replace(self.now, since_ns=since_ns).to_plain()
            plain = {"now": in_utc, "breaches": list(self._breaches_utc_ns), "losses": self.losses}
            self._recorded = state, plain
        return self._recorded[1]

    def take_up(self, plain: Mapping[str, Any], now: Moment) -> None:
        """Take up what `to_plain` recorded. Raises ValueError when it is none."""
        recovery = Recovery.from_plain(plain["now"])
        since_ns = min(at_moment(recovery.since_ns, now).now_ns, now.now_ns)  # whatever the clock was set to
        self.now = replace(recovery, since_ns=since_ns)
        self._breaches_utc_ns = tuple(plain["breaches"])
        self.losses = plain["losses"]

    def stats(self) -> dict[str, Any]:
        """Return where on the way back it is."""
        return {"recovery": self.now.state.value, "recovery_scale": self.size_scale, "losses": self.losses}


def is_healthy(losses: Mapping[str, Decimal | None], position: Position, mark: Decimal, instrument: Instrument) -> bool:
    """Tell whether the open loss is below 80 % of each limit: `quote` an amount, `pct` percent of the entry value."""
    loss = -position.unrealised_pnl(mark, instrument)
    by_amount, by_share = losses.get("quote"), losses.get("pct")
    if by_amount is not None and loss * 10 >= by_amount * 8:
        return False
    return by_share is None or loss * 1000 < by_share * 8 * position.entry_value or not position.size_lots
