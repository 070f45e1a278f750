"""When a simulated account is liquidated."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.market.instrument import Instrument
from core.market.margin_watch import MarginWatch
from core.market.order import Fill, Side
from core.market.sim_account import MAINTENANCE_RATE, SimAccount

PERP = Instrument("X-PERP", "XPERP", "perp", "X", "USDT", Decimal("0.1"), Decimal("0.001"))


def holding(side: Side, lots: int, balance: str) -> SimAccount:
    account = SimAccount(PERP, {"USDT": Decimal(balance)})
    if not lots:
        return account
    return account.after_fill(Fill("t", "o", "main", side, 1000, lots, "maker", Decimal(0), "USDT", 0))


@pytest.mark.parametrize("side", list(Side))
def test_it_is_due_where_what_is_left_is_the_maintenance_margin(side: Side) -> None:
    account, watch = holding(side, 1000, "5"), MarginWatch()  # one X at 100, 5 behind it
    price = account.liquidation_price()
    assert price is not None
    left = Decimal(5) + side.sign * (price - 100)
    assert abs(left - MAINTENANCE_RATE * price) < Decimal("1e-20")
    ticks = float(price / PERP.tick_size)
    assert watch.is_due(account, ticks - side.sign * 0.5)
    assert not watch.is_due(account, ticks + side.sign * 0.5)


def test_it_is_never_due_when_flat_or_without_a_mark_or_when_the_margin_covers_everything() -> None:
    watch = MarginWatch()
    assert not watch.is_due(holding(Side.BUY, 0, "1"), 1.0)
    assert not watch.is_due(holding(Side.BUY, 1000, "1"), 0.0)
    assert not watch.is_due(holding(Side.BUY, 1000, "101"), 0.1)
