"""A script for perp_market_maker."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Self

from core.market.book import OrderBook
from core.market.instrument import Instrument
from core.market.order import Order, Side
from strategies.perp_market_maker import PerpMarketMaker
from tests.market_parts import book, fill, instrument
from tests.scripts import PerpScript

PERP = instrument(kind="perp", tick_size=Decimal("0.01"))  # lots of 0.001
ROUND_150 = book(14_999, 15_001)
LIMIT = 400  # lots: 0.4


class Script(PerpScript):
    """A perpetual's market maker with a view of its own; `hold` says what its position is."""

    def __init__(
        self, picture: OrderBook = ROUND_150, limit: int | None = LIMIT, traded: Instrument = PERP, **config: Any
    ) -> None:
        config = {"symbol": "SOL-PERP", "order_size": 0.1, "layers": 1} | config
        super().__init__(PerpMarketMaker(PerpMarketMaker.params_from(config)), traded, picture, limit)

    def hold(self, lots: int, entry_ticks: int = 15_000) -> Self:
        """Hold a position that was entered at one price."""
        return super().hold(lots, entry_ticks)

    def fills(self, side: Side, lots: int, price_ticks: int = 15_000, **changes: Any) -> Self:
        """Let an order of ours fill."""
        return self.burst(fill(side, price_ticks, lots, **changes))

    def rest(self, *orders: Order) -> Self:
        """Let these orders be what rests at the venue."""
        self.view.open_orders["main"] = orders
        return self
