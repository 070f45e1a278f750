"""What being full on one side comes to."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.full_inventory import Money, full_inventory, fullest_lots
from core.market.instrument import Instrument
from core.market.order import Side

SPOT = Instrument("A-U", "A-U", "spot", "A", "U", Decimal("0.01"), Decimal("0.1"))
PERP = Instrument("A-PERP", "A-PERP", "perp", "A", "U", Decimal("0.01"), Decimal("0.1"))
MONEY = Money(Decimal(3), Decimal(1000))
HUNDRED = Decimal(100)


@pytest.mark.parametrize(
    ("side", "limit", "instrument", "lots"),
    [
        (Side.BUY, None, SPOT, 100),
        (Side.SELL, None, SPOT, 30),
        (Side.BUY, 7, SPOT, 7),
        (Side.SELL, 70, SPOT, 30),
        (Side.BUY, 7, PERP, 7),
        (Side.SELL, None, PERP, None),
    ],
)
def test_a_side_ends_at_its_limit_and_on_spot_at_what_the_balances_pay_for(
    side: Side, limit: int | None, instrument: Instrument, lots: int | None
) -> None:
    assert fullest_lots(side, limit, MONEY, HUNDRED, instrument) == lots


def test_a_full_spot_position_can_lose_all_that_it_is_worth() -> None:
    full = full_inventory(Side.BUY, 100, MONEY, HUNDRED, SPOT, None, None, None)
    assert (full.value, full.worst_loss, full.margin, full.liquidation) == (1000, 1000, None, None)
    assert full.losses == {1: 10, 5: 50, 10: 100, 20: 200}
    assert full_inventory(Side.SELL, 30, MONEY, HUNDRED, SPOT, None, None, None).worst_loss is None


def test_a_loss_limit_comes_before_the_worst() -> None:
    assert full_inventory(Side.BUY, 100, MONEY, HUNDRED, SPOT, None, None, Decimal(50)).worst_loss == 50
    assert full_inventory(Side.BUY, 100, MONEY, HUNDRED, SPOT, None, None, Decimal(5000)).worst_loss == 1000
    assert full_inventory(Side.SELL, 30, MONEY, HUNDRED, SPOT, None, None, Decimal(50)).worst_loss == 50


def test_an_isolated_position_loses_its_margin_and_one_on_cross_what_the_account_has() -> None:
    isolated = full_inventory(Side.BUY, 300, MONEY, HUNDRED, PERP, Decimal(5), "isolated", None)
    assert (isolated.value, isolated.margin, isolated.worst_loss) == (3000, 600, 600)
    cross = full_inventory(Side.BUY, 300, MONEY, HUNDRED, PERP, Decimal(5), "cross", None)
    assert (cross.margin, cross.worst_loss, cross.worst_why) == (600, 1000, "liquidation")


def test_a_long_that_is_never_liquidated_loses_at_most_what_it_is_worth() -> None:
    full = full_inventory(Side.BUY, 10, MONEY, HUNDRED, PERP, Decimal(5), "cross", None)
    assert (full.worst_loss, full.liquidation) == (100, None)


@given(st.sampled_from(Side), st.integers(1, 10_000), st.integers(1, 50), st.sampled_from(["cross", "isolated"]))
def test_liquidation_lies_on_the_losing_side(side: Side, lots: int, leverage: int, mode: str) -> None:
    rich = Money(Decimal(0), Decimal(lots) * 10)  # what the position is worth
    full = full_inventory(side, lots, rich, HUNDRED, PERP, Decimal(leverage), mode, None)
    assert full.liquidation is None or (HUNDRED - full.liquidation) * side.sign > 0
