"""What can be made to go wrong at the Backpack simulator, and where it does."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
import requests
import websocket

from tests.sim_process import SimProcess, start_simulator
from tests.simulator.backpack_caller import Caller, Stream

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
SIMULATOR = ("--trades-per-s", "0", "--volatility-bps", "9", "--interval-ms", "20")
_ORDER, _ORDERS = "/api/v1/order", "/api/v1/orders"


def _is(event: str) -> Any:
    return lambda message: message.get("data", {}).get("e") == event


def _private(stream: Stream, user: Caller) -> None:
    """Subscribe to orders and wait until it holds."""
    stream.subscribe("account.orderUpdate", "nonsense", signer=user)
    stream.until(lambda message: "error" in message)


def _open_ids(sim: SimProcess, user: Caller) -> list[str]:
    return [order["order_id"] for order in sim.state(user.account)["accounts"][user.account]["open_orders"]]


# -- REST -----------------------------------------------------------------------------------------------------------
def test_a_dropped_answer_leaves_the_order_placed(sim: SimProcess, user: Caller) -> None:
    sim.fault("drop_answer", account=user.account, match=f"POST {_ORDER}")
    with pytest.raises(requests.ConnectionError):
        user.limit("Bid", "140", "1", clientId=5)
    status, found = user.call("GET", _ORDER, symbol=SPOT, clientId=5)
    assert (status, _open_ids(sim, user)) == (200, [found["id"]])


def test_a_status_fault_is_answered_and_nothing_is_carried_out(sim: SimProcess, user: Caller) -> None:
    sim.fault("status", status=503, body={"code": "MAINTENANCE", "message": "Maintenance"}, match=f"POST {_ORDER}")
    assert user.limit("Bid", "140", "1") == (503, {"code": "MAINTENANCE", "message": "Maintenance"})
    assert _open_ids(sim, user) == []


def test_a_rate_limit_fault_is_the_venues_429_with_the_time_to_wait(sim: SimProcess, user: Caller) -> None:
    sim.fault("rate_limit", retry_after=2, account=user.account)
    answer = user.send("GET", "/api/v1/capital", {}, user.headers("GET", "/api/v1/capital", {}))
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert answer.headers["Retry-After"] == "2"


def test_a_delayed_request_is_judged_when_it_arrives(sim: SimProcess, user: Caller) -> None:
    sim.fault("delay", seconds=0.3, account=user.account)
    began = time.monotonic()
    headers = user.headers("GET", "/api/v1/capital", {}, window=100)
    assert user.send("GET", "/api/v1/capital", {}, headers).json()["message"] == "Request has expired"
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(("code", "status"), [("INSUFFICIENT_MARGIN", 400), ("SERVER_ERROR", 500), ("FORBIDDEN", 403)])
def test_reject_next_refuses_the_next_order_with_a_code(sim: SimProcess, user: Caller, code: str, status: int) -> None:
    sim.fault("reject_next", code=code, message="no", account=user.account)
    assert user.call("GET", "/api/v1/capital")[0] == 200
    assert user.limit("Bid", "140", "1") == (status, {"code": code, "message": "no"})
    assert user.limit("Bid", "140", "1")[0] == 200


def test_reject_next_in_a_batch_is_one_entry(sim: SimProcess, user: Caller) -> None:
    sim.fault("reject_next", code="ORDER_LIMIT", account=user.account)
    order = {"symbol": SPOT, "side": "Bid", "orderType": "Limit", "price": "140", "quantity": "1"}
    assert [row["operation"] for row in user.batch([order, order])[1]] == ["Err", "Ok"]


def test_an_incomplete_history_is_a_5xx_once(sim: SimProcess, user: Caller) -> None:
    sim.fault("incomplete", account=user.account)
    assert user.call("GET", _ORDERS)[0] == 200
    assert user.call("GET", "/wapi/v1/history/fills")[0] == 503
    assert user.call("GET", "/wapi/v1/history/fills") == (200, [])


def test_an_accepted_cancel_is_202_and_done_a_moment_later(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    _, order = user.limit("Bid", "140", "1")
    sim.fault("accepted_cancel", seconds=1.5, account=user.account)
    assert user.call("DELETE", _ORDER, symbol=SPOT, orderId=order["id"]) == (202, None)
    assert _open_ids(sim, user) == [order["id"]]
    assert stream.until(_is("orderCancelled"))["data"]["i"] == order["id"]
    assert _open_ids(sim, user) == []


def test_an_accepted_cancel_of_all_is_202_too(sim: SimProcess, user: Caller) -> None:
    user.limit("Bid", "140", "1")
    user.limit("Bid", "141", "1")
    sim.fault("accepted_cancel", seconds=0.05, match=f"DELETE {_ORDERS}")
    assert user.call("DELETE", _ORDERS, symbol=SPOT) == (202, None)
    sim.until(lambda state: not state["accounts"][user.account]["open_orders"])


def test_a_skewed_clock_refuses_what_the_true_clock_signed(sim: SimProcess, user: Caller) -> None:
    sim.fault("clock_skew", seconds=30)
    assert user.call("GET", "/api/v1/capital")[1]["message"] == "Request has expired"
    ahead_ms = int(user.public("/api/v1/time")) - time.time() * 1000
    assert 29_000 < ahead_ms < 31_000
    headers = user.headers("GET", "/api/v1/capital", {}, late_ms=30_000)
    assert user.send("GET", "/api/v1/capital", {}, headers).status_code == 200
    sim.fault("clear", which="clock_skew")
    assert user.call("GET", "/api/v1/capital")[0] == 200


def test_a_revoked_key_is_401_and_its_socket_is_cut(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    sim.fault("expire_token", account=user.account)
    answer = user.call("GET", "/api/v1/capital")
    assert (answer[0], answer[1]["code"]) == (401, "UNAUTHORIZED")
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        stream.next()


def test_an_unknown_field_and_word_come_with_an_answer(sim: SimProcess, user: Caller) -> None:
    sim.fault("unknown_field", match=f"POST {_ORDER}")
    _, order = user.limit("Bid", "140", "1")
    assert "zzNewField" in order and order["status"] == "New"
    sim.fault("unknown_enum", match=f"GET {_ORDERS}")
    (row,) = user.call("GET", _ORDERS)[1]
    assert row["status"] == "SomethingNew"


def test_the_budget_of_a_minute_is_kept_per_key(user: Caller) -> None:
    with start_simulator("backpack", "--requests-per-minute", "3") as small:
        first, second = (Caller(small.hello["base_url"], row) for row in small.hello["accounts"])
        with first, second:
            assert [first.call("GET", "/api/v1/capital")[0] for _ in range(4)] == [200, 200, 200, 429]
            assert second.call("GET", "/api/v1/capital")[0] == 200
        assert small.state()["counters"]["violations"] == {"rate_limited": 1}


# -- streams --------------------------------------------------------------------------------------------------------
def test_a_skipped_sequence_number_is_a_gap(sim: SimProcess, stream: Stream) -> None:
    stream.subscribe(f"depth.{SPOT}")
    last = stream.until(_is("depth"))["data"]["u"]
    sim.fault("skip_sequence", match=f"depth.{SPOT}")
    gaps = 0
    for _ in range(20):
        delta = stream.until(_is("depth"))["data"]
        gaps += delta["U"] != last + 1
        last = delta["u"]
    assert gaps == 1


def test_a_frozen_book_is_silent_and_goes_on_without_a_gap(sim: SimProcess, stream: Stream) -> None:
    stream.subscribe(f"depth.{SPOT}")
    stream.until(_is("depth"))
    sim.fault("freeze_book", seconds=0.5)
    last, longest, heard = None, 0.0, time.monotonic()
    for _ in range(20):
        delta, now = stream.until(_is("depth"))["data"], time.monotonic()
        assert last is None or delta["U"] == last + 1
        last, longest, heard = delta["u"], max(longest, now - heard), now
    assert longest > 0.3


def test_a_duplicated_fill_is_the_same_message_twice(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    sim.fault("duplicate_fill", account=user.account)
    user.market("Bid", "0.01")
    first, second = (stream.until(_is("orderFill"))["data"] for _ in range(2))
    assert first == second
    assert len(user.call("GET", "/wapi/v1/history/fills")[1]) == 1


def test_a_delayed_message_of_an_account_comes_after_later_ones(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    sim.fault("delay", account=user.account, match="account.orderUpdate", seconds=1.5)
    _, order = user.limit("Bid", "140", "1")
    user.call("DELETE", _ORDER, symbol=SPOT, orderId=order["id"])
    told = [stream.until(lambda message: "stream" in message)["data"]["e"] for _ in range(2)]
    assert told == ["orderCancelled", "orderAccepted"]


def test_an_unknown_event_word_comes_on_the_private_stream(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    sim.fault("unknown_enum", match="account.orderUpdate")
    user.limit("Bid", "140", "1")
    assert stream.until(lambda message: "stream" in message)["data"]["e"] == "somethingNew"


def test_garbage_and_a_huge_message_come_between_good_ones(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    sim.fault("garbage", account=user.account)
    sim.fault("huge_message", bytes=100_000, account=user.account)
    with pytest.raises(json.JSONDecodeError):
        stream.next()
    assert len(stream.next()["padding"]) == 100_000
    user.limit("Bid", "140", "1")
    stream.until(_is("orderAccepted"))


def test_a_disconnect_cuts_the_account_and_not_others(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    with Stream(sim.hello["ws_url"]) as other:
        other.subscribe(f"depth.{SPOT}")
        other.until(_is("depth"))
        assert sim.fault("disconnect", account=user.account)["hit"] == 1
        with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
            stream.next()
        other.until(_is("depth"))


def test_a_half_open_socket_says_nothing_more(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    assert sim.fault("half_open", account=user.account)["hit"] == 1
    user.limit("Bid", "140", "1")
    stream.socket.settimeout(0.3)
    with pytest.raises(websocket.WebSocketTimeoutException):
        stream.next()


def test_moving_the_price_fills_a_resting_order_and_tells_it(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _private(stream, user)
    mark = Decimal(sim.state()["markets"][SPOT]["mark"])
    price = str((mark * Decimal("0.95")).quantize(Decimal("0.01")))
    user.limit("Bid", price, "0.01")
    sim.price(SPOT, mark * Decimal("0.9"))
    data = stream.until(_is("orderFill"))["data"]
    assert (data["L"], data["m"], data["X"]) == (str(Decimal(price).normalize()), True, "Filled")
    sim.price(SPOT, mark)
