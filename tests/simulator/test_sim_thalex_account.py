"""Money, positions and histories at the Thalex simulator."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.simulator.thalex_talker import FUTURE, PERP, Desk


# -- the account ----------------------------------------------------------------------------------------------------
def test_money_and_position_follow_a_trade(desk: Desk) -> None:
    account = desk.account(balances={"USD": "10000"})
    talker = desk.session(account)
    assert talker.call("private/portfolio") == []
    row = talker.call("private/buy", instrument_name=FUTURE, amount=0.1, order_type="market")
    (position,) = talker.call("private/portfolio")
    summary = talker.call("private/account_summary")
    state = desk.simulator.state(account["account"])["accounts"][account["account"]]
    assert Decimal(str(position["position"])) == Decimal(state["positions"][FUTURE]["size"]) == Decimal("0.1")
    paid = sum(fill["price"] * fill["amount"] for fill in row["fills"])  # of one level or more
    assert position["average_price"] == float(state["positions"][FUTURE]["entry_price"])
    assert position["average_price"] == pytest.approx(paid / 0.1)
    assert summary["cash"][0]["balance"] == pytest.approx(float(state["balances"]["USD"]["total"]))
    assert summary["margin"] == pytest.approx(summary["cash_collateral"] + position["unrealised_pnl"])
    assert summary["remaining_margin"] == pytest.approx(summary["margin"] - summary["required_margin"])
    breakdown = talker.call("private/account_breakdown")
    assert breakdown["account_number"] == account["credentials"]["venue_account"]
    assert breakdown["portfolio"][0]["position"] == 0.1 and breakdown["margin"] == summary["margin"]


def test_open_orders_need_margin(desk: Desk) -> None:
    talker = desk.session()
    talker.insert("buy", 64_000, 1)
    row = talker.call("private/account_summary")
    assert row["required_margin"] == pytest.approx(64_999 / 20, rel=0.05)
    asked = talker.call("private/required_margin_for_order", instrument_name=PERP, price=65_000, amount=2)
    assert asked["current"]["required_margin"] == pytest.approx(row["required_margin"])
    assert asked["with_buy"]["required_margin"] == pytest.approx(row["required_margin"] + 6500)


@pytest.mark.parametrize("sort", ["ascending", "descending"])
def test_trade_history_comes_in_pages(desk: Desk, sort: str) -> None:
    talker = desk.session()
    made = [
        talker.call("private/buy", instrument_name=FUTURE, amount=0.001, order_type="market", label=f"t{number}")
        for number in range(5)
    ]
    labels, bookmark = [], None
    while True:
        more = {} if bookmark is None else {"bookmark": bookmark}
        page = talker.call("private/trade_history", limit=2, sort=sort, **more)
        labels += [trade["label"] for trade in page["trades"]]
        bookmark = page["bookmark"]
        if bookmark is None:
            break
    expected = [row["label"] for row in made]
    assert labels == (expected if sort == "ascending" else expected[::-1])


def test_trade_history_since_a_time_begins_with_the_trade_of_that_time(desk: Desk) -> None:
    talker = desk.session()
    for label in ("t0", "t1", "t2"):
        talker.call("private/buy", instrument_name=FUTURE, amount=0.001, order_type="market", label=label)
    middle = talker.call("private/trade_history", sort="ascending")["trades"][1]
    page = talker.call("private/trade_history", sort="ascending", time_low=middle["time"], instrument_names=FUTURE)
    assert [trade["label"] for trade in page["trades"]] == ["t1", "t2"]
    assert talker.call("private/trade_history", time_high=middle["time"] - 1)["trades"] == []
    assert talker.call("private/trade_history", instrument_names=PERP)["trades"] == []


def test_order_history_leaves_out_unfilled_orders_of_guarded_sessions(desk: Desk) -> None:
    talker = desk.session()
    talker.call("private/cancel", order_id=talker.insert("buy", 64_000, label="persistent")["order_id"])
    talker.call("private/set_cancel_on_disconnect", timeout_secs=6)
    talker.call("private/cancel", order_id=talker.insert("buy", 64_000, label="guarded")["order_id"])
    talker.call("private/buy", instrument_name=FUTURE, amount=0.001, order_type="market", label="filled")
    rows = talker.call("private/order_history")["orders"]
    assert [(row["label"], row["delete_reason"]) for row in rows] == [
        ("filled", "filled"),
        ("persistent", "client_cancel"),
    ]
    assert all("remaining_amount" not in row for row in rows)
