"""Adding to a position that loses, a few times and at better and better prices, to get out of it sooner. Pure.

Or, in mode `unwind`, leaning against it harder. Prices in ticks, sizes in lots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.instrument import Instrument
from core.market.open_profit import closing_fee
from core.market.order import Fill, Side
from core.market.position import Position

ADD, UNWIND = "add", "unwind"
UNWIND_SKEW, UNWIND_GAMMA, UNWOUND = 5.0, 0.5, 0.3  # of the skew, of gamma; the inventory at which it ends
_PREFIX = "rescue."


@dataclass(frozen=True, slots=True)
class RescueRules:
    """The keys; percentages are of the entry price."""

    mode: str = ADD
    trigger_pct: float = 1.0
    max_steps: int = 3
    step_pct: float = 0.5
    size_mult: float = 1.0
    most_quote: Decimal | None = None
    exit_pct: Decimal = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Rescue:
    """What has been added so far: `steps` whole ones, the last price, its value, and the order that rests."""

    steps: int = 0
    last_ticks: int | None = None
    spent: Decimal = Decimal(0)
    resting_ticks: int | None = None
    resting_lots: int = 0
    is_unwinding: bool = False
    side: int = 0  # of the position that it is about

    def step(
        self, rules: RescueRules, position: Position, mark: Decimal, book: OrderBook, lots: int, instrument: Instrument
    ) -> Rescue:
        """Return the state after a look at a position that is held; a new order goes to the touch of its own side."""
        entry = position.average_price(instrument)
        if entry is None:
            return Rescue()
        sign = 1 if position.size_lots > 0 else -1
        if sign != self.side:
            return Rescue(side=sign).step(rules, position, mark, book, lots, instrument)
        if rules.mode == UNWIND:
            return replace(self, is_unwinding=self.is_unwinding or _is_lost(entry, mark, sign, rules.trigger_pct))
        touch = book.best_bid_ticks if sign > 0 else book.best_ask_ticks
        if self.last_ticks is None:
            is_due = _is_lost(entry, mark, sign, rules.trigger_pct)
        else:
            is_due = _is_lost(Decimal(self.last_ticks), Decimal(touch), sign, rules.step_pct)
        if not is_due or self.resting_ticks is not None or self.steps >= rules.max_steps:
            return self
        return self._added(rules, touch, lots, instrument)

    def _added(self, rules: RescueRules, touch: int, lots: int, instrument: Instrument) -> Rescue:
        left = None if rules.most_quote is None else rules.most_quote - self.spent
        affordable = lots if left is None else int(left / (touch * instrument.unit_quote))
        added = min(int(lots * rules.size_mult), affordable)
        if instrument.unplaceable_reason(touch, added):
            return self
        return replace(self, resting_ticks=touch, resting_lots=added)

    def filled(self, fill: Fill, instrument: Instrument) -> Rescue:
        """Return the state after a fill of the order that rests; a step is over when it is whole."""
        spent = self.spent + instrument.notional_quote(fill.price_ticks, fill.size_lots)
        left = self.resting_lots - fill.size_lots
        if left > 0:
            return replace(self, spent=spent, resting_lots=left, last_ticks=fill.price_ticks)
        return replace(
            self, steps=self.steps + 1, last_ticks=fill.price_ticks, spent=spent, resting_ticks=None, resting_lots=0
        )

    def unwound(self, q: float) -> Rescue:
        """Return the state once the inventory is small enough."""
        return replace(self, is_unwinding=False) if self.is_unwinding and abs(q) < UNWOUND else self

    def is_over(self, rules: RescueRules, position: Position, mark: Decimal, instrument: Instrument) -> bool:
        """Tell whether what was added has brought the position far enough into profit, after the fees of closing it."""
        if not self.spent:
            return False
        gain = position.unrealised_pnl(mark, instrument) - closing_fee(position, mark, instrument)
        return gain * 100 >= rules.exit_pct * position.entry_value

    def quotes(self, held: int, book: OrderBook, leg: str) -> list[Quote]:
        """Return the order that rests, off the opposite touch."""
        if self.resting_ticks is None or not held:
            return []
        side = Side.BUY if held > 0 else Side.SELL
        touch = book.best_ask_ticks - 1 if side is Side.BUY else book.best_bid_ticks + 1
        price = min(self.resting_ticks, touch) if side is Side.BUY else max(self.resting_ticks, touch)
        return [Quote(side, price, self.resting_lots, 0, leg, slot=f"{_PREFIX}{self.steps}")]

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record."""
        return {
            "steps": self.steps,
            "last_ticks": self.last_ticks,
            "spent": f"{self.spent:f}",
            "resting_ticks": self.resting_ticks,
            "resting_lots": self.resting_lots,
            "is_unwinding": self.is_unwinding,
            "side": self.side,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Rescue:
        """Return what `to_plain` recorded."""
        return cls(**{**plain, "spent": Decimal(plain["spent"])})


def is_rescue(slot: str) -> bool:
    """Tell whether an order is one that adds to a losing position."""
    return slot.startswith(_PREFIX)


def _is_lost(before: Decimal, now: Decimal, sign: int, pct: float) -> bool:
    """Tell whether a price is at least `pct` percent worse than another for a position of that sign."""
    return (before - now) * sign * 100 >= before * Decimal(str(pct))
