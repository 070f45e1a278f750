"""An avellaneda_stoikov bot for playbooks, at a price of ten thousand."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Self

from core.market.book import OrderBook
from core.market.events import TradePrint
from core.market.instrument import Instrument
from core.market.order import Side
from strategies.avellaneda_stoikov import AvellanedaStoikov
from tests.market_parts import book, instrument
from tests.scripts import PerpScript

PERP = instrument(kind="perp", tick_size=Decimal("0.01"), min_notional=Decimal(0))  # lots of 0.001
MID = 1_000_000
ROUND_10_000 = book(MID - 1, MID + 1)
LIMIT = 400  # lots: 0.4
BOTH = {"min_spread_bps": 0.001, "max_spread_bps": 9000}


class Script(PerpScript):
    """A bot with a view of its own; `hold` says what its position is."""

    def __init__(
        self, picture: OrderBook = ROUND_10_000, limit: int | None = LIMIT, traded: Instrument = PERP, **config: Any
    ) -> None:
        config = {"symbol": "SOL-PERP", "order_size": 0.1, "layers": 1, "position_threshold": 9} | config
        super().__init__(AvellanedaStoikov(AvellanedaStoikov.params_from(config)), traded, picture, limit)

    def hold(self, lots: int, entry_ticks: int = MID) -> Self:
        """Hold a position that was entered at one price."""
        return super().hold(lots, entry_ticks)

    def swing(self, seconds: int, ticks: int = 300) -> Self:
        """Let the market go to and fro once a second."""
        for number in range(seconds):
            self.wait(1).move(MID + ticks * (-1) ** number)
        return self.move(MID)

    def trades(self, count: int, mean_ticks: float = 500.0) -> Self:
        """Let somebody trade once a second and side, at depths that decay exponentially."""
        for number in range(count):
            self.wait(1)
            depth = round(-mean_ticks * math.log((number * 0.618034) % 1 or 0.5))
            for side in Side:
                price = MID + side.sign * depth
                assert self.hear(TradePrint("main", price, 1, side, 0, self.view.now_ns)) == []
        return self


def relative(**config: Any) -> Script:
    """Return scenario 18: gamma 1, kappa 1000, sigma^2 tau 1e-4, as shares of the mid."""
    given = {"gamma": 1, "kappa": 1000, "sigma_method": "fixed", "sigma": 1e-3, "horizon_s": 100}
    return Script(**(BOTH | given | config))
