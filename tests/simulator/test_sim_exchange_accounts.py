"""Money, positions, reduce-only orders, amends and cancels on the simulated exchange."""

from __future__ import annotations

from decimal import Decimal

import pytest

from api.simulator import exchange_account
from api.simulator.exchange import SimRefused
from core.market.order import OrderState
from tests.simulator.exchange_parts import BUY, PERP, SELL, SPOT, Trade


def test_spot_fee_of_a_buy_can_be_charged_in_base() -> None:
    trade = Trade()
    trade.market().fee_in_base = True
    trade("a", BUY, 10001, 1000)
    (fill,) = trade.witness.fills
    assert (fill.fee, fill.fee_asset) == (Decimal("0.0005"), "SOL")
    assert trade.exchange.balances("a")["SOL"][0] == Decimal("1000.9995")
    assert trade.exchange.balances("a")["USDC"][0] == Decimal(100_000) - Decimal("100.01")


def test_resting_orders_reserve_on_all_markets_of_the_account() -> None:
    trade = Trade({"USDC": Decimal(100)})
    trade("a", BUY, 9000, 1000)  # 90 quote, and the fee
    assert trade.exchange.balances("a")["USDC"] == (Decimal(100), Decimal(100) - Decimal("90.045"))
    assert trade("a", BUY, 9000, 1000, PERP).state is OrderState.NEW  # 9 of margin
    assert trade("a", BUY, 9000, 1000, PERP).reason == "insufficient_margin"
    assert trade("a", BUY, 9000, 200).reason.startswith("insufficient_balance")


def test_leverage_of_the_account_limits_what_it_may_open() -> None:
    trade = Trade({"USDC": Decimal(100)})
    trade.exchange.accounts["a"].leverage = Decimal(2)
    assert trade("a", BUY, 9990, 3000, PERP).reason == "insufficient_margin"
    assert trade("b", BUY, 9990, 3000, PERP).state is OrderState.NEW


def test_position_has_the_average_price_and_the_wallet_what_was_realised() -> None:
    trade = Trade()
    trade("a", BUY, 10002, 2000, PERP)
    assert trade.exchange.position("a", PERP) == (2000, Decimal("100.015"))
    trade("a", SELL, 9999, 1000, PERP)
    fees = sum((fill.fee for fill in trade.witness.fills), Decimal(0))
    assert trade.exchange.balances("a")["USDC"][0] == 100_000 - Decimal("0.025") - fees
    assert trade.exchange.positions("a") == {PERP: (1000, Decimal("100.015"))}
    assert trade.exchange.position("a", SPOT) == (0, None)


def test_reduce_only_order_shrinks_with_the_position_and_goes_with_it() -> None:
    trade = Trade()
    trade("a", BUY, 10001, 500, PERP)
    reducer = trade("a", SELL, 10050, 500, PERP, reduce_only=True)
    trade("a", SELL, 9999, 200, PERP)
    assert (reducer.size_lots, reducer.state) == (300, OrderState.NEW)
    assert trade.witness.orders[-1][1] == "modified"
    trade("a", SELL, 9999, 300, PERP)
    assert (reducer.state, reducer.reason) == (OrderState.CANCELED, "reduce_only")
    assert trade.market(PERP).book.size_at(SELL, 10050) == 0


def test_reduce_only_order_larger_than_the_position_rests_with_what_it_can_reduce() -> None:
    trade = Trade()
    trade("a", SELL, 9999, 500, PERP)
    reducer = trade("a", BUY, 9000, 900, PERP, reduce_only=True)
    assert reducer.size_lots == 500 and trade.market(PERP).book.size_at(BUY, 9000) == 500


def test_reduce_only_taker_never_turns_the_position() -> None:
    trade = Trade()
    trade("a", SELL, 9999, 500, PERP)
    taker = trade("a", BUY, 10003, 900, PERP, reduce_only=True)
    assert (taker.filled_lots, taker.state, taker.reason) == (500, OrderState.EXPIRED, "reduce_only")
    assert trade.exchange.position("a", PERP) == (0, None)


def test_reduce_only_order_without_a_position_is_refused() -> None:
    assert Trade()("a", BUY, 9990, 100, PERP, reduce_only=True).reason == "reduce_only_would_not_reduce"


