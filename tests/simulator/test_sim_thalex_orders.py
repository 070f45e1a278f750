"""Orders at the Thalex simulator: refused, taken, amended, cancelled."""

from __future__ import annotations

import pytest

from tests.simulator.thalex_talker import FUTURE, PERP, Desk, Row, code_of


# -- orders that are refused ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"instrument_name": "ETH-PERPETUAL"}, 5),
        ({"price": 64_000.5}, 15),
        ({"price": 0}, 13),
        ({"price": -5}, 13),
        ({"price": "64000"}, 6),
        ({"amount": 0.1005}, 14),
        ({"amount": 0}, 14),
        ({"amount": "0.1"}, 6),
        ({"amount": 1e-9}, 14),
        ({"direction": "long"}, 6),
        ({"order_type": "stop"}, 6),
        ({"time_in_force": "gtc"}, 6),
        ({"post_only": True, "time_in_force": "immediate_or_cancel"}, 25),
        ({"order_type": "market", "time_in_force": "good_till_cancelled"}, 25),
        ({"order_type": "market", "collar": "ignore"}, 6),
        ({"price": 70_000}, 43),
        ({"amount": 1000}, 24),
        ({"reduce_only": True}, 57),
        ({"client_order_id": -1}, 6),
        ({"client_order_id": 2**64}, 6),
        ({"client_order_id": "7"}, 6),
        ({"label": 7}, 6),
    ],
)
def test_bad_order_is_refused_with_the_venues_code(desk: Desk, changes: Row, code: int) -> None:
    account = desk.account()
    order = {"instrument_name": PERP, "direction": "buy", "price": 64_000, "amount": 0.1}
    assert code_of(desk.session(account), "private/insert", **order | changes) == code
    assert not desk.open_orders(account)


def test_limit_order_without_a_price_is_code_13(desk: Desk) -> None:
    assert code_of(desk.session(), "private/insert", instrument_name=PERP, direction="buy", amount=0.1) == 13


def test_client_order_id_is_unique_among_open_orders_of_the_session(desk: Desk) -> None:
    account = desk.account()
    talker, other = desk.session(account), desk.session(account)
    talker.insert("buy", 64_000, client_order_id=7)
    params = {"instrument_name": PERP, "direction": "buy", "price": 64_000, "amount": 0.1, "client_order_id": 7}
    assert code_of(talker, "private/insert", **params) == 2
    assert other.insert("buy", 64_000, client_order_id=7)["status"] == "open"
    talker.call("private/cancel", client_order_id=7)
    assert talker.insert("buy", 64_000, client_order_id=7)["status"] == "open"


def test_unknown_parameter_is_overlooked_and_counted(desk: Desk) -> None:
    before = desk.violations().get("unknown_param", 0)
    assert desk.session().insert("buy", 64_000, postOnly=True)["status"] == "open"
    assert desk.violations()["unknown_param"] == before + 1


# -- orders that are taken ------------------------------------------------------------------------------------------
def test_order_is_echoed_with_its_label_and_client_id(desk: Desk) -> None:
    account = desk.account()
    row = desk.session(account).insert("buy", 64_000, 0.25, label="mm1", client_order_id=2**64 - 1)
    expected = {"price": 64_000, "amount": 0.25, "remaining_amount": 0.25, "filled_amount": 0, "status": "open"}
    assert {key: row[key] for key in expected} == expected
    assert (row["label"], row["client_order_id"], row["persistent"], row["fills"]) == ("mm1", 2**64 - 1, True, [])
    assert [found["label"] for found in desk.open_orders(account)] == ["mm1"]


def test_post_only_order_that_would_cross_is_moved_out(desk: Desk) -> None:
    talker = desk.session()
    best_ask = talker.call("public/ticker", instrument_name=PERP)["best_ask_price"]
    row = talker.insert("buy", best_ask + 100, post_only=True)
    assert (row["price"], row["status"]) == (best_ask - 1, "open")


