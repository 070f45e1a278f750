"""Closing orders and orders over the limits: nothing here may ever make exposure grow."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.order import MissingFills, Order, OrderState, Side
from core.market.position import Position
from core.market.risk_limits import RiskLimits
from core.market.risk_reduction import allow_reduction, orders_over_limits
from core.market.risk_state import RiskState
from tests.market_parts import instrument, live_orders, order, quote, risk_state, sides

PERP = instrument(kind="perp", symbol="SOL-PERP", min_notional=Decimal(0))
FREE = RiskLimits()


def state(held_lots: int, *orders: Order, **changes: object) -> RiskState:
    position = Position("main", size_lots=held_lots)
    return risk_state(position=position, live_orders=orders, **({"instrument": PERP} | changes))


def allowed(held_lots: int, side: Side, lots: int, limits: RiskLimits = FREE, *orders: Order) -> list[int]:
    verdict = allow_reduction(quote(side, 1500, lots), limits, state(held_lots, *orders))
    return [one.size_lots for one in verdict.allowed]


def test_a_close_is_cut_to_what_is_held() -> None:
    assert allowed(10, Side.SELL, 25) == [10]
    assert allowed(-10, Side.BUY, 25) == [10]


@pytest.mark.parametrize(("held", "side"), [(10, Side.BUY), (-10, Side.SELL), (0, Side.BUY), (0, Side.SELL)])
def test_what_would_not_reduce_is_refused(held: int, side: Side) -> None:
    assert allowed(held, side, 1) == []


def test_what_is_already_on_its_way_counts() -> None:
    under_way = order(Side.SELL, 1500, 7, state=OrderState.UNKNOWN)
    assert allowed(10, Side.SELL, 10, FREE, under_way) == [3]
    told = state(10, missing=(MissingFills(Side.SELL, 1500, 8),))
    assert [one.size_lots for one in allow_reduction(quote(Side.SELL, 1500, 10), FREE, told).allowed] == [2]


def test_limits_that_keep_exposure_from_growing_do_not_hold_it_open() -> None:
    tight = RiskLimits(max_position_lots=1, max_open_orders=1, price_floor_ticks=9_999)
    assert allowed(10, Side.SELL, 10, tight) == [10]


def test_one_order_is_never_larger_than_allowed() -> None:
    assert allowed(10, Side.SELL, 10, RiskLimits(max_order_lots=4)) == [4]


@given(
    held=st.integers(-500, 500),
    side=sides,
    lots=st.integers(-5, 900),
    limit=st.none() | st.integers(1, 300),
    orders=live_orders(),
)
def test_a_closing_order_never_crosses_zero_whatever_else_fills(
    held: int, side: Side, lots: int, limit: int | None, orders: list[Order]
) -> None:
    verdict = allow_reduction(quote(side, 1500, lots), RiskLimits(max_order_lots=limit), state(held, *orders))
    for one in verdict.allowed:
        same = sum(o.remaining_lots for o in orders if o.side is side)
        after = held + side.sign * (same + one.size_lots)
        assert after * held >= 0 and abs(after) < abs(held)
        assert limit is None or one.size_lots <= limit


def test_orders_farthest_from_the_touch_are_too_many_first() -> None:
    ladder = [order(Side.BUY, 1500 - i, 10) for i in range(4)]
    limits = RiskLimits(max_position_lots=25)
    assert orders_over_limits(limits, state(0, *ladder)) == (ladder[2].client_order_id, ladder[3].client_order_id)


def test_orders_inside_the_limits_are_left_alone_small_rests_too() -> None:
    rest = order(Side.BUY, 1500, 10, filled_lots=9, state=OrderState.PARTIALLY_FILLED)
    small = instrument(kind="perp", min_lots=5)
    assert orders_over_limits(RiskLimits(max_position_lots=30), state(9, rest, instrument=small)) == ()


def test_balances_say_nothing_about_orders_that_rest() -> None:
    rest = order(Side.SELL, 1501, 10)
    spot = risk_state(live_orders=(rest,), available={})
    assert orders_over_limits(FREE, spot) == ()


@pytest.mark.parametrize(
    "limits",
    [RiskLimits(max_order_lots=9), RiskLimits(price_ceiling_ticks=1499), RiskLimits(max_position_quote=Decimal("0.1"))],
)
def test_each_limit_of_an_order_is_asked(limits: RiskLimits) -> None:
    rest = order(Side.BUY, 1500, 10)
    assert orders_over_limits(limits, state(0, rest)) == (rest.client_order_id,)


def test_orders_on_their_way_out_and_immediate_ones_are_not_named() -> None:
    leaving = order(Side.BUY, 1500, 10, state=OrderState.PENDING_CANCEL)
    taking = order(Side.BUY, 1500, 10, time_in_force="IOC")
    assert orders_over_limits(RiskLimits(max_position_lots=1), state(0, leaving, taking)) == ()


@given(orders=live_orders(), limit=st.integers(1, 900), held=st.integers(-600, 600))
def test_what_is_left_fits_the_position_limit(orders: list[Order], limit: int, held: int) -> None:
    limits = RiskLimits(max_position_lots=limit, max_open_orders=100)
    over = set(orders_over_limits(limits, state(held, *orders)))
    kept = [o for o in orders if o.client_order_id not in over and o.state is not OrderState.PENDING_CANCEL]
    for side in Side:
        lots = sum(o.remaining_lots for o in kept if o.side is side)
        assert lots == 0 or side.sign * held + lots <= limit
