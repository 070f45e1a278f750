"""Ledgers with a made-up past, written by the part that writes real ones."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from core.market.client_ids import ClientOrderIds
from core.market.order import Fill, Order, OrderState, Side
from core.trading.ledger import Ledger, LedgerBatch
from core.trading.ledger_series import Sample
from tests.trading.scripted_venue import SPOT

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
BEGIN_NS = 20_000 * DAY_NS  # 2024-10-04
IDS = ClientOrderIds("home", "bot", 3)


class Past:
    """A ledger and short words to fill it; position and sums follow from the fills."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.ledger = Ledger.open(self.path)
        self.ledger.use_instrument("main", SPOT)
        self.trades = 0

    def fill(
        self,
        at_s: float,
        side: Side = Side.BUY,
        price: int = 10_000,
        lots: int = 10,
        fee: str = "0.01",
        asset: str = "USDC",
    ) -> Fill:
        """Book a fill at a time after the begin."""
        self.trades += 1
        utc_ns = BEGIN_NS + round(at_s * SECOND_NS)
        made = Fill(f"t{self.trades}", "x", "main", side, price, lots, "maker", Decimal(fee), asset, utc_ns, "v1")
        assert self.ledger.record_fill(made, self.ledger.position("main").after_fill(made, SPOT))
        return made

    def sample(self, at_s: float, mid: str | None = "100") -> None:
        """Write the row of the series that belongs to what is booked."""
        position, price = self.ledger.position("main"), None if mid is None else Decimal(mid)
        net = None if price is None else position.net_pnl(price, SPOT)
        self.ledger.write(
            LedgerBatch(
                samples=(
                    Sample(
                        leg="main",
                        utc_ns=BEGIN_NS + round(at_s * SECOND_NS),
                        position=SPOT.to_size(position.size_lots),
                        mid=price,
                        realised=position.realised_pnl,
                        fees=position.fees_paid,
                        funding=position.funding_paid,
                        net=net,
                        equity=None if net is None else net + 1000,
                    ),
                )
            )
        )

    def order(self, at_s: float, closed: bool = False, price: int = 9_990) -> Order:
        """Record an order."""
        made = Order(IDS.next(), "main", Side.BUY, price, 10, slot="buy.0", sent_ns=BEGIN_NS + round(at_s * SECOND_NS))
        if closed:
            made = replace(made, state=OrderState.CANCELED)
        self.ledger.record_order(made)
        return made
