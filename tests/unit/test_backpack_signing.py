"""Requests are signed byte for byte as the venue expects it."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.backpack_sign import SigningKey, signed_headers, signing_text, subscribe_frame
from api.backpack_wire import BackpackWire, candles_request, depth_request, order_params
from core.market.order import Order, Side
from tests.market_parts import instrument
from utils.errors import VenueAuthError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "backpack" / "signing.json").read_text())
SEED, PUBLIC = GOLDEN["keys"]["seed_base64"], GOLDEN["keys"]["public_key_base64"]
KEY = SigningKey.parse(PUBLIC, SEED)
CASES: dict[str, dict[str, Any]] = {case["id"]: case for case in GOLDEN["cases"]}
REST = [case for case in GOLDEN["cases"] if case["kind"] == "rest_sign"]
SOL_PERP = instrument(
    symbol="SOL-PERP",
    venue_symbol="SOL_USDC_PERP",
    kind="perp",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.01"),
    min_notional=Decimal(0),
)


def wire_at(case: dict[str, Any]) -> BackpackWire:
    return BackpackWire(KEY, lambda: case["inputs"]["timestamp"], case["inputs"]["window"])


@pytest.mark.parametrize("case", REST, ids=lambda case: case["id"])
def test_golden_request_is_signed_byte_for_byte(case: dict[str, Any]) -> None:
    told, expected = case["inputs"], case["expected"]
    made = (told["instruction"], told["params"], told["timestamp"], told["window"])
    assert signing_text(*made) == expected["signing_string"]
    assert signed_headers(KEY, *made) == expected["headers"]


@pytest.mark.parametrize(
    "case", [case for case in REST if case["inputs"]["params_in"] == "body"], ids=lambda c: c["id"]
)
def test_body_says_what_was_signed(case: dict[str, Any]) -> None:
    told = case["inputs"]
    built = wire_at(case).command(told["method"], told["instruction"], told["path"], told["params"])
    assert built.body is not None and json.loads(built.body) == told["params"]
    assert (built.method, built.target) == (told["method"], told["path"])
    assert built.headers == case["expected"]["headers"] | {"Content-Type": "application/json; charset=utf-8"}


def test_query_is_in_the_address_and_signed() -> None:
    case = CASES["fills_history"]
    told = case["inputs"]
    built = wire_at(case).query(told["instruction"], told["path"], **told["params"])
    address, _, query = built.target.partition("?")
    assert address == told["path"] and built.body is None
    assert dict(pair.split("=") for pair in query.split("&")) == {k: str(v) for k, v in told["params"].items()}
    assert built.headers["X-Signature"] == case["expected"]["signature"]


def test_golden_subscription_is_signed() -> None:
    told, expected = CASES["ws_subscribe"]["inputs"], CASES["ws_subscribe"]["expected"]
    assert subscribe_frame(told["streams"], KEY, told["timestamp"], told["window"]) == expected["frame"]


def test_no_vector_is_left_out() -> None:
    kinds = [case["kind"] for case in GOLDEN["cases"]]
    assert (len(REST), len(kinds)) == (11, 14)
    assert {*kinds} == {"rest_sign", "ws_subscribe", "key_derivation", "must_differ"}  # each of the last three is one


def test_public_subscription_carries_no_signature() -> None:
    assert subscribe_frame(["depth.SOL_USDC"]) == {"method": "SUBSCRIBE", "params": ["depth.SOL_USDC"]}


def test_public_key_follows_from_the_seed() -> None:
    told = CASES["public_key"]
    key = SigningKey.parse(told["expected"]["public_key_base64"], told["inputs"]["seed_base64"])
    assert key.public_text == told["expected"]["public_key_base64"]


def test_booleans_are_signed_in_lower_case() -> None:
    told = CASES["boolean_case_mistake"]
    assert KEY.sign(told["inputs"]["wrong_signing_string"]) == told["expected"]["wrong_signature"]
    params = {"orderType": "Limit", "postOnly": True, "price": "141", "quantity": "12", "side": "Bid"}
    made = signing_text("orderExecute", params | {"symbol": "SOL_USDC_PERP"}, 1750793021519, 5000)
    assert made == told["expected"]["right_signing_string"]
    assert KEY.sign(made) == told["expected"]["right_signature"]


def test_number_that_is_no_integer_is_never_signed() -> None:
    with pytest.raises(TypeError, match="float"):
        signing_text("orderExecute", {"price": 1.5}, 1, 5000)


def test_secret_of_64_bytes_is_its_seed_and_its_public_key() -> None:
    long = base64.b64encode(base64.b64decode(SEED) + base64.b64decode(PUBLIC)).decode()
    assert SigningKey.parse(PUBLIC, long).public_text == PUBLIC


@pytest.mark.parametrize(
    ("api_key", "api_secret", "says"),
    [
        (PUBLIC, base64.b64encode(b"x" * 32).decode(), "does not belong"),
        (PUBLIC, base64.b64encode(b"x" * 31).decode(), "31 bytes"),
        (PUBLIC, "not base64!", "api_secret is not base64"),
        ("not base64!", SEED, "api_key is not base64"),
        ("", SEED, "does not belong"),
    ],
)
def test_key_that_cannot_be_used_is_refused_with_what_is_wrong(api_key: str, api_secret: str, says: str) -> None:
    with pytest.raises(VenueAuthError, match=says) as caught:
        SigningKey.parse(api_key, api_secret)
    assert not api_secret or api_secret not in str(caught.value)


def test_printed_key_shows_no_secret() -> None:
    assert SEED not in repr(KEY) and PUBLIC in repr(KEY)


def test_order_becomes_the_golden_request() -> None:
    case = CASES["limit_post_only"]
    params = order_params(Order("n0.7", "main", Side.BUY, 14100, 1200), 7, SOL_PERP)
    assert params == case["inputs"]["params"] | {"price": "141.00", "quantity": "12.00"}


def test_immediate_reduce_only_order_says_so_and_nothing_else() -> None:
    order = Order("n0.7", "main", Side.SELL, 1, 5, post_only=False, reduce_only=True, time_in_force="IOC")
    params = order_params(order, 7, SOL_PERP, auto_lend_redeem=True)
    assert "postOnly" not in params
    assert (params["reduceOnly"], params["autoLendRedeem"], params["timeInForce"]) == (True, True, "IOC")
    assert (params["price"], params["quantity"], params["side"]) == ("0.01", "0.05", "Ask")


def test_spot_order_is_never_reduce_only() -> None:
    spot = instrument()
    assert "reduceOnly" not in order_params(Order("n0.7", "main", Side.SELL, 10, 5, reduce_only=True), 7, spot)


def test_two_orders_are_one_batch_and_one_is_none() -> None:
    case = CASES["batch_two_bids"]
    wire = wire_at(case)
    built = wire.place(case["inputs"]["params"])
    assert built.target == "/api/v1/orders" and built.headers["X-Signature"] == case["expected"]["signature"]
    assert wire.place(case["inputs"]["params"][:1]).target == "/api/v1/order"


@pytest.mark.parametrize(
    ("name", "order_id", "client_id"), [("cancel_by_order_id", "5406825793", 7), ("cancel_by_order_id", None, 7)]
)
def test_cancel_names_exactly_one_id(name: str, order_id: str | None, client_id: int) -> None:
    built = wire_at(CASES[name]).cancel("SOL_USDC_PERP", order_id, client_id)
    named = {"orderId": order_id} if order_id else {"clientId": client_id}
    assert json.loads(built.body or b"") == {"symbol": "SOL_USDC_PERP"} | named
    assert (built.headers["X-Signature"] == CASES[name]["expected"]["signature"]) is (order_id is not None)


def test_time_of_signing_is_taken_when_the_request_is_built() -> None:
    times = iter([1750793021519, 1750793021600])
    wire = BackpackWire(KEY, lambda: next(times), 5000)
    assert [wire.capital().headers["X-Timestamp"] for _ in range(2)] == ["1750793021519", "1750793021600"]


def test_public_requests_carry_no_key() -> None:
    depth = depth_request("SOL_USDC", 5)
    assert depth.target == "/api/v1/depth?symbol=SOL_USDC&limit=5" and not depth.headers
    candles = candles_request("SOL_USDC", 60, 1763650000)
    assert candles.target == "/api/v1/klines?symbol=SOL_USDC&interval=1m&startTime=1763650000"


def test_candle_interval_that_the_venue_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="7 s is not one of"):
        candles_request("SOL_USDC", 7, 0)