def test_post_only_order_that_asked_for_it_is_cancelled_instead(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    row = talker.insert("sell", talker.mid() - 100, post_only=True, reject_post_only=True, client_order_id=3)
    assert (row["status"], row["delete_reason"], row["remaining_amount"]) == ("cancelled", "immediate_cancel", 0)
    assert not desk.open_orders(account)
    assert talker.insert("buy", 64_000, client_order_id=3)["status"] == "open"


def test_ioc_fills_what_it_can_and_the_rest_is_cancelled(desk: Desk) -> None:
    talker = desk.session()
    best_ask, amount, _ = talker.call("public/book", instrument_name=PERP)["asks"][0]
    row = talker.insert("buy", best_ask, round(amount + 0.5, 3), time_in_force="immediate_or_cancel")
    assert (row["status"], row["delete_reason"]) == ("cancelled_partially_filled", "immediate_cancel")
    assert row["filled_amount"] == sum(fill["amount"] for fill in row["fills"]) == amount
    assert (row["remaining_amount"], row["fills"][0]["maker_taker"]) == (0, "taker")


def test_market_order_needs_no_price_and_stays_within_the_collar(desk: Desk) -> None:
    talker = desk.session()
    row = talker.call("private/sell", instrument_name=FUTURE, amount=0.01, order_type="market")
    assert (row["status"], row["order_type"], "price" in row) == ("filled", "market", False)
    assert row["time_in_force"] == "immediate_or_cancel"


def test_clamped_price_is_the_collar(desk: Desk) -> None:
    talker = desk.session()
    collar = talker.call("public/ticker", instrument_name=PERP)["collar_low"]
    row = talker.insert("sell", 60_000, 0.001, collar="clamp", time_in_force="immediate_or_cancel")
    assert collar <= row["price"] < collar + 1


def test_reduce_only_order_is_cut_down_to_the_position(desk: Desk) -> None:
    talker = desk.session()
    talker.call("private/buy", instrument_name=FUTURE, amount=0.02, order_type="market")
    talker.call("private/subscribe", channels=["account.orders"])
    params = {"instrument_name": FUTURE, "amount": 1, "price": 67_000, "reduce_only": True}
    row = talker.call("private/sell", **params)
    assert (row["amount"], row["reduce_only"]) == (0.02, True)
    assert [told[0]["amount"] for told in talker.of("account.orders")[1:]] == [0.02]
    assert code_of(talker, "private/buy", **params | {"price": 64_000}) == 57


def test_two_accounts_trade_with_each_other(desk: Desk) -> None:
    maker, taker = desk.session(), desk.session()
    price = maker.mid()
    resting = maker.insert("sell", price, 0.05)
    row = taker.insert("buy", price, 0.05, time_in_force="immediate_or_cancel")
    (trade,) = maker.call("private/trade_history")["trades"]
    assert trade["order_id"] == resting["order_id"] and trade["trade_id"] == row["fills"][0]["trade_id"]
    assert (trade["maker_taker"], trade["position_after"], trade["label"]) == ("maker", -0.05, "")


# -- amend and cancel -----------------------------------------------------------------------------------------------
def test_amend_sets_price_and_total_amount(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.insert("buy", 64_000, 0.1, client_order_id=1)
    desk.simulator.fault("partial_fill", account=account["account"], lots=40)
    row = talker.call("private/amend", client_order_id=1, price=64_010, amount=0.3)
    assert (row["price"], row["amount"], row["filled_amount"], row["remaining_amount"]) == (64_010, 0.3, 0.04, 0.26)
    assert (row["status"], row["change_reason"]) == ("partially_filled", "amend")


def test_amend_to_what_is_filled_ends_the_order(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    order_id = talker.insert("buy", 64_000, 0.1)["order_id"]
    desk.simulator.fault("partial_fill", account=account["account"], lots=40)
    row = talker.call("private/amend", order_id=order_id, price=64_000, amount=0.04)
    assert (row["status"], row["filled_amount"], row["remaining_amount"]) == ("cancelled_partially_filled", 0.04, 0)


def test_amend_that_is_refused_leaves_the_order(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.insert("buy", 64_000, 0.1, client_order_id=1)
    assert code_of(talker, "private/amend", client_order_id=1, price=64_000, amount=1000) == 24
    assert code_of(talker, "private/amend", client_order_id=1, price=64_000.5, amount=0.1) == 15
    assert code_of(talker, "private/amend", client_order_id=1, price=70_000, amount=0.1) == 43
    assert [row["size"] for row in desk.open_orders(account)] == ["0.100"]


def test_cancel_answers_the_order(desk: Desk) -> None:
    talker = desk.session()
    order_id = talker.insert("buy", 64_000)["order_id"]
    row = talker.call("private/cancel", order_id=order_id)
    assert (row["order_id"], row["status"], row["delete_reason"]) == (order_id, "cancelled", "client_cancel")
    assert row["close_time"] >= row["create_time"]


def test_cancel_of_an_order_that_has_ended_is_code_1_and_no_violation(desk: Desk) -> None:
    talker = desk.session()
    order_id = talker.insert("buy", 64_000)["order_id"]
    talker.call("private/cancel", order_id=order_id)
    before = desk.violations()
    assert code_of(talker, "private/cancel", order_id=order_id) == 1
    assert desk.violations() == before


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"order_id": "001BF14DFFFFFFFF"}, 1),
        ({"order_id": "17"}, 12),
        ({"client_order_id": 99}, 1),
        ({}, 6),
        ({"order_id": "001BF14DFFFFFFFF", "client_order_id": 99}, 6),
    ],
)
def test_cancel_of_an_unknown_order_is_refused(desk: Desk, params: Row, code: int) -> None:
    assert code_of(desk.session(), "private/cancel", **params) == code


def test_client_order_id_works_only_in_its_own_session(desk: Desk) -> None:
    account = desk.account()
    order_id = desk.session(account).insert("buy", 64_000, client_order_id=7)["order_id"]
    other = desk.session(account)
    assert code_of(other, "private/cancel", client_order_id=7) == 1
    assert other.call("private/cancel", order_id=order_id)["status"] == "cancelled"


def test_order_of_another_account_is_not_found(desk: Desk) -> None:
    order_id = desk.session().insert("buy", 64_000)["order_id"]
    assert code_of(desk.session(), "private/cancel", order_id=order_id) == 1


def test_cancel_all_counts_the_orders_of_all_sessions(desk: Desk) -> None:
    account = desk.account()
    talker, other = desk.session(account), desk.session(account)
    for session in (talker, talker, other):
        session.insert("buy", 64_000)
    assert talker.call("private/cancel_all") == 3
    assert talker.call("private/open_orders") == []
    assert {row["delete_reason"] for row in talker.call("private/order_history")["orders"]} == {"client_bulk_cancel"}
