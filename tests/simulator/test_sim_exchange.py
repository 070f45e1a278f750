from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.book import Level
from core.market.order import OrderState
from tests.simulator.exchange_parts import ASKS, BIDS, BUY, SELL, SPOT, START, Trade


def test_orders_at_a_price_fill_by_arrival_before_what_the_feed_displays() -> None:
    trade = Trade()
    trade("a", SELL, 10001, 300)
    trade("b", SELL, 10001, 300)
    trade("c", BUY, 10001, 700)
    assert trade.shares("c") == [("c", 10001, 300, "taker"), ("c", 10001, 300, "taker"), ("c", 10001, 100, "taker")]
    assert trade.shares("a") == [("a", 10001, 300, "maker")]
    assert trade.market().book.size_at(SELL, 10001) == 900


def test_better_price_fills_before_an_earlier_order() -> None:
    trade = Trade()
    trade("a", SELL, 10001, 300)
    trade("b", SELL, 10000, 300)
    trade("c", BUY, 10001, 300)
    assert trade.shares("b") == [("b", 10000, 300, "maker")] and not trade.shares("a")


def test_both_sides_of_a_trade_and_the_tape_carry_one_trade_id() -> None:
    trade = Trade()
    trade("a", SELL, 10000, 300)
    trade("b", BUY, 10000, 300)
    maker, taker = trade.witness.fills
    (print_,) = trade.witness.prints
    assert maker.trade_id == taker.trade_id == print_.trade_id
    assert (maker.side, taker.side, print_.aggressor, print_.size_lots) == (SELL, BUY, BUY, 300)
    assert maker.fee == Decimal("-0.003") and taker.fee == Decimal("0.015")


def test_public_book_is_the_feed_and_what_rests() -> None:
    trade = Trade()
    trade("a", BUY, 9999, 60)
    trade("b", BUY, 10000, 70)
    assert trade.market().book.top(BUY, 2) == (Level(10000, 70), Level(9999, 1060))
    (first, second) = trade.witness.deltas
    assert first.changes == ((BUY, 9999, 1060),) and second.changes == ((BUY, 10000, 70),)


def test_taker_that_takes_a_level_from_the_feed_leaves_it_taken_while_it_is_displayed() -> None:
    trade = Trade()
    trade("a", BUY, 10001, 1000)
    trade.show(BIDS, ASKS)
    assert trade.market().best(SELL) == Level(10002, 2000)
    trade.show(BIDS, ASKS[1:])
    trade.show(BIDS, ASKS)
    assert trade.market().best(SELL) == Level(10001, 1000)


def test_events_of_a_taker_come_in_order_and_the_book_comes_last() -> None:
    trade = Trade()
    trade("a", SELL, 10000, 100)
    del trade.witness.orders[:]
    trade("b", BUY, 10000, 300, time_in_force="IOC")
    assert trade.witness.orders == [
        ("b", "accepted", OrderState.NEW, 0),
        ("a", "fill", OrderState.FILLED, 100),
        ("b", "fill", OrderState.PARTIALLY_FILLED, 100),
        ("b", "expired", OrderState.EXPIRED, 100),
    ]
    assert trade.witness.deltas[-1].changes == ((SELL, 10000, 0),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_ticks": 10001, "post_only": True}, "post_only_would_cross"),
        ({"price_ticks": 0}, "price"),
        ({"size_lots": 0}, "min_size"),
        ({"size_lots": 1}, "min_notional"),
        ({"size_lots": 10**7}, "insufficient_balance USDC"),
        ({"side": SELL, "price_ticks": 10005, "size_lots": 10**7}, "insufficient_balance SOL"),
        ({"time_in_force": "DAY"}, "time_in_force"),
        ({"time_in_force": "IOC", "post_only": True}, "post_only_cannot_be_ioc"),
        ({"price_ticks": None, "post_only": True}, "post_only_cannot_be_ioc"),
        ({"reduce_only": True}, "reduce_only_is_for_positions"),
        ({"symbol": "BTC_USDC"}, "no_market"),
        ({"client_id": "7"}, "duplicate_client_id"),
    ],
)
def test_refused_order_names_the_reason_and_changes_nothing(changes: dict[str, Any], reason: str) -> None:
    trade = Trade()
    trade("a", BUY, 9990, 100, client_id="7")
    before = trade.exchange.balances("a"), trade.market().sequence
    values: dict[str, Any] = {"symbol": SPOT, "side": BUY, "price_ticks": 9999, "size_lots": 100} | changes
    order = trade.exchange.submit("a", **values)
    assert order.state is OrderState.REJECTED and order.reason.startswith(reason)
    assert trade.witness.orders[-1][1] == "rejected"
    assert (trade.exchange.balances("a"), trade.market().sequence) == before
    assert len(trade.exchange.open_orders("a")) == 1 and trade.exchange.order("a", order.order_id) is None


