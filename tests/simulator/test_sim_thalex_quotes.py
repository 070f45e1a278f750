"""Mass quotes and market-maker protection at the Thalex simulator."""

from __future__ import annotations

from typing import Any

from tests.simulator.thalex_talker import PERP, Desk, Row, Talker


def quote(bid: Any, ask: Any, name: str = PERP) -> Row:
    return {"i": name, "b": bid, "a": ask}


def quoter(desk: Desk, trade: float = 1.0, most: float = 2.0, account: Row | None = None) -> Talker:
    talker = desk.session(account, guard_s=30)
    talker.call("private/subscribe", channels=["session.mm_protection", "session.orders"])
    talker.call("private/set_mm_protection", product="FBTCUSD", trade_amount=trade, quote_amount=most)
    return talker


def standing(talker: Talker) -> list[tuple[str, float, float]]:
    rows = talker.call("private/open_orders")
    return sorted((row["direction"], row["price"], row["remaining_amount"]) for row in rows)


def test_mass_quote_puts_replaces_keeps_and_removes(desk: Desk) -> None:
    talker = quoter(desk)
    put = [quote({"p": 64_000, "a": 0.1}, {"p": 66_000, "a": 0.1})]
    assert talker.call("private/mass_quote", quotes=put, label="q") == {"n_success": 2, "n_fail": 0, "errors": []}
    first = {row["order_id"] for row in talker.call("private/open_orders")}
    talker.call("private/mass_quote", quotes=put, label="q")
    assert {row["order_id"] for row in talker.call("private/open_orders")} == first
    talker.call("private/mass_quote", quotes=[{"i": PERP, "b": [[64_001, 0.2], [64_002, 0.2]]}])
    assert standing(talker) == [("buy", 64_001, 0.2), ("buy", 64_002, 0.2), ("sell", 66_000, 0.1)]
    talker.call("private/mass_quote", quotes=[quote([], {"p": 66_000, "a": 0})])
    assert standing(talker) == []


def test_mass_quote_needs_a_protection_and_keeps_to_it(desk: Desk) -> None:
    talker = desk.session()
    put = [quote({"p": 64_000, "a": 0.1}, {"p": 66_000, "a": 3})]
    found = talker.call("private/mass_quote", quotes=put)
    assert (found["n_success"], [error["code"] for error in found["errors"]]) == (0, [23, 23])
    found = quoter(desk).call("private/mass_quote", quotes=put)
    assert (found["n_success"], [error["code"] for error in found["errors"]]) == (1, [44])


def test_used_up_protection_ends_the_quotes(desk: Desk) -> None:
    account = desk.account()
    talker = quoter(desk, trade=0.05, account=account)
    talker.call("private/mass_quote", quotes=[quote({"p": 64_000, "a": 0.1}, {"p": 66_000, "a": 0.1})])
    desk.simulator.fault("partial_fill", account=account["account"], lots=60)
    talker.until(lambda: len(talker.of("session.mm_protection")) == 2)
    rows = [value[0] for value in talker.of("session.mm_protection")]
    assert [(row["remaining_amount"], row["reason"]) for row in rows] == [(0.05, "refill"), (-0.01, "executions")]
    desk.simulator.until(lambda _: not desk.open_orders(account))
    reasons = talker.until(lambda: [v[0] for v in talker.of("session.orders") if v and v[0].get("delete_reason")][1:])
    assert reasons[0]["delete_reason"] == "mm_protection"
    found = talker.call("private/mass_quote", quotes=[quote({"p": 64_000, "a": 0.1}, None)])
    assert found["errors"][0]["code"] == 23


def test_cancelled_mass_quote_leaves_other_orders_alone(desk: Desk) -> None:
    talker = quoter(desk)
    talker.insert("buy", 64_000, 0.3)
    talker.call("private/mass_quote", quotes=[quote({"p": 64_000, "a": 0.1}, {"p": 66_000, "a": 0.1})])
    assert talker.call("private/cancel_mass_quote") is None
    assert standing(talker) == [("buy", 64_000, 0.3)]
    assert talker.of("session.mm_protection")[-1][0]["reason"] == "client_cancel"
