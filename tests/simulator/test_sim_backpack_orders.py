"""The Backpack simulator over real sockets: orders placed, refused, filled and cancelled."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.sim_process import SimProcess
from tests.simulator.backpack_caller import Caller, best, code_of

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
SIMULATOR = ("--trades-per-s", "0", "--volatility-bps", "0")
_ORDER, _ORDERS = "/api/v1/order", "/api/v1/orders"
_GOLDEN = Path(__file__).parent.parent / "golden" / "backpack"


# -- orders ---------------------------------------------------------------------------------------------------------
def test_a_resting_order_is_told_listed_found_and_cancelled(sim: SimProcess, user: Caller) -> None:
    status, placed = user.limit("Bid", "140.5", "1.50", postOnly=True, timeInForce="GTC", clientId=7)
    assert status == 200
    assert (placed["status"], placed["price"], placed["quantity"], placed["clientId"]) == ("New", "140.5", "1.5", 7)
    assert placed["createdAt"] > 10**12 and placed["executedQuantity"] == "0"
    assert user.call("GET", _ORDERS, symbol=SPOT) == (200, [placed])
    assert user.call("GET", _ORDER, symbol=SPOT, clientId=7) == (200, placed)
    status, cancelled = user.call("DELETE", _ORDER, symbol=SPOT, orderId=placed["id"])
    assert (status, cancelled["status"]) == (200, "Cancelled")
    assert user.call("GET", _ORDERS) == (200, [])
    assert code_of(user.call("GET", _ORDER, symbol=SPOT, orderId=placed["id"])) == (404, "RESOURCE_NOT_FOUND")


def test_an_order_has_every_field_of_the_captured_answers(user: Caller) -> None:
    cases = json.loads((_GOLDEN / "rest_cases.json").read_text())["cases"]
    captured = {case["name"]: case["response"] for case in cases}
    _, limit = user.limit("Bid", "140", "1")
    _, market = user.market("Bid", "1")
    assert limit.keys() == captured["limit order accepted (spot)"].keys()
    assert market.keys() == captured["market order filled (spot)"].keys()
    (fill,) = user.call("GET", "/wapi/v1/history/fills")[1]
    assert fill.keys() == captured["my fills: newest first, bid pays the fee in base"][0].keys()
    past = user.call("GET", "/wapi/v1/history/orders", orderId=limit["id"])[1][0]
    assert past.keys() == captured["order history: ISO time without zone"][0].keys()


def test_a_market_order_fills_and_pays_its_fee_in_base(user: Caller) -> None:
    status, filled = user.market("Bid", "2")
    assert (status, filled["status"], filled["executedQuantity"]) == (200, "Filled", "2")
    assert "price" not in filled and Decimal(filled["executedQuoteQuantity"]) > 0
    (fill,) = user.call("GET", "/wapi/v1/history/fills", symbol=SPOT)[1]
    assert (fill["feeSymbol"], fill["fee"], fill["isMaker"]) == ("SOL", "0.002", False)
    assert fill["timestamp"][10] == "T" and "+" not in fill["timestamp"]
    assert user.call("GET", "/api/v1/capital")[1]["SOL"]["available"] == "301.998"


def test_a_perpetual_fill_makes_a_position(user: Caller) -> None:
    assert user.call("GET", "/api/v1/position") == (200, [])
    assert user.call("GET", "/api/v1/position", symbol=PERP)[0] == 404
    user.market("Ask", "3", PERP)
    ((position),) = user.call("GET", "/api/v1/position")[1]
    assert (position["symbol"], position["netQuantity"]) == (PERP, "-3")
    collateral = user.call("GET", "/api/v1/capital/collateral")[1]
    assert Decimal(collateral["netExposureFutures"]) > 0
    status, closed = user.market("Bid", "5", PERP, reduceOnly=True)
    assert (status, closed["executedQuantity"]) == (200, "3")
    assert user.call("GET", "/api/v1/position") == (200, [])


def test_two_accounts_trade_with_each_other_and_both_see_one_trade_id(sim: SimProcess, user: Caller) -> None:
    bid, ask = best(user, SPOT)
    price = str(bid + Decimal("0.01"))
    assert Decimal(price) < ask
    with Caller(sim.hello["base_url"], sim.account()) as other:
        user.limit("Bid", price, "0.5", clientId=1)
        _, sold = other.limit("Ask", price, "0.5", timeInForce="IOC")
        assert sold["status"] == "Filled"
        (bought,), (sale,) = (each.call("GET", "/wapi/v1/history/fills")[1] for each in (user, other))
    assert bought["tradeId"] == sale["tradeId"]
    assert (bought["isMaker"], sale["isMaker"], bought["clientId"]) == (True, False, "1")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"price": "140.505"}, 400, "INVALID_PRICE"),
        ({"price": "0"}, 400, "INVALID_PRICE"),
        ({"price": "10"}, 400, "INVALID_PRICE"),
        ({"quantity": "1.001"}, 400, "INVALID_QUANTITY"),
        ({"quantity": "0"}, 400, "INVALID_QUANTITY"),
        ({"quantity": "5000"}, 400, "INSUFFICIENT_FUNDS"),
        ({"symbol": PERP, "quantity": "50000"}, 400, "INSUFFICIENT_MARGIN"),
        ({"symbol": "NO_SUCH"}, 400, "INVALID_SYMBOL"),
        ({"side": "Buy"}, 400, "INVALID_CLIENT_REQUEST"),
        ({"quantity": 1}, 400, "INVALID_CLIENT_REQUEST"),
        ({"clientId": "7"}, 400, "INVALID_CLIENT_REQUEST"),
        ({"clientId": 2**32}, 400, "INVALID_CLIENT_REQUEST"),
        ({"clientId": -1}, 400, "INVALID_CLIENT_REQUEST"),
        ({"postOnly": True, "timeInForce": "IOC"}, 400, "INVALID_ORDER"),
        ({"symbol": PERP, "reduceOnly": True}, 400, "INVALID_ORDER"),
        ({"timeInForce": "GTT"}, 400, "INVALID_CLIENT_REQUEST"),
        ({"triggerPrice": "100"}, 501, "NOT_IMPLEMENTED"),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_with_the_venuescode_of(
    user: Caller, changes: dict[str, Any], status: int, code: str
) -> None:
    order = {"symbol": SPOT, "side": "Bid", "orderType": "Limit", "price": "140", "quantity": "1"} | changes
    assert code_of(user.call("POST", _ORDER, **order)) == (status, code)
    assert user.call("GET", _ORDERS) == (200, [])


def test_a_post_only_order_that_would_cross_is_refused_in_the_captured_words(user: Caller) -> None:
    _, ask = best(user, SPOT)
    status, body = user.limit("Bid", str(ask), "1", postOnly=True)
    assert (status, body) == (400, {"code": "INVALID_ORDER", "message": "Order would immediately match and take"})


def test_the_largest_client_id_works_and_a_second_one_is_refused_while_it_is_open(user: Caller) -> None:
    assert user.limit("Bid", "140", "1", clientId=2**32 - 1)[1]["clientId"] == 2**32 - 1
    assert code_of(user.limit("Bid", "141", "1", clientId=2**32 - 1)) == (400, "INVALID_ORDER")
    assert user.call("DELETE", _ORDER, symbol=SPOT, clientId=2**32 - 1)[0] == 200
    assert user.limit("Bid", "140", "1", clientId=2**32 - 1)[0] == 200


def test_an_ioc_order_far_away_expires_and_history_says_why(user: Caller) -> None:
    status, order = user.limit("Bid", "140", "1", timeInForce="IOC")
    assert (status, order["status"]) == (200, "Expired")
    (past,) = user.call("GET", "/wapi/v1/history/orders")[1]
    assert (past["id"], past["expiryReason"]) == (order["id"], "ImmediateOrCancel")


def test_an_fok_order_that_cannot_fill_takes_nothing(user: Caller) -> None:
    _, ask = best(user, PERP)
    _, order = user.limit("Bid", str(ask), "3000", PERP, timeInForce="FOK")
    assert (order["status"], order["executedQuantity"]) == ("Expired", "0")


def test_a_batch_answers_in_order_and_one_failure_stops_nothing(user: Caller) -> None:
    good = {"symbol": SPOT, "side": "Bid", "orderType": "Limit", "price": "140", "quantity": "1", "postOnly": True}
    status, rows = user.batch([good | {"clientId": 1}, good | {"quantity": "9999"}, good | {"clientId": 2}])
    assert status == 200
    assert [row["operation"] for row in rows] == ["Ok", "Err", "Ok"]
    assert rows[1] == {"operation": "Err", "code": "INSUFFICIENT_FUNDS", "message": "Insufficient funds"}
    assert [row["clientId"] for row in user.call("GET", _ORDERS)[1]] == [1, 2]


def test_cancel_all_ends_the_orders_of_one_market_only(user: Caller) -> None:
    user.limit("Bid", "140", "1")
    user.limit("Bid", "139", "1")
    _, other = user.limit("Bid", "140", "1", PERP)
    status, rows = user.call("DELETE", _ORDERS, symbol=SPOT)
    assert (status, [row["status"] for row in rows]) == (200, ["Cancelled", "Cancelled"])
    assert [row["id"] for row in user.call("GET", _ORDERS)[1]] == [other["id"]]
    assert user.call("GET", _ORDERS, marketType="SPOT") == (200, [])


def _violations(sim: SimProcess, kind: str) -> int:
    count: int = sim.state()["counters"]["violations"].get(kind, 0)
    return count


def test_cancel_of_an_unknown_order_is_404_and_counted(sim: SimProcess, user: Caller) -> None:
    before = _violations(sim, "unknown_cancel")
    assert code_of(user.call("DELETE", _ORDER, symbol=SPOT, orderId="123")) == (404, "RESOURCE_NOT_FOUND")
    assert code_of(user.call("DELETE", _ORDER, symbol=SPOT)) == (400, "INVALID_CLIENT_REQUEST")
    assert _violations(sim, "unknown_cancel") == before + 1


def test_a_cancel_that_comes_too_late_is_404_and_not_counted(sim: SimProcess, user: Caller) -> None:
    before = _violations(sim, "unknown_cancel")
    _, order = user.limit("Bid", "140", "1", clientId=3)
    assert user.call("DELETE", _ORDER, symbol=SPOT, orderId=order["id"])[0] == 200
    assert user.call("DELETE", _ORDER, symbol=SPOT, orderId=order["id"])[0] == 404
    assert user.call("DELETE", _ORDER, symbol=SPOT, clientId=3)[0] == 404
    assert _violations(sim, "unknown_cancel") == before


# -- what nobody should send ----------------------------------------------------------------------------------------
_NONSENSE: list[Any] = [
    None, [], {}, "text", 5, True, -1, 1.5, "", "NaN", "Infinity", "-1", "1e999999", "1" * 5000, "0." + "0" * 60 + "1",
    {"symbol": SPOT}, ["1"], 10**30, "\u0661",
]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["symbol", "side", "orderType", "price", "quantity", "clientId", "postOnly", "timeInForce"]
)
def test_nonsense_in_an_order_is_refused_or_placed_but_never_breaks_the_venue(user: Caller, name: str) -> None:
    order = {"symbol": SPOT, "side": "Bid", "orderType": "Limit", "price": "140", "quantity": "1"}
    for value in _NONSENSE:
        body = order | {name: value}
        answer = user.send("POST", _ORDER, body, user.headers("POST", _ORDER, body))
        assert answer.status_code in (200, 400) and isinstance(answer.json(), dict), (value, answer.text)
        if answer.status_code == 400:
            assert answer.json().keys() == {"code", "message"}


@pytest.mark.parametrize("path", [_ORDER, _ORDERS, "/api/v1/borrowLend", "/api/v1/account"])
def test_a_body_of_the_wrong_kind_is_refused_on_every_path(user: Caller, path: str) -> None:
    for method in ("POST", "DELETE", "PATCH"):
        for body in (b"", b"[]", b"[1]", b"{}", b"null", b"5", b'"x"', b"{" * 5000, b"\xff"):
            headers = {"X-API-Key": user.key, "X-Signature": "x", "X-Timestamp": "9" * 5000, "X-Window": "5000"}
            answer = user.session.request(method, user.base_url + path, data=body, headers=headers, timeout=10)
            assert answer.status_code in (400, 405), answer.text


def test_an_order_against_the_own_one_is_ended_by_self_trade_prevention(user: Caller) -> None:
    bid, _ = best(user, SPOT)
    inside = str(bid + Decimal("0.01"))
    user.limit("Bid", inside, "1")
    _, taker = user.limit("Ask", inside, "1")
    assert (taker["status"], taker["executedQuantity"]) == ("Expired", "0")
    past = user.call("GET", "/wapi/v1/history/orders", orderId=taker["id"])[1][0]
    assert past["expiryReason"] == "SelfTradePrevention"


def test_market_types_can_be_asked_for(user: Caller) -> None:
    assert [row["symbol"] for row in user.public("/api/v1/markets", marketType="PERP")] == [PERP]
    answer = user.session.get(f"{user.base_url}/api/v1/markets?marketType=PERP&marketType=SPOT", timeout=10)
    assert len(answer.json()) == 2


def test_a_market_order_sized_in_quote_takes_what_it_pays_for(user: Caller) -> None:
    _, ask = best(user, SPOT)
    quote = str(ask * Decimal("0.175"))
    body = {"symbol": SPOT, "side": "Bid", "orderType": "Market", "quoteQuantity": quote}
    status, order = user.call("POST", _ORDER, **body)
    assert (status, order["status"], order["executedQuantity"]) == (200, "Filled", "0.17")
