"""Every shared vector of Thalex: the login token and the outbound frames."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from api import thalex_wire as wire
from api.thalex_login import LoginKey
from core.market.order import Side
from utils.env import Secret
from utils.errors import VenueAuthError

VECTORS = Path(__file__).resolve().parents[1] / "golden/thalex/vectors.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text(), parse_float=Decimal)["cases"]
LOGINS = [case for case in CASES if case["call"] == "login_token"]
FRAMES = [case for case in CASES if case["call"] != "login_token"]
PEM: str = LOGINS[0]["inputs"]["private_key_pem"]


def name_of(case: Mapping[str, Any]) -> str:
    return str(case["description"])


def exact(value: Any) -> Any:
    """Return a JSON value with whole numbers and decimals comparable: 1 and 1.0 are one number."""
    if isinstance(value, dict):
        return {key: exact(member) for key, member in value.items()}
    if isinstance(value, list):
        return [exact(member) for member in value]
    return Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def sent(request: wire.Request, number: int) -> Any:
    return exact(json.loads(request.text(number), parse_float=Decimal))


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def insert(given: Mapping[str, Any]) -> wire.Request:
    return wire.insert(
        Side(given["side"]),
        given["instrument"],
        Decimal(given["size"]),
        Decimal(given["price"]),
        time_in_force=given.get("time_in_force", "gtc").upper(),
        client_order_id=given.get("client_order_id"),
        label=given.get("label"),
        post_only=given.get("post_only", False),
        reduce_only=given.get("reduce_only", False),
    )


def mass_quote(given: Mapping[str, Any]) -> wire.Request:
    def pair(values: Any) -> tuple[Decimal, Decimal]:
        return Decimal(values[0]), Decimal(values[1])

    quotes = [wire.double_quote(q["instrument"], pair(q["bid"]), pair(q["ask"])) for q in given["quotes"]]
    return wire.mass_quote(quotes, given["label"], given["post_only"])


BUILDERS: dict[str, Callable[[Mapping[str, Any]], wire.Request]] = {
    "insert": insert,
    "amend": lambda g: wire.amend(Decimal(g["size"]), Decimal(g["price"]), client_order_id=g["client_order_id"]),
    "cancel": lambda g: wire.cancel(order_id=g["order_id"]),
    "cancel_all": lambda g: wire.cancel_all(),
    "set_cancel_on_disconnect": lambda g: wire.cancel_on_disconnect(g["timeout_secs"]),
    "mass_quote": mass_quote,
    "set_mm_protection": lambda g: wire.protection(
        g["product"], Decimal(g["trade_amount"]), Decimal(g["quote_amount"])
    ),
    "public_subscribe": lambda g: wire.subscribe(g["channels"]),
}


@pytest.mark.parametrize("case", FRAMES, ids=name_of)
def test_frame_is_the_one_of_the_vector(case: dict[str, Any]) -> None:
    request = BUILDERS[case["call"]](case["inputs"])
    assert sent(request, case["inputs"]["id"]) == exact(case["expected"]["frame"])


@pytest.mark.parametrize("case", LOGINS, ids=name_of)
def test_token_is_signed_by_the_key_and_says_what_the_vector_says(case: dict[str, Any]) -> None:
    given, expected = case["inputs"], case["expected"]
    token = LoginKey(given["key_id"], Secret(given["private_key_pem"])).token(given["iat"])
    header, claims, signature = token.split(".")
    assert json.loads(decoded(header)) == expected["header"]
    assert json.loads(decoded(claims), parse_float=Decimal) == expected["claims"]
    public = load_pem_public_key(given["public_key_pem"].encode())
    assert isinstance(public, RSAPublicKey)
    public.verify(decoded(signature), f"{header}.{claims}".encode(), PKCS1v15(), SHA512())
    assert token == expected["token_from_sdk"]  # RS512 is deterministic, and our members stand in the same order


@pytest.mark.parametrize("case", LOGINS, ids=name_of)
def test_login_frame_is_the_one_of_the_vector(case: dict[str, Any]) -> None:
    given, expected = case["inputs"], case["expected"]
    token = LoginKey(given["key_id"], given["private_key_pem"]).token(given["iat"])
    assert sent(wire.login(token, given.get("account")), 3) == exact(expected["login_request"])


@pytest.mark.parametrize("text", [PEM.replace("\n", "\\n"), PEM.replace("\n", "\r\n"), f"\n  {PEM}\n"])
def test_key_is_read_however_its_lines_end(text: str) -> None:
    assert LoginKey("K1", text).token(1) == LoginKey("K1", PEM).token(1)


def elliptic_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("text", ["", "hush-hush", PEM.replace("MII", "MIJ"), PEM[:200], elliptic_pem()])
def test_wrong_key_is_an_auth_error_that_names_the_key_and_not_its_text(text: str) -> None:
    with pytest.raises(VenueAuthError, match="K77") as caught:
        LoginKey("K77", Secret(text))
    assert "hush" not in str(caught.value) and "MIJ" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0.1", "0.1"), ("1E-7", "0.0000001"), ("1E+3", "1000"), ("0.10", "0.1"), ("64999", "64999"), ("0E-8", "0")],
)
def test_decimal_goes_out_as_a_plain_number(amount: str, text: str) -> None:
    assert wire.plain_json({"a": [Decimal(amount)]}) == f'{{"a":[{text}]}}'


@pytest.mark.parametrize("value", [0.1, Decimal("NaN"), Decimal("Infinity")])
def test_what_is_not_an_exact_number_is_never_sent(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        wire.plain_json({"amount": value})


@pytest.mark.parametrize("names", [{}, {"order_id": "A", "client_order_id": 1}])
def test_cancel_names_its_order_in_exactly_one_way(names: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one of them"):
        wire.cancel(**names)


def test_history_asks_for_the_oldest_first_and_leaves_out_what_is_absent() -> None:
    assert sent(wire.history(None, "BTC-PERPETUAL"), 1)["params"] == {
        "limit": 1000,
        "sort": "ascending",
        "instrument_names": ["BTC-PERPETUAL"],
    }
    params = sent(wire.history(Decimal("1795189618.5"), "BTC-PERPETUAL", "b1"), 1)["params"]
    assert params["time_low"] == Decimal("1795189618.5") and params["bookmark"] == "b1"