def test_amend_that_only_shrinks_keeps_its_place_and_any_other_goes_to_the_end() -> None:
    trade = Trade()
    first, second = trade("a", BUY, 10000, 300), trade("b", BUY, 10000, 300)
    trade.exchange.amend("a", first.order_id, 10000, 200)
    trade("c", SELL, 10000, 100)
    assert (first.filled_lots, second.filled_lots) == (100, 0)
    trade.exchange.amend("a", first.order_id, 10000, 400)
    trade("c", SELL, 10000, 100)
    assert (first.filled_lots, second.filled_lots) == (100, 100)
    assert trade.market().book.size_at(BUY, 10000) == 500


def test_amend_to_a_crossing_price_trades_at_once() -> None:
    trade = Trade()
    order = trade("a", BUY, 9990, 300)
    trade.exchange.amend("a", order.order_id, 10001, 300)
    assert order.state is OrderState.FILLED and trade.shares() == [("a", 10001, 300, "taker")]


@pytest.mark.parametrize(
    ("price", "lots", "reason"),
    [(10001, 300, "post_only_would_cross"), (9990, 10**7, "insufficient"), (0, 300, "price")],
)
def test_refused_amend_leaves_the_order_as_it_was(price: int, lots: int, reason: str) -> None:
    trade = Trade()
    order = trade("a", BUY, 9990, 300, post_only=True)
    with pytest.raises(SimRefused, match=reason):
        trade.exchange.amend("a", order.order_id, price, lots)
    assert (order.price_ticks, order.size_lots, order.state) == (9990, 300, OrderState.NEW)
    assert trade.market().book.size_at(BUY, 9990) == 300


def test_amend_is_not_counted_beside_itself_and_one_below_what_filled_cancels() -> None:
    trade = Trade({"USDC": Decimal(100)})
    order = trade("a", BUY, 9000, 1000)
    assert trade.exchange.amend("a", order.order_id, 9900, 1000) is order
    trade.exchange.fill_resting("a", order.order_id, 400)
    trade.exchange.amend("a", order.order_id, 9900, 400)
    assert (order.state, order.filled_lots) == (OrderState.CANCELED, 400)
    assert trade.exchange.amend("a", order.order_id, 9900, 400) is None


def test_cancel_takes_an_order_out_once_and_only_for_its_owner() -> None:
    trade = Trade()
    order = trade("a", BUY, 9990, 300)
    assert trade.exchange.cancel("b", order.order_id) is None
    assert trade.exchange.cancel("a", order.order_id) is order
    assert trade.exchange.cancel("a", order.order_id) is None
    assert (order.state, order.reason) == (OrderState.CANCELED, "user")
    assert trade.exchange.order("a", order.order_id) is order
    assert trade.market().book.size_at(BUY, 9990) == 0


def test_end_of_a_session_takes_its_orders_that_are_not_persistent() -> None:
    trade = Trade()
    dies = trade("a", BUY, 9990, 300, client_id="1", session="s1", persistent=False)
    stays = trade("a", BUY, 9989, 300, client_id="2", session="s1")
    other = trade("a", BUY, 9988, 300, client_id="1", session="s2", persistent=False)
    assert other.state is OrderState.NEW  # a client id is unique within its session
    assert trade.exchange.by_client_id("a", "1", "s2") is other
    assert trade.exchange.cancel_session("s1") == [dies]
    assert (dies.reason, stays.is_open, other.is_open) == ("session_end", True, True)


def test_only_a_bounded_number_of_closed_orders_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_account, "MAX_CLOSED_ORDERS", 2)
    trade = Trade()
    orders = [trade("a", BUY, 9990, 300) for _ in range(3)]
    trade.exchange.cancel_all("a")
    assert trade.exchange.closed_orders("a") == orders[1:]


def test_fill_or_kill_counts_only_what_a_reduce_only_order_behind_another_can_still_give() -> None:
    trade = Trade()
    trade("a", BUY, 10001, 500, PERP)
    trade.show((), (), PERP)
    trade("a", SELL, 10020, 500, PERP)
    trade("a", SELL, 10021, 500, PERP, reduce_only=True)
    assert trade("b", BUY, 10021, 1000, PERP, time_in_force="FOK").filled_lots == 0
    assert trade("b", BUY, 10021, 500, PERP, time_in_force="FOK").state is OrderState.FILLED
    assert trade.exchange.open_orders("a") == []
