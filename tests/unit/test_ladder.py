"""From a reference price to wanted quotes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.commands import Quote
from core.market.ladder import (
    Rung,
    build_side,
    geometric_rungs,
    keep_outside,
    linear_rungs,
    merge_layers,
    power_rungs,
    size_factor,
    slot_names,
    stepped_back,
    tilt,
)
from core.market.order import Side
from tests.market_parts import book, instrument

references = st.floats(1, 1e8)
halves = st.floats(0, 0.2)


@st.composite
def rung_lists(draw: st.DrawFn) -> tuple[Rung, ...]:
    layers, half = draw(st.integers(1, 12)), draw(halves)
    return draw(
        st.sampled_from(
            [
                power_rungs(layers, half, draw(st.floats(0.01, 20)), draw(st.floats(0.1, 3))),
                linear_rungs(layers, half, draw(st.floats(1e-6, 0.01))),
                geometric_rungs(layers, half, draw(st.floats(1e-6, 0.01)), draw(st.floats(1, 2))),
            ]
        )
    )


def built(side: Side, reference: float, rungs: tuple[Rung, ...], bid: int, ask: int, sizes: list[int]) -> list[Quote]:
    slots = slot_names(side, len(rungs))
    return build_side(side, reference, rungs, sizes, slots, book(bid, ask), instrument())


@given(references, rung_lists(), st.integers(-50, 50), st.integers(1, 50), st.data())
def test_ladder_is_strictly_ordered_and_never_crosses_the_touch(
    reference: float, rungs: tuple[Rung, ...], shift: int, gap: int, data: st.DataObject
) -> None:
    bid = max(1, round(reference) + shift)
    sizes = data.draw(st.lists(st.integers(0, 100), min_size=len(rungs), max_size=len(rungs)))
    bids = built(Side.BUY, reference, rungs, bid, bid + gap, sizes)
    asks = built(Side.SELL, reference, rungs, bid, bid + gap, sizes)
    bid_prices, ask_prices = [one.price_ticks for one in bids], [one.price_ticks for one in asks]
    assert bid_prices == sorted(set(bid_prices), reverse=True)
    assert ask_prices == sorted(set(ask_prices))
    assert all(price < bid + gap for price in bid_prices)
    assert all(price > bid for price in ask_prices)
    assert sum(one.size_lots for one in bids) == sum(one.size_lots for one in asks) == sum(sizes)


@given(references, rung_lists(), st.integers(1, 100))
def test_prices_are_whole_ticks_no_nearer_than_their_rung(reference: float, rungs: tuple[Rung, ...], lots: int) -> None:
    wide = (-(10**12), 10**12)  # no touch in the way
    for side in Side:
        for one in built(side, reference, rungs, *wide, [lots] * len(rungs)):
            assert isinstance(one.price_ticks, int)
            away = (reference - one.price_ticks) * side.sign
            distance = rungs[one.level].ticks + rungs[one.level].share * reference
            assert away >= distance - 1e-6 - 1e-11 * reference
            assert away < distance + 1 + 1e-6 + 1e-11 * reference


def test_power_layers_follow_their_formula() -> None:
    prices = [one.price_ticks for one in built(Side.BUY, 10000.0, power_rungs(4, 0.001, 1.5, 1.5), 0, 99999, [1] * 4)]
    assert prices == [9990, 9988, 9985, 9982]  # 0, 1.5, 4.24, 7.79 ticks outside 9990


def test_linear_layers_follow_their_formula() -> None:
    prices = [one.price_ticks for one in built(Side.SELL, 10000.0, linear_rungs(3, 0.001, 0.002), 0, 99999, [1] * 3)]
    assert prices == [10010, 10030, 10050]


def test_geometric_layers_follow_their_formula() -> None:
    rungs = geometric_rungs(4, 0.0, 0.001, 1.3)
    expected = [0.001 * (1.3**i - 1) / 0.3 for i in range(4)]
    assert [rung.share for rung in rungs] == pytest.approx(expected, rel=1e-12)


def test_geometric_layers_with_ratio_one_are_linear() -> None:
    assert [rung.share for rung in geometric_rungs(4, 0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0, 1.5]


def test_exact_multiples_stay_on_their_tick() -> None:
    spread = linear_rungs(1, 0.001, 0.001)  # 150.0 -+ 0.15 at a tick of 0.05
    assert built(Side.BUY, 3000.0, spread, 0, 9999, [1])[0].price_ticks == 2997
    assert built(Side.SELL, 3000.0, spread, 0, 9999, [1])[0].price_ticks == 3003


def test_layers_on_one_tick_are_merged_into_the_inner_one() -> None:
    assert merge_layers([100, 100, 99, 98], [5, 6, 0, 7]) == [(0, 100, 11), (3, 98, 7)]


def test_bid_at_the_ask_moves_one_tick_behind_it_and_deeper_layers_follow() -> None:
    moved = keep_outside(Side.BUY, [(0, 105, 1), (1, 100, 1), (2, 99, 1), (3, 90, 1)], 101)
    assert [price for _, price, _ in moved] == [100, 99, 98, 90]


def test_ask_at_the_bid_moves_one_tick_behind_it_and_deeper_layers_follow() -> None:
    moved = keep_outside(Side.SELL, [(0, 95, 1), (1, 101, 1), (2, 110, 1)], 100)
    assert [price for _, price, _ in moved] == [101, 102, 110]


def test_slots_stay_with_their_layer_when_a_layer_is_empty() -> None:
    quotes = built(Side.BUY, 10000.0, power_rungs(3, 0.001, 10, 1), 0, 99999, [1, 0, 1])
    assert [one.slot_name for one in quotes] == ["buy.0", "buy.2"]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 0.0), (0.6, 0.5), (0.7, 1.0), (0.95, 1.0), (0.4, -0.5), (0.0, -1.0)]
)
def test_tilt_is_linear_inside_the_band_and_flat_outside(share: float, expected: float) -> None:
    assert tilt(share, 0.5, 0.2) == pytest.approx(expected)


def test_band_without_width_does_not_tilt() -> None:
    assert tilt(0.9, 0.5, 0.0) == 0.0


@given(st.floats(-1, 1))
def test_size_factors_of_both_sides_mirror_each_other(tilted: float) -> None:
    bid, ask = size_factor(Side.BUY, tilted), size_factor(Side.SELL, tilted)
    assert bid + ask == pytest.approx(2)
    assert 0 <= bid <= 2
    assert (tilted > 0) == (bid < ask) or bid == ask


def test_prices_at_or_below_zero_are_left_to_the_risk_check() -> None:
    (one,) = built(Side.BUY, 10.0, (Rung(20.0, 0.0),), 9, 11, [1])
    assert instrument(min_notional=Decimal(0)).unplaceable_reason(one.price_ticks, one.size_lots) == "price"


def test_only_the_slots_that_are_named_step_back_and_stay_apart() -> None:
    wanted = [Quote(Side.BUY, 100, 1), Quote(Side.BUY, 99, 1, 1), Quote(Side.BUY, 98, 1, 2), Quote(Side.SELL, 101, 1)]
    found = stepped_back(wanted, {"buy.0", "buy.2", "sell.0"}, book(100, 101))
    assert [quote.price_ticks for quote in found] == [99, 99, 98, 102]
    both = stepped_back(wanted, {"buy.0", "buy.1", "buy.2"}, book(100, 101))
    assert [quote.price_ticks for quote in both] == [99, 98, 97, 101]


def test_what_takes_and_what_has_no_price_behind_the_touch_stays_where_it_is() -> None:
    wanted = [Quote(Side.BUY, 1, 1), Quote(Side.SELL, 1, 1, post_only=False)]
    assert stepped_back(wanted, {"buy.0", "sell.0"}, book(1, 2)) == wanted


@given(
    st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 300)), max_size=8),
    st.sets(st.integers(0, 7)),
    st.integers(10, 200),
)
def test_a_quote_that_steps_back_is_never_better_than_it_was_nor_at_the_touch(
    wishes: list[tuple[Side, int]], named: set[int], bid: int
) -> None:
    wanted = [Quote(side, price, 1, number) for number, (side, price) in enumerate(wishes)]
    slots = {quote.slot_name for number, quote in enumerate(wanted) if number in named}
    for before, after in zip(wanted, stepped_back(wanted, slots, book(bid, bid + 1)), strict=True):
        sign, touch = before.side.sign, bid if before.side is Side.BUY else bid + 1
        assert sign * (before.price_ticks - after.price_ticks) >= 0
        if before.slot_name in slots:
            assert sign * (touch - after.price_ticks) > 0
        else:
            assert after == before
