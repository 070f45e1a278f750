"""The lines of a grid: aligned, strictly ordered, exactly the bounds at both ends; and what a round trip leaves."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.grid_lines import GridLines, bounds_ticks, interval_profits, largest_count, make_lines, range_around
from tests.market_parts import instrument
from utils.errors import ConfigError

MODES = st.sampled_from(["arithmetic", "geometric"])


def test_arithmetic_lines_have_equal_distances() -> None:
    assert make_lines("arithmetic", 1000, 2000, 5).all() == (1000, 1250, 1500, 1750, 2000)


def test_geometric_lines_have_equal_ratios() -> None:
    assert make_lines("geometric", 1000, 16000, 5).all() == (1000, 2000, 4000, 8000, 16000)


def test_lines_go_on_beyond_both_ends() -> None:
    lines = make_lines("arithmetic", 1000, 2000, 5)
    assert (lines.at(-1), lines.at(5), lines.at(6)) == (750, 2250, 2500)
    assert make_lines("geometric", 1000, 16000, 5).at(5) == 32000


def test_bounds_are_rounded_outward() -> None:
    assert bounds_ticks(Decimal("100.05"), Decimal("109.91"), instrument()) == (1000, 1100)


def test_a_range_lies_around_its_reference() -> None:
    assert range_around(Decimal(100), Decimal(5), instrument()) == (950, 1050)


@pytest.mark.parametrize(("lower", "upper"), [(0, 10), (10, 10), (11, 10)])
def test_bounds_without_room_are_refused(lower: int, upper: int) -> None:
    with pytest.raises(ConfigError, match="one tick apart"):
        make_lines("arithmetic", lower, upper, 2)


@pytest.mark.parametrize("mode", ["arithmetic", "geometric"])
def test_two_lines_on_one_tick_are_refused_with_the_largest_number_that_works(mode: str) -> None:
    usable = largest_count(mode, 100, 120, 500)
    with pytest.raises(ConfigError, match=f"largest usable grid_num is {usable}$"):
        make_lines(mode, 100, 120, 500)
    assert len(set(make_lines(mode, 100, 120, usable).all())) == usable
    with pytest.raises(ConfigError):
        make_lines(mode, 100, 120, usable + 1)


@given(MODES, st.integers(1, 10**7), st.integers(1, 10**7), st.integers(2, 120))
def test_lines_ascend_from_bound_to_bound_and_are_whole_ticks(mode: str, lower: int, width: int, count: int) -> None:
    count = largest_count(mode, lower, lower + width, count)
    lines = make_lines(mode, lower, lower + width, count).all()
    assert all(type(line) is int for line in lines)
    assert all(low < high for low, high in pairwise(lines))
    assert (lines[0], lines[-1], len(lines)) == (lower, lower + width, count)


@given(MODES, st.integers(1, 10**6), st.integers(2, 10**6), st.integers(3, 60), st.integers(-20, 80))
def test_a_line_is_the_nearest_tick_to_its_formula(mode: str, lower: int, width: int, count: int, k: int) -> None:
    upper = lower + width
    line, share = GridLines(mode, lower, upper, count).at(k), k / (count - 1)
    exact = lower + width * share if mode == "arithmetic" else lower * (upper / lower) ** share
    assert abs(line - exact) <= 0.5 + 1e-9 * abs(exact)


def test_the_net_profit_of_an_interval_is_a_share_of_its_buying_price() -> None:
    low, high = interval_profits((1000, 1100, 1200), Decimal("0.001"))
    assert high == (100 - Decimal("2.1")) / 1000
    assert low.quantize(Decimal("1e-9")) == ((100 - Decimal("2.3")) / 1100).quantize(Decimal("1e-9"))


def test_the_net_profit_of_a_geometric_grid_is_one_constant() -> None:
    fee, ratio = Decimal("0.002"), Decimal(2)
    assert interval_profits((1000, 2000, 4000, 8000), fee) == (ratio - 1 - fee * (1 + ratio),) * 2
