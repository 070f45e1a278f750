"""The Backpack simulator over real sockets: what it answers to REST calls, right and wrong ones."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.sim_process import SimProcess
from tests.simulator.backpack_caller import Caller, code_of

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
SIMULATOR = ("--trades-per-s", "0", "--volatility-bps", "0")
_ORDER, _ORDERS = "/api/v1/order", "/api/v1/orders"
_GOLDEN = Path(__file__).parent.parent / "golden" / "backpack"


# -- public ---------------------------------------------------------------------------------------------------------
def test_markets_tell_kind_tick_lot_and_state(user: Caller) -> None:
    markets = {row["symbol"]: row for row in user.public("/api/v1/markets")}
    assert {symbol: row["marketType"] for symbol, row in markets.items()} == {SPOT: "SPOT", PERP: "PERP"}
    assert markets[SPOT]["filters"]["price"]["tickSize"] == "0.01"
    assert markets[SPOT]["filters"]["quantity"] == {"minQuantity": "0.01", "maxQuantity": None, "stepSize": "0.01"}
    assert markets[PERP]["orderBookState"] == "Open"
    assert user.public("/api/v1/market", symbol=PERP) == markets[PERP]


def test_markets_have_every_field_of_the_sample(user: Caller) -> None:
    samples = json.loads((_GOLDEN / "messages.json").read_text())["samples"]
    sample = next(row for row in samples if row["id"] == "market_spot")["payload"]
    answer = user.public("/api/v1/market", symbol=SPOT)
    assert sample.keys() <= answer.keys()
    assert {key: answer[key] for key in ("baseSymbol", "quoteSymbol", "marketType")} == {
        key: sample[key] for key in ("baseSymbol", "quoteSymbol", "marketType")
    }


def test_depth_has_bids_worst_first_a_text_number_and_microseconds(user: Caller) -> None:
    book = user.public("/api/v1/depth", symbol=SPOT, limit=5)
    bids, asks = ([Decimal(price) for price, _ in book[side]] for side in ("bids", "asks"))
    assert len(bids) == len(asks) == 5
    assert bids == sorted(bids) and asks == sorted(asks) and bids[-1] < asks[0]
    assert isinstance(book["lastUpdateId"], str) and book["timestamp"] > 10**15


def test_candles_cover_the_time_before_the_start(user: Caller) -> None:
    now_s = int(user.public("/api/v1/time")) // 60_000 * 60
    rows = user.public("/api/v1/klines", symbol=SPOT, interval="1m", startTime=now_s - 3600, endTime=now_s - 600)
    assert len(rows) == 51
    assert all(Decimal(row["low"]) <= Decimal(row["close"]) <= Decimal(row["high"]) for row in rows)
    assert rows[0]["start"][10] == " " and rows[0]["start"].endswith(":00")


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/api/v1/depth", {"symbol": "NO_SUCH"}),
        ("/api/v1/depth", {}),
        ("/api/v1/depth", {"symbol": SPOT, "limit": 7}),
        ("/api/v1/klines", {"symbol": SPOT, "interval": "2m", "startTime": 0}),
        ("/api/v1/klines", {"symbol": SPOT, "interval": "1m"}),
        ("/api/v1/trades", {"symbol": SPOT, "limit": 1001}),
    ],
)
def test_a_public_call_with_a_wrong_parameter_is_400_with_code_and_message(
    user: Caller, path: str, params: dict[str, Any]
) -> None:
    answer = user.send("GET", path, params, None)
    assert answer.status_code == 400
    assert answer.json().keys() == {"code", "message"}


def test_the_small_public_calls_answer_in_the_venues_shapes(user: Caller) -> None:
    assert user.public("/api/v1/status") == {"status": "Ok", "message": None}
    (mark,) = user.public("/api/v1/markPrices")
    assert mark["symbol"] == PERP and Decimal(mark["markPrice"]) > 0
    (rate,) = user.public("/api/v1/fundingRates", symbol=PERP, limit=1)
    assert rate["intervalEndTimestamp"][10] == "T"
    assert user.public("/api/v1/openInterest")[0]["symbol"] == PERP


# -- who asks -------------------------------------------------------------------------------------------------------
def test_a_request_without_a_key_is_401(user: Caller) -> None:
    assert user.send("GET", "/api/v1/capital", {}, {}).status_code == 401


def test_a_signature_over_other_parameters_is_invalid(sim: SimProcess, user: Caller) -> None:
    headers = user.headers("GET", _ORDERS, {"symbol": SPOT})
    answer = user.send("GET", _ORDERS, {"symbol": PERP}, headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_SIGNATURE")
    assert sim.state()["counters"]["violations"]["bad_signature"] >= 1


def test_a_window_header_that_is_left_out_counts_as_5000(user: Caller) -> None:
    headers = user.headers("GET", "/api/v1/capital", {})
    del headers["X-Window"]
    assert user.send("GET", "/api/v1/capital", {}, headers).status_code == 200


@pytest.mark.parametrize(
    ("late_ms", "window", "words"),
    [(-6000, 5000, "Request has expired"), (6000, 5000, "Invalid timestamp"), (0, 60_001, "Invalid window")],
)
def test_a_request_outside_its_window_is_refused(user: Caller, late_ms: int, window: int, words: str) -> None:
    headers = user.headers("GET", "/api/v1/capital", {}, late_ms, window)
    answer = user.send("GET", "/api/v1/capital", {}, headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_CLIENT_REQUEST")
    assert words in answer.json()["message"]


def test_a_body_that_is_not_json_is_refused(user: Caller) -> None:
    headers = user.headers("POST", _ORDER, {})
    answer = user.session.post(user.base_url + _ORDER, data="{", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_CLIENT_REQUEST")


def test_a_key_without_the_right_to_trade_may_look_and_nothing_else(sim: SimProcess) -> None:
    with Caller(sim.hello["base_url"], sim.account(account="k-view")) as viewer:
        assert viewer.call("GET", "/api/v1/capital")[0] == 200
        assert code_of(viewer.limit("Bid", "140", "1")) == (403, "FORBIDDEN")
        assert code_of(viewer.call("DELETE", _ORDERS, symbol=SPOT)) == (403, "FORBIDDEN")


# -- account --------------------------------------------------------------------------------------------------------
def test_open_orders_lock_their_funds(user: Caller) -> None:
    user.limit("Bid", "140", "1")
    user.limit("Ask", "160", "2")
    capital = user.call("GET", "/api/v1/capital")[1]
    assert (capital["USDC"]["locked"], capital["SOL"]["locked"]) == ("140", "2")
    assert capital["USDC"]["available"] == "49860"


def test_lent_funds_leave_capital_and_an_order_redeems_them_only_when_told_to(user: Caller) -> None:
    assert user.call("POST", "/api/v1/borrowLend", symbol="USDC", side="Lend", quantity="49900") == (200, None)
    assert user.call("GET", "/api/v1/capital")[1]["USDC"]["available"] == "100"
    rows = user.call("GET", "/api/v1/capital/collateral")[1]["collateral"]
    usdc = next(row for row in rows if row["symbol"] == "USDC")
    assert (usdc["lendQuantity"], usdc["availableQuantity"], usdc["totalQuantity"]) == ("49900", "100", "50000")
    assert user.call("GET", "/api/v1/borrowLend/positions")[1][0]["netQuantity"] == "49900"
    assert code_of(user.limit("Bid", "140", "1")) == (400, "BORROW_REQUIRES_LEND_REDEEM")
    assert user.limit("Bid", "140", "1", autoLendRedeem=True)[0] == 200
    assert user.call("GET", "/api/v1/borrowLend/positions")[1][0]["netQuantity"] == "49860"


def test_the_leverage_limit_is_kept_and_judges_margin(user: Caller) -> None:
    assert user.call("PATCH", "/api/v1/account", leverageLimit="1") == (200, None)
    account = user.call("GET", "/api/v1/account")[1]
    assert (account["leverageLimit"], account["futuresMakerFee"], account["spotTakerFee"]) == ("1", "2", "10")
    assert code_of(user.limit("Bid", "140", "1000", PERP)) == (400, "INSUFFICIENT_MARGIN")
    largest = user.call("GET", "/api/v1/account/limits/order", symbol=PERP, side="Bid", price="140")[1]
    assert largest["maxOrderQuantity"] == "357.14"


def test_fill_history_pages_newest_first_and_keeps_to_its_times(user: Caller) -> None:
    for _ in range(3):
        user.market("Bid", "0.01")
    everything = user.call("GET", "/wapi/v1/history/fills", symbol=SPOT)[1]
    numbers = [row["tradeId"] for row in everything]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) == 3
    assert user.call("GET", "/wapi/v1/history/fills", limit=1, offset=1)[1] == everything[1:2]
    assert user.call("GET", "/wapi/v1/history/fills", to=1)[1] == []
    assert user.call("GET", "/wapi/v1/history/fills", **{"from": 1})[1] == everything
    assert user.call("GET", "/wapi/v1/history/fills", limit=1001)[0] == 400
