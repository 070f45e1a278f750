"""The only door between Decimal and ticks or lots."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.instrument import CEIL, FLOOR
from core.market.order import Side
from tests.market_parts import instrument

increments = st.sampled_from(
    [Decimal(text) for text in ("0.00000001", "0.001", "0.01", "0.05", "0.1", "0.25", "1", "5")]
)
prices = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(1_000_000), places=8)


@given(increments, st.integers(1, 10**9))
def test_price_that_came_from_ticks_goes_back_to_the_same_ticks(tick: Decimal, ticks: int) -> None:
    traded = instrument(tick_size=tick)
    assert traded.to_ticks(traded.to_price(ticks), FLOOR) == ticks
    assert traded.to_ticks(traded.to_price(ticks), CEIL) == ticks


@given(increments, prices)
def test_floor_never_raises_and_ceil_never_lowers_a_price(tick: Decimal, price: Decimal) -> None:
    traded = instrument(tick_size=tick)
    below, above = traded.to_ticks(price, FLOOR), traded.to_ticks(price, CEIL)
    assert traded.to_price(below) <= price <= traded.to_price(above)
    assert above - below in (0, 1)


@given(increments, prices)
def test_sizes_are_rounded_down_to_whole_lots(lot: Decimal, size: Decimal) -> None:
    traded = instrument(lot_size=lot)
    lots = traded.to_lots(size)
    assert traded.to_size(lots) <= size < traded.to_size(lots + 1)


def test_size_below_a_lot_is_no_order_at_all() -> None:
    assert instrument().to_lots(Decimal("0.0009999")) == 0


@pytest.mark.parametrize(
    ("estimate", "bid", "ask"),
    [(1500.0, 1500, 1500), (1500.4, 1500, 1501), (1499.9999999999998, 1500, 1500), (1500.0000000000002, 1500, 1500)],
)
def test_estimate_snaps_away_from_the_touch_unless_it_is_a_tick(estimate: float, bid: int, ask: int) -> None:
    assert instrument().snap(estimate, Side.BUY) == bid
    assert instrument().snap(estimate, Side.SELL) == ask


@given(st.floats(1, 1e10))
def test_snap_is_within_a_tick_and_never_inside_the_estimate(estimate: float) -> None:
    bid, ask = instrument().snap(estimate, Side.BUY), instrument().snap(estimate, Side.SELL)
    noise = 1e-9 + 1e-12 * estimate
    assert estimate - 1 < bid <= estimate + noise
    assert estimate - noise <= ask < estimate + 1


def test_snap_keeps_its_accuracy_at_a_thousand_million_ticks() -> None:
    assert instrument().snap(1_000_000_000.5, Side.BUY) == 1_000_000_000
    assert instrument().snap(1_000_000_000.5, Side.SELL) == 1_000_000_001


def test_snap_of_nonsense_raises_instead_of_quoting() -> None:
    with pytest.raises(ValueError):
        instrument().snap(float("nan"), Side.BUY)


@pytest.mark.parametrize(
    ("price_ticks", "size_lots", "reason"),
    [
        (0, 1000, "price"),
        (-5, 1000, "price"),
        (1500, 0, "min_size"),
        (1500, 9, "min_size"),
        (1500, 33, "min_notional"),  # 4.95
        (1500, 34, None),  # 5.10
        (500, 100, None),  # exactly 5
    ],
)
def test_unplaceable_order_is_told_why(price_ticks: int, size_lots: int, reason: str | None) -> None:
    assert instrument(min_lots=10).unplaceable_reason(price_ticks, size_lots) == reason


@given(
    increments, increments, st.sampled_from([Decimal("0.001"), Decimal(1), Decimal(10)]),
    st.integers(1, 10**6), st.integers(1, 10**6), st.decimals(0, 1000, places=3),
)  # fmt: skip
def test_least_notional_in_units_decides_like_the_exact_notional(
    tick: Decimal, lot: Decimal, contract: Decimal, price_ticks: int, size_lots: int, least: Decimal
) -> None:
    traded = instrument(tick_size=tick, lot_size=lot, contract_size=contract, min_notional=least)
    too_small = traded.notional_quote(price_ticks, size_lots) < least
    assert (traded.unplaceable_reason(price_ticks, size_lots) == "min_notional") is too_small


def test_derived_units_follow_a_changed_tick() -> None:
    finer = replace(instrument(), tick_size=Decimal("0.01"))
    assert finer.unit_quote == Decimal("0.00001")
    assert finer.min_units == 500_000
    assert finer != instrument()


@pytest.mark.parametrize("name", ["tick_size", "lot_size", "contract_size"])
def test_increment_of_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        instrument(**{name: Decimal(0)})


COARSE = instrument(kind="perp", min_lots=3, min_notional=Decimal(0))


@pytest.mark.parametrize(
    ("held", "limit", "slices"),
    [
        (10, None, [10]),
        (10, 4, [4, 3, 3]),
        (11, 4, [4, 4, 3]),
        (13, 12, [10, 3]),
        (4, 3, [3]),
        (2, None, []),
        (5, 4, [4]),
    ],
)
def test_an_amount_is_cut_into_orders_that_leave_no_rest_if_that_can_be(
    held: int, limit: int | None, slices: list[int]
) -> None:
    found = []
    while lots := COARSE.slice_lots(held, 1500, limit):
        found.append(lots)
        held -= lots
    assert found == slices


@given(held=st.integers(0, 2_000), limit=st.integers(1, 400), min_lots=st.integers(1, 60), notional=st.integers(0, 30))
def test_slices_fit_the_limit_the_venue_and_what_is_held(held: int, limit: int, min_lots: int, notional: int) -> None:
    traded = instrument(kind="perp", min_lots=min_lots, min_notional=Decimal(notional))
    lots = traded.slice_lots(held, 1500, limit)
    assert 0 <= lots <= held
    if lots:
        assert lots <= limit


@given(
    st.floats(1, 1e9),
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 0.2)), max_size=8),
    st.sampled_from(Side),
)
def test_snapped_rungs_are_the_snapped_prices(reference: float, rungs: list[tuple[float, float]], side: Side) -> None:
    prices = [reference - side.sign * (ticks + share * reference) for ticks, share in rungs]
    snapped = instrument().snap_rungs(reference, rungs, side)
    for price, ticks in zip(prices, snapped, strict=True):
        assert ticks == instrument().snap(price, side) or abs(price - round(price)) < 1e-8 + 1e-11 * reference


def test_rungs_at_exact_ticks_stay() -> None:
    rungs = [(0.0, 0.1), (3.0, 0.1)]  # 0.1 x 1000 is exact only on paper
    assert instrument().snap_rungs(1000.0, rungs, Side.BUY) == [900, 897]
    assert instrument().snap_rungs(1000.0, rungs, Side.SELL) == [1100, 1103]
