"""Inventory skew, what is too much of a position, and the liquidation price: worked numbers, vectors, properties."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.exposure import (
    liquidation_distance_pct,
    liquidation_price,
    lots_beyond_band,
    lots_over_limit,
    target_for,
)
from core.market.order import Side
from core.market.skew import inventory_ratio, size_share, skew_shift

VECTORS = json.loads((Path(__file__).parents[1] / "golden" / "quant" / "risk.json").read_text())
lots = st.integers(-10_000, 10_000)
sizes = st.integers(0, 10_000)


@pytest.mark.parametrize("row", VECTORS["skew"])
def test_skew_agrees_with_the_vectors(row: dict[str, float]) -> None:
    ratio = inventory_ratio(int(row["position"]), 0, int(row["max_position_usd"] / row["mid"]))
    assert ratio == pytest.approx(row["ratio"])
    assert skew_shift(row["mid"], row["half_spread"], ratio, row["factor"], "spread") == pytest.approx(row["shift"])
    assert size_share(Side.BUY, ratio, 1.0) == pytest.approx(row["bid_scale"])
    assert size_share(Side.SELL, ratio, 1.0) == pytest.approx(row["ask_scale"])


def test_in_units_of_price_the_shift_is_a_share_of_the_reference() -> None:
    assert skew_shift(1000.0, 2.0, 0.5, 0.01, "price") == -5.0
    assert skew_shift(1000.0, 2.0, 0.5, 0.5, "spread") == -0.5


def test_the_ratio_is_measured_from_the_target_and_is_nothing_without_a_limit() -> None:
    assert inventory_ratio(250, 50, 400) == 0.5
    assert inventory_ratio(-900, 0, 400) == -1.0
    assert inventory_ratio(100, 0, None) == 0.0


@given(lots, lots, st.integers(1, 10_000), st.floats(0, 1), st.sampled_from(["spread", "price"]))
def test_skew_is_odd_in_the_inventory(held: int, target: int, limit: int, skew: float, unit: str) -> None:
    ratio, mirrored = inventory_ratio(held, target, limit), inventory_ratio(-held, -target, limit)
    assert ratio == -mirrored
    assert abs(ratio) <= 1
    assert skew_shift(100.0, 1.0, ratio, skew, unit) == -skew_shift(100.0, 1.0, mirrored, skew, unit)
    assert size_share(Side.BUY, ratio, skew) == size_share(Side.SELL, mirrored, skew)
    assert 0 <= size_share(Side.BUY, ratio, skew) <= 1
    assert 1.0 in (size_share(Side.BUY, ratio, skew), size_share(Side.SELL, ratio, skew))


def test_only_what_lies_beyond_the_band_is_shed() -> None:
    assert lots_beyond_band(250, 0, 200) == 50  # 0.25, target 0, threshold 0.2: 0.05
    assert lots_beyond_band(-250, 0, 200) == -50
    assert lots_beyond_band(200, 0, 200) == 0
    assert lots_beyond_band(350, 100, 200) == 50
    assert lots_beyond_band(0, 500, 200) == 0  # too little is for the quotes to make up
    assert lots_beyond_band(100, 500, 200) == 0
    assert lots_beyond_band(50, -500, 200) == 50  # the position, and no more
    assert lots_beyond_band(250, 0, None) == 0


def test_what_is_over_the_limit_has_the_positions_sign() -> None:
    assert [lots_over_limit(held, 200) for held in (250, 200, -199, -230)] == [50, 0, 0, -30]
    assert lots_over_limit(10**9, None) == 0


@given(lots, lots, sizes)
def test_shedding_makes_the_position_smaller_and_never_turns_it(held: int, target: int, threshold: int) -> None:
    shed = lots_beyond_band(held, target, threshold)
    assert shed * held >= 0
    assert abs(shed) <= abs(held)
    left = held - shed
    assert left == 0 or not shed or abs(left - target) == threshold


def test_an_absolute_target_is_held_on_either_side() -> None:
    assert [target_for(held, 5, "absolute") for held in (3, 0, -3)] == [5, 5, -5]
    assert [target_for(held, -5, "absolute") for held in (3, -3)] == [5, -5]
    assert target_for(3, -5, "signed") == -5


@pytest.mark.parametrize("row", VECTORS["liquidation"])
def test_the_liquidation_price_agrees_with_the_vectors(row: dict[str, object]) -> None:
    size = Decimal(str(row["qty"])) * (1 if row["side"] == "long" else -1)
    entry, margin, rate = (Decimal(str(row[key])) for key in ("entry", "margin", "mmr"))
    found = liquidation_price(size, entry, margin, rate)
    expected = row["liquidation"]
    assert (None if found is None else float(found)) == (None if expected is None else pytest.approx(expected))


@given(
    st.decimals("0.01", 100, places=2),
    st.decimals(1, 1000, places=1),
    st.decimals("0.1", 1000, places=1),
    st.sampled_from([1, -1]),
)
def test_a_long_is_liquidated_below_and_a_short_above_its_entry(
    size: Decimal, entry: Decimal, margin: Decimal, sign: int
) -> None:
    rate = Decimal("0.0001")
    found = liquidation_price(sign * size, entry, margin * (1 + size), rate)
    if found is not None and margin * (1 + size) > entry * size * rate:
        assert (found < entry) if sign > 0 else (found > entry)


def test_the_distance_to_liquidation_is_a_share_of_the_mark() -> None:
    assert liquidation_distance_pct(Decimal(100), Decimal(90)) == 10
    assert liquidation_distance_pct(Decimal(100), Decimal(125)) == 25
    assert liquidation_distance_pct(Decimal(100), None) is None
    assert liquidation_price(Decimal(0), Decimal(100), Decimal(1), Decimal(0)) is None
