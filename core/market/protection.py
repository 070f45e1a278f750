"""When a position is closed whatever the quotes want: at a barrier, or too near to its liquidation. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from core.market.barriers import BarrierClock, BarrierLimits, judge
from core.market.exposure import liquidation_distance_pct
from core.market.instrument import Instrument
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
        self._is_closing = False
        self._cools_until_ns = 0

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
        if self._is_closing:
            self._is_closing = False
            self._cools_until_ns = now_ns + self.rules.cooldown_ns
        self.distance_pct = liquidation_distance_pct(mark, liquidation) if position.size_lots else None
        if instrument.unplaceable_reason(instrument.to_ticks(mark), abs(position.size_lots)):
            return ""
        reason = self._reason(position, instrument, mark, now_ns)
        if reason:
            self.hits[reason] += 1
            self._is_closing = True
        return reason

    def _reason(self, position: Position, instrument: Instrument, mark: Decimal, now_ns: int) -> str:
        gain = position.unrealised_pnl(mark, instrument)
        self._clock, barrier = judge(self.rules.barriers, self._clock, gain, position.entry_value, now_ns)
        if self.distance_pct is not None and self.distance_pct < self.rules.liquidation_buffer_pct:
            return LIQUIDATION
        return "" if barrier is None else barrier.value

    def is_cooling(self, now_ns: int) -> bool:
        """Tell whether nothing may be added yet."""
        return now_ns < self._cools_until_ns
