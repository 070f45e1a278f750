"""A script for perp_grid_strategy."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.market.events import FillEvent, OrderUpdate
from core.market.instrument import Instrument
from core.market.order import OrderEvent, Side
from core.market.position import Position
from core.market.risk_limits import RiskLimits
from strategies.base import View
from strategies.perp_grid_strategy import PerpGridStrategy
from tests.market_parts import NOW, SECOND, book, fill, instrument
from tests.playbooks.grid_script import GridScript

PERP = instrument(kind="perp", tick_size=Decimal("0.01"))
GRID: dict[str, Any] = {"symbol": "SOL-PERP", "lower": 90, "upper": 110, "grid_num": 5, "quantity": 1}
AUTO: dict[str, Any] = {"lower": None, "upper": None, "auto_range": True, "range_pct": 10}


class Script(GridScript):
    """A grid with a view of its own, whose position follows its fills; the mid is in ticks of 0.01."""

    def __init__(self, mid: int = 10_000, traded: Instrument = PERP, **config: Any) -> None:
        self.instrument, self.config = traded, GRID | config
        self.view = View(now_ns=NOW, instruments={"main": traded}, limits={"main": RiskLimits()})
        self.view.positions["main"] = Position("main")
        self.strategy = PerpGridStrategy(PerpGridStrategy.params_from(self.config))
        self.at(mid)

    def at(self, mid: int, seconds: float = 0) -> None:
        """Move the price, and the time."""
        self.view.now_ns += int(seconds * SECOND)
        self.view.utc_ns += int(seconds * SECOND)
        self.view.books["main"] = replace(book(mid - 1, mid + 1), venue_ns=self.view.now_ns)

    def rows(self) -> list[tuple[str, str, int]]:
        """Return slot, side and price of what is wanted, by price; `!` marks what only reduces."""
        found = sorted(self.quotes(), key=lambda quote: quote.price_ticks)
        return [(q.slot, q.side.value + "!" * q.reduce_only, q.price_ticks) for q in found]

    def fill(self, side: Side, price: int, slot: str, lots: int = 1000, **more: Any) -> None:
        made = fill(side, price, lots, **more)
        self.view.positions["main"] = self.view.positions["main"].after_fill(made, self.instrument)
        assert self.hear(FillEvent("main", made, slot)) == []

    def lose(self, slot: str, event: OrderEvent = OrderEvent.CANCELED, **more: Any) -> None:
        assert self.hear(OrderUpdate("main", "id", event, slot=slot, **more)) == []
