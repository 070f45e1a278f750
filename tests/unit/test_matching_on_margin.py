"""Matching on margin: orders that only reduce, margin, the wallet."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given

from core.market.fill_rules import MatchingRules
from core.market.matching import MatchingEngine
from core.market.order import Order, OrderState, Side
from core.market.sim_account import SimAccount
from tests.unit.matching_parts import ASKS, BIDS, NOW, PERP, Draws, actions, play, rest, sizes, take


def perp_engine(position_lots: int = 0, collateral: int = 100_000) -> MatchingEngine:
    venue = MatchingEngine(SimAccount(PERP, {"USDC": Decimal(collateral)}), MatchingRules(), Draws())
    venue.on_book(BIDS, ASKS, NOW)
    if position_lots:
        side = Side.BUY if position_lots > 0 else Side.SELL
        price = ASKS[-1].price_ticks if position_lots > 0 else BIDS[-1].price_ticks
        assert take(venue, side, price, abs(position_lots), "seed").order.state is OrderState.FILLED
    return venue


def test_reduce_only_order_without_a_position_is_refused() -> None:
    venue = perp_engine()
    assert venue.submit(Order("a", "main", Side.SELL, 10005, 100, reduce_only=True), NOW).reason.startswith("reduce")


def test_reduce_only_order_in_the_direction_of_the_position_is_refused() -> None:
    venue = perp_engine(500)
    assert not venue.submit(Order("a", "main", Side.BUY, 9990, 100, reduce_only=True), NOW).accepted


def test_reduce_only_orders_close_the_position_and_never_turn_it() -> None:
    venue = perp_engine(500)
    rest(venue, Side.SELL, 10005, 400, "a", reduce_only=True)
    rest(venue, Side.SELL, 10006, 400, "b", reduce_only=True)
    matched = venue.on_print(10010, 10_000, Side.BUY, NOW)
    assert sizes(matched.fills) == [("a", 10005, 400), ("b", 10006, 100)]
    assert venue.account.position.size_lots == 0
    assert [(order.client_order_id, order.state) for order in matched.ended] == [("b", OrderState.CANCELED)]
    assert venue.orders == {}


def test_reduce_only_taker_takes_no_more_than_the_position() -> None:
    venue = perp_engine(-300)
    arrival = venue.submit(Order("a", "main", Side.BUY, 10003, 900, post_only=False, reduce_only=True), NOW)
    assert sum(fill.size_lots for fill in arrival.fills) == 300
    assert arrival.order.state is OrderState.EXPIRED and venue.orders == {}


def test_taker_that_closes_the_position_ends_idle_reduce_only_orders() -> None:
    venue = perp_engine(300)
    rest(venue, Side.SELL, 10009, 300, "a", reduce_only=True)
    assert [order.client_order_id for order in take(venue, Side.SELL, 9999, 300).ended] == ["a"]


def test_small_rest_of_a_position_can_be_closed_below_the_minimum_value() -> None:
    venue = perp_engine(1_000)
    rest(venue, Side.SELL, 10005, 999, "a", reduce_only=True)
    venue.on_print(10010, 999, Side.BUY, NOW)
    rest(venue, Side.SELL, 10005, 1, "b", reduce_only=True)


def test_order_beyond_the_margin_is_refused_and_one_that_reduces_is_not() -> None:
    venue = perp_engine(2_000, collateral=25)  # 200 quote at 10 x need 20 of 25
    order = Order("a", "main", Side.BUY, 9998, 1_000)
    assert venue.submit(order, NOW).reason == "insufficient_margin"
    rest(venue, Side.SELL, 10005, 4_000, "b")


@given(steps=actions)
def test_perp_wallet_holds_realised_profit_less_fees(steps: list[tuple[str, Side, int, int]]) -> None:
    venue, fills = play(steps, PERP, 1)
    position = venue.account.position
    assert position.size_lots == sum(fill.side.sign * fill.size_lots for fill in fills)
    assert venue.account.balances["USDC"] == 1000 + position.realised_pnl - position.fees_paid
