"""A small Backpack user for the tests, written from the venue's rules and sharing nothing with client or simulator."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import requests
import websocket
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_INSTRUCTIONS = {
    "GET /api/v1/account": "accountQuery",
    "PATCH /api/v1/account": "accountUpdate",
    "GET /api/v1/account/limits/order": "maxOrderQuantity",
    "GET /api/v1/capital": "balanceQuery",
    "GET /api/v1/capital/collateral": "collateralQuery",
    "GET /api/v1/borrowLend/positions": "borrowLendPositionQuery",
    "POST /api/v1/borrowLend": "borrowLendExecute",
    "POST /api/v1/order": "orderExecute",
    "POST /api/v1/orders": "orderExecute",
    "DELETE /api/v1/order": "orderCancel",
    "DELETE /api/v1/orders": "orderCancelAll",
    "GET /api/v1/order": "orderQuery",
    "GET /api/v1/orders": "orderQueryAll",
    "GET /api/v1/position": "positionQuery",
    "GET /wapi/v1/history/fills": "fillHistoryQueryAll",
    "GET /wapi/v1/history/orders": "orderHistoryQueryAll",
    "GET /wapi/v1/history/funding": "fundingHistoryQueryAll",
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Caller:
    """One account's REST calls. `call` returns (status, body); body is None when it is empty."""

    def __init__(self, base_url: str, account: Mapping[str, Any]) -> None:
        credentials = account["credentials"]
        self.base_url, self.account, self.key = base_url, account["account"], credentials["api_key"]
        self._private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(credentials["api_secret"]))
        self.session = requests.Session()
        self.session.trust_env = False

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *exc: object) -> None:
        self.session.close()

    def sign(self, text: str) -> str:
        """Return the signature of a text in base64."""
        return base64.b64encode(self._private.sign(text.encode())).decode()

    def headers(self, method: str, path: str, params: Any, late_ms: int = 0, window: int = 5000) -> dict[str, str]:
        """Return the headers of a signed call."""
        instruction, stamp = _INSTRUCTIONS[f"{method} {path}"], int(time.time() * 1000) + late_ms
        pieces = [
            "&".join([f"instruction={instruction}", *(f"{key}={_text(row[key])}" for key in sorted(row))])
            for row in (params if isinstance(params, list) else [params])
        ]
        signature = self.sign("&".join([*pieces, f"timestamp={stamp}", f"window={window}"]))
        return {
            "X-API-Key": self.key,
            "X-Signature": signature,
            "X-Timestamp": str(stamp),
            "X-Window": str(window),
            "Content-Type": "application/json; charset=utf-8",
        }

    def send(self, method: str, path: str, params: Any, headers: Mapping[str, str] | None) -> requests.Response:
        """Send a call as it is."""
        in_query = method == "GET" and params
        url = self.base_url + path + (f"?{urlencode(params)}" if in_query else "")
        body = None if method == "GET" else json.dumps(params)
        return self.session.request(method, url, data=body, headers=dict(headers or {}), timeout=10)

    def call(self, method: str, path: str, **params: Any) -> tuple[int, Any]:
        """Make a signed call with named parameters."""
        answer = self.send(method, path, params, self.headers(method, path, params))
        return answer.status_code, json.loads(answer.text) if answer.text else None

    def batch(self, orders: list[dict[str, Any]]) -> tuple[int, Any]:
        """Place several orders."""
        path = "/api/v1/orders"
        answer = self.send("POST", path, orders, self.headers("POST", path, orders))
        return answer.status_code, json.loads(answer.text)

    def public(self, path: str, **params: Any) -> Any:
        """Make a public call."""
        answer = self.send("GET", path, params, None)
        return json.loads(answer.text) if answer.text else None

    def limit(self, side: str, price: str, quantity: str, symbol: str = "SOL_USDC", **more: Any) -> tuple[int, Any]:
        """Place a limit order."""
        body = {"symbol": symbol, "side": side, "orderType": "Limit", "price": price, "quantity": quantity, **more}
        return self.call("POST", "/api/v1/order", **body)

    def market(self, side: str, quantity: str, symbol: str = "SOL_USDC", **more: Any) -> tuple[int, Any]:
        """Place a market order."""
        body = {"symbol": symbol, "side": side, "orderType": "Market", "quantity": quantity, **more}
        return self.call("POST", "/api/v1/order", **body)


def best(user: Caller, symbol: str) -> tuple[Decimal, Decimal]:
    """Return the best bid and ask."""
    book = user.public("/api/v1/depth", symbol=symbol)
    return max(Decimal(row[0]) for row in book["bids"]), min(Decimal(row[0]) for row in book["asks"])


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    """Return status and code of a refusal."""
    return answer[0], answer[1]["code"]


class Stream:
    """One websocket; messages are parsed and kept in order."""

    def __init__(self, ws_url: str) -> None:
        self.socket = websocket.create_connection(ws_url, timeout=10, http_no_proxy=["127.0.0.1"])
        self.seen: list[dict[str, Any]] = []

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def subscribe(self, *streams: str, signer: Caller | None = None, spoil: bool = False) -> None:
        """Subscribe, signed when there is a signer."""
        frame: dict[str, Any] = {"method": "SUBSCRIBE", "params": list(streams)}
        if signer is not None:
            stamp = str(int(time.time() * 1000))
            signature = signer.sign(f"instruction=subscribe&timestamp={stamp}&window={4999 if spoil else 5000}")
            frame["signature"] = [signer.key, signature, stamp, "5000"]
        self.socket.send(json.dumps(frame))

    def next(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(self.socket.recv())
        self.seen.append(message)
        return message

    def until(self, what: Callable[[dict[str, Any]], bool], seconds: float = 10) -> dict[str, Any]:
        """Return the next message that `what` is true of; fails the test when there is none in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = self.next()
            if what(message):
                return message
        raise AssertionError(f"not among {self.seen[-20:]}")
