"""A script for grid_strategy."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any, Self

from core.market.events import FillEvent
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.reports import Balance
from strategies.base import View
from strategies.grid_strategy import GridStrategy
from tests.market_parts import NOW, SECOND, book, fill, instrument
from tests.scripts import Scripted

CENT = instrument(tick_size=Decimal("0.01"))
GRID: dict[str, Any] = {"symbol": "SOL-USDC", "lower": 90, "upper": 110, "grid_num": 5, "quantity": 1}
AUTO: dict[str, Any] = {"lower": None, "upper": None, "auto_range": True, "range_pct": 10}


class GridScript(Scripted):
    """What scripts of grids have in common; the mid is in ticks of 0.01."""

    instrument: Instrument
    config: dict[str, Any]

    def reborn(self, **config: Any) -> Self:
        """Return the next life, with what this one saved; it goes through JSON."""
        other = type(self)(1, self.instrument, **(self.config | config))
        other.view = self.view
        saved = self.strategy.saved()
        assert saved is not None
        other.strategy.restore(json.loads(json.dumps(saved)), self.view)
        return other


class Script(GridScript):
    """A grid with a view of its own; the mid is in ticks of 0.01."""

    def __init__(self, mid: int = 10_000, traded: Instrument = CENT, base: str = "100", **config: Any) -> None:
        self.instrument, self.config = traded, GRID | config
        self.view = View(now_ns=NOW, instruments={"main": traded})
        self.strategy = GridStrategy(GridStrategy.params_from(self.config))
        self.hold(base)
        self.at(mid)

    def at(self, mid: int, seconds: float = 0) -> None:
        """Move the price, and the time."""
        self.view.now_ns += int(seconds * SECOND)
        self.view.books["main"] = replace(book(mid - 1, mid + 1), venue_ns=self.view.now_ns)

    def hold(self, base: str) -> None:
        """Set the account's base."""
        amount = Decimal(base)
        self.view.balances["main"] = {self.instrument.base: Balance(self.instrument.base, amount, amount)}

    def rows(self) -> list[tuple[str, str, int]]:
        """Return slot, side and price of what is wanted, by price."""
        found = sorted(self.quotes(), key=lambda quote: quote.price_ticks)
        return [(quote.slot, quote.side.value, quote.price_ticks) for quote in found]

    def fill(self, side: Side, price: int, lots: int = 1000, slot: str = "", **more: Any) -> None:
        assert self.hear(FillEvent("main", fill(side, price, lots, **more), slot)) == []