def test_more_open_orders_than_allowed_are_refused() -> None:
    trade = Trade()
    for number in range(20):
        trade("a", BUY, 9000 - number, 100)
    assert trade("a", BUY, 9000, 100).reason == "too_many_open_orders"
    assert trade("b", BUY, 9000, 100).state is OrderState.NEW


def test_post_only_is_judged_by_the_orders_of_others_too() -> None:
    trade = Trade()
    trade("a", SELL, 10000, 100)
    assert trade("b", BUY, 10000, 100, post_only=True).reason == "post_only_would_cross"


def test_taker_that_meets_its_own_order_ends_and_keeps_what_it_had() -> None:
    trade = Trade()
    trade("b", SELL, 9999 + 1, 100)
    trade("a", SELL, 10000, 100)
    taker = trade("a", BUY, 10000, 500)
    assert (taker.state, taker.reason, taker.filled_lots) == (OrderState.EXPIRED, "self_trade", 100)
    assert [order.remaining_lots for order in trade.exchange.open_orders("a")] == [100]


def test_fill_or_kill_fills_in_full_or_not_at_all() -> None:
    trade = Trade()
    killed = trade("a", BUY, 10002, 3001, time_in_force="FOK")
    assert (killed.state, killed.reason, killed.filled_lots) == (OrderState.EXPIRED, "fok", 0)
    filled = trade("a", BUY, 10002, 3000, time_in_force="FOK")
    assert filled.state is OrderState.FILLED


def test_fill_or_kill_counts_nothing_behind_an_order_of_its_own_account() -> None:
    trade = Trade()
    trade("a", SELL, 10000, 100)
    trade("b", SELL, 10000, 100)
    assert trade("b", BUY, 10000, 200, time_in_force="FOK").filled_lots == 0


def test_market_order_walks_the_book_and_never_rests() -> None:
    trade = Trade()
    order = trade("a", BUY, None, 8000)
    assert (order.state, order.reason, order.filled_lots) == (OrderState.EXPIRED, "no_liquidity", 7000)
    assert [price for _, price, _, _ in trade.shares("a")] == [10001, 10002, 10003]


def test_market_order_into_an_empty_book_ends_without_a_fill() -> None:
    trade = Trade()
    trade.show((), ())
    assert trade("a", BUY, None, 100).reason == "no_liquidity"


def test_picture_that_crosses_a_resting_order_fills_it_at_its_own_price_as_far_as_it_displays() -> None:
    trade = Trade()
    trade("a", BUY, 9999, 100)
    trade("b", BUY, 9999, 100)
    trade.show((Level(9990, 10),), (Level(9995, 120),))
    assert trade.shares() == [("a", 9999, 100, "maker"), ("b", 9999, 20, "maker")]
    assert trade.market().best(SELL) is None and trade.market().best(BUY) == Level(9999, 80)
    assert {print_.aggressor for print_ in trade.witness.prints} == {SELL}


def test_print_beyond_an_order_is_shared_by_price_then_arrival_and_the_rest_goes_on_the_tape() -> None:
    trade = Trade()
    for account, price in (("a", 9998), ("b", 9999), ("c", 9999)):
        trade(account, BUY, price, 100)
    trade.print(9997, 250, SELL)
    assert trade.shares() == [("b", 9999, 100, "maker"), ("c", 9999, 100, "maker"), ("a", 9998, 50, "maker")]
    trade.print(9997, 80, SELL)
    assert [(print_.price_ticks, print_.size_lots) for print_ in trade.witness.prints][-2:] == [(9998, 50), (9997, 30)]


@pytest.mark.parametrize(("probability", "filled"), [(1.0, 100), (0.0, 0)])
def test_print_at_the_price_fills_with_the_configured_probability(probability: float, filled: int) -> None:
    trade = Trade(touch_prob=probability)
    order = trade("a", BUY, 9999, 100)
    trade.print(9999, 500, SELL)
    assert order.filled_lots == filled


