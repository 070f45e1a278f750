"""What is not hedged, the order that ends it, and what is too small for one."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.hedge_exposure import Bounds, Since, exposure, least_base, need_of
from core.market.order import Side
from tests.market_parts import instrument

COARSE = instrument(lot_size=Decimal("0.01"), min_notional=Decimal(0))
PRICE = 1_000  # ticks: 100.0
amounts = st.decimals(min_value=-50, max_value=50, places=6, allow_nan=False)


def test_exposure_is_what_both_legs_hold_beside_the_level_that_flat_means() -> None:
    assert exposure(Decimal("0.5"), Decimal("-0.4"), Decimal(1), Decimal("0.1")) == 0
    assert exposure(Decimal("0.5"), Decimal("-0.4"), Decimal(2), Decimal(0)) == Decimal("0.6")


@pytest.mark.parametrize(
    ("open_base", "side", "lots", "residue"),
    [
        ("0.012", Side.SELL, 1, "0.002"),
        ("-0.012", Side.BUY, 1, "-0.002"),
        ("0.009", Side.SELL, 0, "0.009"),
        ("0", Side.BUY, 0, "0"),
        ("0.03", Side.SELL, 3, "0"),
    ],
)
def test_an_exposure_is_rounded_down_to_the_hedge_legs_lot(open_base: str, side: Side, lots: int, residue: str) -> None:
    need = need_of(Decimal(open_base), PRICE, COARSE)
    assert (need.side, need.lots, need.residue_base) == (side, lots, Decimal(residue))


def test_more_than_half_a_lot_is_hedged_as_a_whole_one_when_asked_for() -> None:
    assert [need_of(Decimal(text), PRICE, COARSE, True).lots for text in ("0.016", "0.015", "0.006")] == [2, 1, 1]
    assert need_of(Decimal("0.016"), PRICE, COARSE, True).residue_base == Decimal("-0.004")


def test_below_the_venues_least_order_nothing_is_sent() -> None:
    market = instrument(lot_size=Decimal("0.01"), min_notional=Decimal(5), min_lots=2)
    assert [need_of(Decimal(text), PRICE, market).lots for text in ("0.01", "0.04", "0.05")] == [0, 0, 5]
    assert need_of(Decimal("0.02"), 0, market).lots == 2  # without a price only sizes are known
    assert least_base(PRICE, market) == Decimal("0.05")


@given(amounts, st.integers(1, 20), st.integers(0, 20), st.booleans())
def test_what_stays_is_less_than_the_least_order_and_never_grows(
    open_base: Decimal, min_lots: int, min_notional: int, round_up: bool
) -> None:
    market = instrument(lot_size=Decimal("0.01"), min_notional=Decimal(min_notional), min_lots=min_lots)
    need = need_of(open_base, PRICE, market, round_up)
    assert abs(need.residue_base) < least_base(PRICE, market)
    assert abs(need.residue_base) <= abs(open_base)
    assert need.residue_base == open_base + need.side.sign * need.lots * market.lot_size


def test_over_ten_thousand_fills_the_residue_stays_below_a_lot_and_is_all_that_is_left() -> None:
    draw, maker, hedge = random.Random(3), Decimal(0), Decimal(0)
    for _ in range(10_000):
        maker += Decimal(draw.randint(-9, 9)) * Decimal("0.001")
        need = need_of(exposure(maker, hedge, Decimal(1), Decimal(0)), PRICE, COARSE)
        hedge += need.side.sign * need.lots * COARSE.lot_size
        assert abs(need.residue_base) < COARSE.lot_size
        assert maker + hedge == need.residue_base


def test_opposite_residues_cancel_each_other() -> None:
    assert need_of(
        exposure(Decimal("0.004") - Decimal("0.004"), Decimal(0), Decimal(1), Decimal(0)), PRICE, COARSE
    ) == (need_of(Decimal(0), PRICE, COARSE))


def test_an_age_counts_from_when_something_was_on_that_side_first() -> None:
    since = Since()
    seen = [(1, 100), (2, 150), (0, 200), (1, 300), (-1, 400), (-1, 450)]
    assert [since.look(amount, at) for amount, at in seen] == [0, 50, 0, 0, 0, 50]


BOUNDS = Bounds(Decimal(10), 1_000, Decimal(2), 5_000)


@pytest.mark.parametrize(("value", "age", "told"), [("10", 1_000, False), ("10.01", 0, True), ("1", 1_001, True)])
def test_too_much_or_too_long_is_too_much(value: str, age: int, told: bool) -> None:
    assert bool(BOUNDS.why_unhedged(Decimal(value), age)) is told


@pytest.mark.parametrize(
    ("residue", "value", "age", "side"),
    [
        ("0.1", "2", 5_000, None),
        ("0.1", "2.1", 0, Side.BUY),
        ("-0.1", "2.1", 0, Side.SELL),
        ("0.1", "1", 5_001, Side.BUY),
        ("0", "0", 9_000, None),
    ],
)
def test_a_residue_that_is_too_large_or_too_old_stops_the_side_that_adds(
    residue: str, value: str, age: int, side: Side | None
) -> None:
    assert BOUNDS.side_that_adds(Decimal(residue), Decimal(value), age) is side
