"""When a position is closed whatever the quotes want: at a barrier, or too near to its liquidation. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.market.barriers import BarrierClock, BarrierLimits, judge
from core.market.exposure import liquidation_distance_pct
from core.market.instrument import Instrument
from core.market.lasting import Moment, at_moment, moment_after, utc_of
from core.market.position import Position

LIQUIDATION = "liquidation"


@dataclass(frozen=True, slots=True)
class ProtectionRules:
    """Where a position ends, and how long nothing is added after that."""

    barriers: BarrierLimits = field(default_factory=BarrierLimits)
    liquidation_buffer_pct: Decimal = Decimal(0)
    cooldown_ns: int = 0


class Protection:
    """Watches one position; times are the view's."""

    def __init__(self, rules: ProtectionRules) -> None:
        self.rules = rules
        self.hits: Counter[str] = Counter()
        self.distance_pct: Decimal | None = None  # from the mark to the liquidation price, None when not known
        self._clock = BarrierClock()
        self._held: int | None = None
        self._closing = ""  # why it is being closed
        self._unfinished = ""  # the same of an earlier life, which did not get to its end
        self._cools_until_ns = 0
        self._recorded: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def book_fill(self, signed_lots: int, held_lots: int, now_ns: int) -> None:
        """Follow a fill; `held_lots` is what was held after all that is known, for the first one.

        Several fills may lie between two looks, and turn the position: the clock begins anew with the new entry.
        """
        self._follow(held_lots if self._held is None else self._held + signed_lots, now_ns)

    def _follow(self, held_lots: int, now_ns: int) -> None:
        self._held = held_lots
        self._clock = self._clock.follow(held_lots, now_ns)

    def look(
        self, position: Position, instrument: Instrument, mark: Decimal, liquidation: Decimal | None, now_ns: int
    ) -> str:
        """Return why the position must be closed now, empty when it need not.

        What is too small for an order can not be closed and is left alone. Asked again after a close, this begins the
        time in which nothing is added.
        """
        self._follow(position.size_lots, now_ns)
        unfinished, begun = self._unfinished, self._closing or self._unfinished
        self._closing = self._unfinished = ""
        if begun:
            self._cools_until_ns = now_ns + self.rules.cooldown_ns
        self.distance_pct = liquidation_distance_pct(mark, liquidation) if position.size_lots else None
        if instrument.unplaceable_reason(instrument.to_ticks(mark), abs(position.size_lots)):
            return ""
        reason = self._reason(position, instrument, mark, now_ns)
        if reason:
            self.hits[reason] += 1
        self._closing = reason or unfinished
        return self._closing

    def _reason(self, position: Position, instrument: Instrument, mark: Decimal, now_ns: int) -> str:
        gain = position.unrealised_pnl(mark, instrument)
        self._clock, barrier = judge(self.rules.barriers, self._clock, gain, position.entry_value, now_ns)
        if self.distance_pct is not None and self.distance_pct < self.rules.liquidation_buffer_pct:
            return LIQUIDATION
        return "" if barrier is None else barrier.value

    def age_ns(self, now_ns: int) -> int:
        """Return how old what is held is, 0 when nothing is."""
        return now_ns - self._clock.since_ns if self._clock.side else 0

    def is_cooling(self, now_ns: int) -> bool:
        """Tell whether nothing may be added yet."""
        return now_ns < self._cools_until_ns

    # Over lives

    def to_plain(self, now: Moment) -> dict[str, Any]:
        """Return a JSON-able record; the same object while nothing has changed."""
        state = (self._clock, self._held, self._closing or self._unfinished, self._cools_until_ns)
        if state != self._recorded[0]:
            peak = self._clock.peak_pct
            self._recorded = (
                state,
                {
                    "side": self._clock.side,
                    "since_utc_ns": utc_of(self._clock.since_ns, now),
                    "peak_pct": None if peak is None else f"{peak:f}",
                    "held": self._held,
                    "closing": state[2],
                    "cools_until_utc_ns": utc_of(self._cools_until_ns, now) if self._cools_until_ns else None,
                },
            )
        return self._recorded[1]

    def take_up(self, plain: Mapping[str, Any], now: Moment) -> None:
        """Take up what `to_plain` recorded: the clocks went on, and a close that was begun is gone on with."""
        peak = plain["peak_pct"]
        since_ns = min(at_moment(plain["since_utc_ns"], now).now_ns, now.now_ns)  # whatever the clock was set to
        self._clock = BarrierClock(plain["side"], since_ns, None if peak is None else Decimal(peak))
        self._held, self._unfinished = plain["held"], plain["closing"]
        if plain["cools_until_utc_ns"] is not None:
            latest = moment_after(now, self.rules.cooldown_ns)
            self._cools_until_ns = min(at_moment(plain["cools_until_utc_ns"], now), latest).now_ns
