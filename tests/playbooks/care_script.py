"""A script for avellaneda_stoikov with a position to care for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Self

from core.market.instrument import Instrument
from core.market.order import Side
from core.market.reports import Balance
from strategies.avellaneda_stoikov import AvellanedaStoikov
from tests.market_parts import SECOND, book, fill, instrument
from tests.scripts import PerpScript

PERP = instrument(kind="perp", tick_size=Decimal("0.01"), min_notional=Decimal(5))  # lots of 0.001
MID = 10_000  # 100.00
ROUND_100 = book(MID - 1, MID + 1)
MODEL: dict[str, Any] = {
    "symbol": "SOL-PERP",
    "order_size": 0.1,
    "layers": 2,
    "position_threshold": 9,
    "gamma": 1,
    "kappa": 1000,
    "sigma_method": "fixed",
    "sigma": 1e-6,
    "liquidation_buffer_pct": 0,
}


class Script(PerpScript):
    """A bot with a view of its own whose position follows its fills."""

    def __init__(self, traded: Instrument = PERP, **config: Any) -> None:
        self.config = MODEL | config
        super().__init__(AvellanedaStoikov(AvellanedaStoikov.params_from(self.config)), traded, ROUND_100, 9_000)
        self.hold(0, MID).move(MID)

    def trade(self, side: Side, lots: int, price: int = MID, slot: str = "") -> Self:
        """Let an order of ours fill."""
        return self.burst(fill(side, price, lots), slot=slot)

    def next_life(self, **changes: Any) -> Script:
        """Return the same bot after a restart; the clock of decisions begins anew."""
        other = Script(self.instrument, **(self.config | changes))
        other.view.now_ns, other.view.utc_ns = 5 * SECOND, self.view.utc_ns
        other.view.books, other.view.positions = self.view.books, self.view.positions
        other.strategy.restore(json.loads(json.dumps(self.strategy.saved())), other.view)
        return other


def capital(**config: Any) -> Script:
    script = Script(**{"order_size": None, "sizing": "capital", "leverage": 2} | config)
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(1000), Decimal(1000))}
    return script
