"""When the price leaves a grid's range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.grid_range import ON_RANGE_EXIT, RangeRules, RangeWatch, side_of_range, stop_reason

S = 1_000_000_000
LINES = (1000, 1010, 1090, 1100)


@pytest.mark.parametrize(
    ("mode", "above", "below"),
    [
        ("hold", "hold", "hold"),
        ("stop", "stop", "stop"),
        ("stop_and_sell", "stop_and_sell", "stop_and_sell"),
        ("trail_up", "trail_up", "hold"),
        ("trail_down", "hold", "trail_down"),
        ("trail_both", "trail_up", "trail_down"),
        ("recenter", "recenter", "recenter"),
    ],
)
def test_each_mode_says_what_is_done_on_which_side(mode: str, above: str, below: str) -> None:
    for price, action in [(1150, above), (950, below)]:
        watch = RangeWatch()
        assert watch.look(RangeRules(mode), price, LINES, 0) == "hold"
        assert watch.look(RangeRules(mode), price, LINES, 10 * S - 1) == "hold"
        assert watch.look(RangeRules(mode), price, LINES, 10 * S) == action


def test_every_mode_is_in_the_table() -> None:
    assert len(ON_RANGE_EXIT) == 7


def test_a_price_that_comes_back_starts_the_clock_anew() -> None:
    watch, rules = RangeWatch(), RangeRules("stop")
    watch.look(rules, 1101, LINES, 0)
    watch.look(rules, 1100, LINES, 9 * S)
    assert watch.look(rules, 1101, LINES, 10 * S) == "hold"
    assert watch.look(rules, 999, LINES, 19 * S) == "hold"  # the other side
    assert watch.look(rules, 999, LINES, 29 * S) == "stop"


def test_a_grid_trails_only_when_the_price_is_a_whole_interval_outside() -> None:
    for price, action in [(1109, "hold"), (1110, "trail_up"), (991, "hold"), (990, "trail_down")]:
        assert RangeWatch().look(RangeRules("trail_both", 0), price, LINES, S) == action


def test_trailing_has_a_limit_and_a_floor() -> None:
    rules = RangeRules("trail_both", 0, trail_limit=2, trail_floor_ticks=990)
    assert RangeWatch(shifted=1).look(rules, 1150, LINES, S) == "trail_up"
    assert RangeWatch(shifted=2).look(rules, 1150, LINES, S) == "hold"
    assert RangeWatch(shifted=2).look(rules, 950, LINES, S) == "trail_down"
    assert RangeWatch().look(RangeRules("trail_down", 0, trail_floor_ticks=991), 950, LINES, S) == "hold"


def test_a_day_has_room_for_so_many_new_ranges() -> None:
    watch, rules, day = RangeWatch(side=1, shifted=2), RangeRules("recenter", max_recenters=2), 86_400 * S
    for when in (0, 1):
        assert watch.may_recenter(rules, when)
        watch.recentered(when)
    assert (watch.side, watch.shifted) == (0, 0)
    assert not watch.may_recenter(rules, day - 1)
    assert watch.may_recenter(rules, day)


@pytest.mark.parametrize(("price", "reason"), [(900, "stop_lower"), (901, ""), (1199, ""), (1200, "stop_upper")])
def test_a_stop_price_waits_for_nothing(price: int, reason: str) -> None:
    assert stop_reason(RangeRules(stop_lower_ticks=900, stop_upper_ticks=1200), price) == reason
    assert stop_reason(RangeRules(), price) == ""


@given(st.lists(st.tuples(st.integers(900, 1200), st.integers(0, 12))), st.sampled_from(ON_RANGE_EXIT))
def test_nothing_is_done_inside_the_range_nor_before_the_time_is_over(path: list[tuple[int, int]], mode: str) -> None:
    watch, rules, now, since, side = RangeWatch(), RangeRules(mode), 0, 0, 0
    for price, seconds in path:
        now += seconds * S
        if (new := side_of_range(price, 1000, 1100)) != side:
            side, since = new, now
        if watch.look(rules, price, LINES, now) != "hold":
            assert side
            assert now - since >= 10 * S
