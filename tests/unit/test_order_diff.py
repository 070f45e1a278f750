"""Wanted quotes against live orders."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.commands import Quote
from core.market.order import Order, OrderState, Side
from core.market.order_diff import DiffTolerance, diff_orders
from tests.market_parts import NOW, SECOND, live_orders, order, quote
from utils.errors import StrategyBug

DEFAULT = DiffTolerance()
EXACT = DiffTolerance(0, 0, 0)
BUSY = (OrderState.PENDING_NEW, OrderState.PENDING_CANCEL, OrderState.UNKNOWN)

tolerances = st.builds(
    DiffTolerance,
    st.sampled_from([-1, 0, 0.1, 5]),
    st.sampled_from([-1, 0, 10, 100]),
    st.sampled_from([0, 1800 * SECOND]),
)


@st.composite
def wanted_sets(draw: st.DrawFn) -> list[Quote]:
    bids = [quote(Side.BUY, draw(st.integers(1400, 1600)), draw(st.integers(1, 500)), level) for level in range(3)]
    asks = [quote(Side.SELL, draw(st.integers(1400, 1600)), draw(st.integers(1, 500)), level) for level in range(3)]
    return draw(st.lists(st.sampled_from(bids + asks), unique_by=lambda wanted: wanted.slot_name, max_size=6))


def ids(orders: list[Order]) -> list[str]:
    return [one.client_order_id for one in orders]


@given(wanted_sets(), live_orders(), tolerances)
def test_slot_never_holds_two_orders_because_of_a_place(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance
) -> None:
    diff = diff_orders(wanted, live, tolerance, NOW)
    taken = {one.slot for one in live if one.slot}
    placed = [one.slot_name for one in diff.place]
    assert len(set(placed)) == len(placed)
    assert taken.isdisjoint(placed)


@given(wanted_sets(), live_orders(slots=("",)), tolerances)
def test_order_without_a_slot_takes_the_place_of_a_wanted_one(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance
) -> None:
    diff = diff_orders(wanted, live, tolerance, NOW)
    for side in Side:
        free = sum(one.side is side for one in wanted) - sum(one.side is side for one in live)
        assert sum(one.side is side for one in diff.place) == max(0, free)


@given(wanted_sets(), live_orders(), tolerances)
def test_every_live_order_has_exactly_one_fate(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance
) -> None:
    diff = diff_orders(wanted, live, tolerance, NOW)
    assert Counter([*diff.cancel, *diff.keep, *diff.waiting]) == Counter(ids(live))


@given(wanted_sets(), live_orders(), tolerances)
def test_order_on_its_way_out_or_unknown_is_never_cancelled_again(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance
) -> None:
    leaving = {one.client_order_id for one in live if one.state in BUSY[1:]}
    assert leaving.isdisjoint(diff_orders(wanted, live, tolerance, NOW).cancel)


@given(wanted_sets(), live_orders(), tolerances)
def test_kept_orders_are_within_tolerance_of_what_is_wanted(
    wanted: list[Quote], live: list[Order], tolerance: DiffTolerance
) -> None:
    by_id = {one.client_order_id: one for one in live}
    kept = [by_id[key] for key in diff_orders(wanted, live, tolerance, NOW).keep]
    for one in kept:
        assert any(tolerance.accepts(one, want, NOW) for want in wanted if one.slot in ("", want.slot_name))


@given(live_orders(), tolerances)
def test_empty_wanted_set_cancels_everything_that_can_be(live: list[Order], tolerance: DiffTolerance) -> None:
    diff = diff_orders((), live, tolerance, NOW)
    assert diff.place == diff.keep == ()
    assert set(diff.cancel) == {one.client_order_id for one in live if one.state not in BUSY[1:]}


@given(wanted_sets())
def test_what_was_placed_is_kept_next_time(wanted: list[Quote]) -> None:
    placed = diff_orders(wanted, (), EXACT, NOW).place
    assert sorted(placed, key=repr) == sorted(wanted, key=repr)
    live = [order(one.side, one.price_ticks, one.size_lots, one.slot_name) for one in placed]
    again = diff_orders(wanted, live, EXACT, NOW)
    assert again.cancel == again.place == again.waiting == ()


@given(wanted_sets(), live_orders())
def test_answered_cancels_lead_to_the_wanted_set_within_two_rounds(wanted: list[Quote], live: list[Order]) -> None:
    live = [one for one in live if one.state not in BUSY]
    for _ in range(2):
        diff = diff_orders(wanted, live, DEFAULT, NOW)
        live = [one for one in live if one.client_order_id in diff.keep]
        live += [order(one.side, one.price_ticks, one.size_lots, one.slot_name, sent_ns=NOW) for one in diff.place]
    assert Counter(one.side for one in live) == Counter(one.side for one in wanted)
    assert all(any(DEFAULT.accepts(one, want, NOW) for one in live) for want in wanted)


@pytest.mark.parametrize("state", BUSY)
def test_busy_slot_waits_even_when_its_order_is_far_off(state: OrderState) -> None:
    live = [order(Side.BUY, 1000, 10, "buy.0", state=state)]
    diff = diff_orders([quote(Side.BUY, 1500, 10)], live, DEFAULT, NOW)
    assert diff.place == diff.cancel == ()
    assert diff.waiting == tuple(ids(live))


@pytest.mark.parametrize(
    ("price", "size", "stays"),
    [
        (10000, 100, True),
        (10010, 100, True),  # exactly 0.1 %
        (10011, 100, False),
        (9990, 100, True),
        (9989, 100, False),
        (10000, 110, True),  # exactly 10 %
        (10000, 111, False),
        (10000, 90, True),
        (10000, 89, False),
    ],
)
def test_tolerance_includes_its_limit_case(price: int, size: int, stays: bool) -> None:
    live = [order(Side.BUY, price, size, "buy.0")]
    diff = diff_orders([quote(Side.BUY, 10000, 100)], live, DEFAULT, NOW)
    assert bool(diff.keep) is stays
    assert bool(diff.cancel) is not stays


def test_percentages_that_floats_cannot_hold_decide_exactly() -> None:
    live, wanted = [order(Side.SELL, 1007, 100, "sell.0")], [quote(Side.SELL, 1000, 100)]
    for percent in (0.7, Decimal("0.7")):
        assert diff_orders(wanted, live, DiffTolerance(percent), NOW).keep


@pytest.mark.parametrize("tolerance", [DiffTolerance(price_pct=-1), DiffTolerance(size_pct=-1)])
def test_negative_tolerance_always_replaces(tolerance: DiffTolerance) -> None:
    live = [order(Side.BUY, 1500, 10, "buy.0")]
    diff = diff_orders([quote(Side.BUY, 1500, 10)], live, tolerance, NOW)
    assert diff.cancel == tuple(ids(live))
    assert diff.place == ()  # only when the cancel is confirmed


def test_partly_filled_order_is_compared_by_what_remains() -> None:
    live = [order(Side.BUY, 1500, 100, "buy.0", filled_lots=50, state=OrderState.PARTIALLY_FILLED)]
    assert diff_orders([quote(Side.BUY, 1500, 50)], live, DEFAULT, NOW).keep == tuple(ids(live))
    assert diff_orders([quote(Side.BUY, 1500, 100)], live, DEFAULT, NOW).cancel == tuple(ids(live))


@pytest.mark.parametrize(("age_s", "stays"), [(1799, True), (1800, False)])
def test_old_order_is_refreshed(age_s: int, stays: bool) -> None:
    live = [order(Side.BUY, 1500, 10, "buy.0", sent_ns=NOW - age_s * SECOND)]
    assert bool(diff_orders([quote(Side.BUY, 1500, 10)], live, DEFAULT, NOW).keep) is stays


@pytest.mark.parametrize(
    ("sent_ns", "tolerance"), [(0, DEFAULT), (1, DiffTolerance(max_order_age_ns=0))], ids=["unknown age", "rule off"]
)
def test_order_does_not_age_without_a_date_or_a_rule(sent_ns: int, tolerance: DiffTolerance) -> None:
    live = [order(Side.BUY, 1500, 10, "buy.0", sent_ns=sent_ns)]
    assert diff_orders([quote(Side.BUY, 1500, 10)], live, tolerance, NOW).keep


def test_of_two_orders_in_a_slot_the_better_match_stays() -> None:
    worse, better = order(Side.BUY, 1499, 10, "buy.0"), order(Side.BUY, 1500, 10, "buy.0")
    diff = diff_orders([quote(Side.BUY, 1500, 10)], [worse, better], DEFAULT, NOW)
    assert diff.keep == (better.client_order_id,)
    assert diff.cancel == (worse.client_order_id,)


def test_of_two_hopeless_orders_in_a_slot_both_go_and_nothing_comes_yet() -> None:
    live = [order(Side.BUY, 1000, 10, "buy.0"), order(Side.BUY, 1001, 10, "buy.0")]
    diff = diff_orders([quote(Side.BUY, 1500, 10)], live, DEFAULT, NOW)
    assert set(diff.cancel) == set(ids(live))
    assert diff.place == ()


def test_orders_without_a_slot_are_seated_nearest_price_first() -> None:
    far, near = order(Side.BUY, 1485, 10), order(Side.BUY, 1499, 10)
    wanted = [quote(Side.BUY, 1500, 10, 0), quote(Side.BUY, 1490, 10, 1)]
    diff = diff_orders(wanted, [far, near], DiffTolerance(1), NOW)
    assert set(diff.keep) == {far.client_order_id, near.client_order_id}
    assert diff.place == ()


def test_order_without_a_slot_that_nobody_wants_is_cancelled() -> None:
    taken, stray = order(Side.BUY, 1500, 10, "buy.0"), order(Side.BUY, 1500, 10)
    diff = diff_orders([quote(Side.BUY, 1500, 10)], [taken, stray], DEFAULT, NOW)
    assert diff.keep == (taken.client_order_id,)
    assert diff.cancel == (stray.client_order_id,)


def test_slot_that_is_no_longer_wanted_is_cancelled() -> None:
    live = [order(Side.BUY, 1500, 10, "buy.0"), order(Side.BUY, 1490, 10, "buy.1")]
    diff = diff_orders([quote(Side.BUY, 1500, 10)], live, DEFAULT, NOW)
    assert diff.cancel == (live[1].client_order_id,)


@pytest.mark.parametrize("change", [{"post_only": False}, {"reduce_only": True}])
def test_order_with_other_flags_is_replaced(change: dict[str, Any]) -> None:
    live = [order(Side.BUY, 1500, 10, "buy.0", **change)]
    assert diff_orders([quote(Side.BUY, 1500, 10)], live, DEFAULT, NOW).cancel == tuple(ids(live))


def test_order_of_the_wrong_side_in_a_slot_is_replaced() -> None:
    live = [order(Side.SELL, 1500, 10, "buy.0")]
    assert diff_orders([quote(Side.BUY, 1500, 10)], live, DEFAULT, NOW).cancel == tuple(ids(live))


def test_taker_order_is_neither_a_quote_nor_cancelled() -> None:
    taker = order(Side.BUY, 1500, 10, time_in_force="IOC", state=OrderState.PENDING_NEW)
    diff = diff_orders([quote(Side.BUY, 1500, 10)], [taker], DEFAULT, NOW)
    assert len(diff.place) == 1
    assert diff.waiting == (taker.client_order_id,)


def test_closed_order_does_not_hold_its_slot() -> None:
    gone = order(Side.BUY, 1500, 10, "buy.0", state=OrderState.CANCELED)
    assert len(diff_orders([quote(Side.BUY, 1500, 10)], [gone], DEFAULT, NOW).place) == 1


def test_two_quotes_for_one_slot_are_a_bug_of_the_strategy() -> None:
    with pytest.raises(StrategyBug):
        diff_orders([quote(Side.BUY, 1500, 10), quote(Side.BUY, 1499, 10)], (), DEFAULT, NOW)