def test_print_never_fills_an_order_of_its_own_side() -> None:
    trade = Trade()
    order = trade("a", BUY, 10000, 100)
    trade.print(10000, 500, BUY)
    assert order.filled_lots == 0
    trade.print(10000, 500, SELL)
    assert order.filled_lots == 100


def test_moved_price_stays_moved_and_fills_what_it_crosses() -> None:
    trade = Trade()
    order = trade("a", SELL, 10500, 100)
    trade.exchange.set_price(SPOT, Decimal(110))
    assert trade.exchange.mark(SPOT) == Decimal(110) and order.state is OrderState.FILLED
    trade.show(BIDS, ASKS)
    assert trade.market().best(BUY) == Level(10999, 900)  # the order took 100 there
    trade.print(9999, 10, SELL)
    assert trade.witness.prints[-1].price_ticks == 10999


def test_resting_order_can_be_filled_in_part_by_a_made_up_trader() -> None:
    trade = Trade()
    order = trade("a", BUY, 9000, 300)
    fill = trade.exchange.fill_resting("a", order.order_id, 100)
    assert fill is not None and (fill.size_lots, fill.price_ticks, fill.liquidity) == (100, 9000, "maker")
    assert order.state is OrderState.PARTIALLY_FILLED and trade.market().book.size_at(BUY, 9000) == 200
    assert trade.exchange.fill_resting("a", "0", 1) is None


def test_ids_of_a_later_exchange_do_not_repeat_those_of_an_earlier_one() -> None:
    trade = Trade()
    order = trade("a", BUY, 9000, 300)
    assert order.order_id.isdecimal() and int(order.order_id) > START // 10**6 * 1000


def test_helpers_of_a_market_say_what_is_off_tick_and_what_is_passive() -> None:
    market = Trade().market()
    assert market.exact_ticks(Decimal("100.01")) == 10001 and market.exact_ticks(Decimal("100.001")) is None
    assert market.exact_lots(Decimal("0.5")) == 500 and market.exact_lots(Decimal("1e99")) is None
    assert market.exact_lots(Decimal("NaN")) is None
    assert market.passive_ticks(BUY, 10005) == 10000 and market.passive_ticks(SELL, 9000) == 10000
    assert market.passive_ticks(BUY, 9990) == 9990
    assert market.lots_for_quote(BUY, Decimal("100.01")) == 1000
    assert market.lots_for_quote(BUY, Decimal("200.03")) == 2000


def test_paused_feed_stands_still_while_orders_trade_and_goes_on_where_it_stopped() -> None:
    trade = Trade()
    trade.exchange.pause(True)
    trade.show((Level(8000, 100),), (Level(8001, 100),))
    trade("a", BUY, 10000, 100)
    assert trade("b", SELL, 10000, 100).state is OrderState.FILLED
    assert trade.market().best(SELL) == ASKS[0]
    trade.exchange.pause(False)
    trade.exchange.advance(trade.exchange.now_ns + 999_999)
    assert trade.market().best(SELL) == ASKS[0]
    trade.exchange.advance(trade.exchange.now_ns + 1)
    assert trade.market().best(SELL) == Level(8001, 100)


def test_crossed_picture_of_the_feed_is_left_out() -> None:
    trade = Trade()
    trade.show((Level(10005, 100),), (Level(10005, 100),))
    assert trade.market().book.top(BUY, 2) == BIDS


def test_long_pause_makes_the_feed_jump_and_ends_with_a_true_book() -> None:
    trade = Trade()
    order = trade("a", BUY, 9000, 300)
    trade.exchange.advance(START + 3600 * 10**9)
    assert order.is_open and trade.exchange.now_ns == START + 3600 * 10**9


def test_picture_that_crosses_serves_the_most_generous_order_first() -> None:
    trade = Trade()
    trade("a", BUY, 9998, 100)
    trade("b", BUY, 9999, 100)
    trade.show((Level(9990, 10),), (Level(9995, 150),))
    assert trade.shares() == [("b", 9999, 100, "maker"), ("a", 9998, 50, "maker")]


@pytest.mark.parametrize(("price", "filled"), [(9900, 100), (9898, 0)])
def test_print_outside_the_band_fills_nothing_but_is_on_the_tape(price: int, filled: int) -> None:
    trade = Trade()
    order = trade("a", BUY, 9999, 100)
    trade.print(price, 500, SELL)
    assert order.filled_lots == filled
    assert sum(print_.size_lots for print_ in trade.witness.prints) == 500
