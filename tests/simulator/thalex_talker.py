"""A plain Thalex session for the tests of the simulator: sends requests, keeps what is notified."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import websocket
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from tests.sim_process import SimProcess

PERP, FUTURE = "BTC-PERPETUAL", "BTC-27DEC30"
BOOK = f"book.{PERP}.none.all.raw"
_ANSWER_S = 20.0
Row = dict[str, Any]


def token(key_id: str, private_key: str, issued_s: float | None = None, algorithm: str = "RS512") -> str:
    """Return a login token."""
    header = {"alg": algorithm, "typ": "JWT", "kid": key_id}
    claims = {"iat": time.time() if issued_s is None else issued_s}
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
    key = _key(private_key)
    return signed + "." + _base64url(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA512()))


@cache  # to check a key takes a twentieth of a second
def _key(private_key: str) -> Any:
    return serialization.load_pem_private_key(private_key.encode(), None)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Refused(Exception):
    """The venue answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def code_of(talker: Talker, method: str, **params: Any) -> int:
    """Return the code with which a request is refused."""
    with pytest.raises(Refused) as caught:
        talker.call(method, **params)
    return caught.value.code


class Cut(Exception):
    """The connection was lost."""


class Talker:
    """One session. `heard` holds (channel, notification) in order."""

    def __init__(self, simulator: SimProcess) -> None:
        self.socket = websocket.create_connection(simulator.hello["ws_url"], timeout=_ANSWER_S)
        self.heard: list[tuple[str, Any]] = []
        self._ids = itertools.count(1)

    def log_in(self, credentials: Row) -> str:
        """Log in and return the account's number."""
        name = token(credentials["key_id"], credentials["private_key"])
        number: str = self.call("public/login", token=name)["account_number"]
        return number

    def call(self, method: str, **params: Any) -> Any:
        """Send a request and return its result. Raises Refused, Cut."""
        return self.answer(self.send(method, **params))

    def send(self, method: str, **params: Any) -> int:
        """Send a request and return its id."""
        number = next(self._ids)
        self.socket.send(json.dumps({"method": method, "params": params, "id": number}))
        return number

    def answer(self, number: int | None) -> Any:
        """Read on to the answer of a request and return its result. Raises Refused, Cut."""
        while True:
            message = self.read()
            if "channel_name" not in message and message["id"] == number:
                if "error" in message:
                    raise Refused(message["error"]["code"], message["error"]["message"])
                return message["result"]

    def read(self, seconds: float = _ANSWER_S) -> Row:
        """Read one message; a notification is also kept. Raises Cut, TimeoutError."""
        self.socket.settimeout(seconds)
        try:
            text = self.socket.recv()
        except websocket.WebSocketTimeoutException:
            raise TimeoutError(f"nothing came within {seconds} s") from None
        except (websocket.WebSocketException, OSError) as exc:
            raise Cut(str(exc)) from exc
        if not text:
            raise Cut("closed")
        message: Row = json.loads(text)
        if "channel_name" in message:
            self.heard.append((message["channel_name"], message["notification"]))
        return message

    def of(self, channel: str) -> list[Any]:
        """Return the notifications of a channel so far."""
        return [value for name, value in self.heard if name == channel]

    def until(self, what: Callable[[], Any], seconds: float = _ANSWER_S) -> Any:
        """Read on until `what` is true and return it."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            self.read(max(0.001, deadline - time.monotonic()))
        return found

    def insert(self, side: str, price: float, amount: float = 0.1, **params: Any) -> Row:
        """Send an order for the perpetual and return the answer."""
        row: Row = self.call(
            "private/insert", instrument_name=PERP, direction=side, price=price, amount=amount, **params
        )
        return row

    def mid(self) -> int:
        """Return a whole price near the middle."""
        ticker = self.call("public/ticker", instrument_name=PERP)
        return round((ticker["best_bid_price"] + ticker["best_ask_price"]) / 2)

    def close(self) -> None:
        """End the session."""
        self.socket.close(timeout=0.5)


class Desk:
    """A simulator, and sessions of fresh accounts on it."""

    def __init__(self, simulator: SimProcess) -> None:
        self.simulator = simulator
        self._talkers: list[Talker] = []
        self._accounts: list[str] = []

    def account(self, **given: Any) -> Row:
        """Open an account and return its row of the hello line."""
        account = self.simulator.account(**given)
        self._accounts.append(account["account"])
        return account

    def visitor(self) -> Talker:
        """Return a session that is not logged in."""
        talker = Talker(self.simulator)
        self._talkers.append(talker)
        return talker

    def session(self, account: Row | None = None, guard_s: int | None = None) -> Talker:
        """Return a session that is logged in, with cancel on disconnect when `guard_s` is given."""
        talker = self.visitor()
        talker.log_in((account or self.account())["credentials"])
        if guard_s is not None:
            talker.call("private/set_cancel_on_disconnect", timeout_secs=guard_s)
        return talker

    def open_orders(self, account: Row) -> list[Row]:
        """Return an account's open orders as the simulator has them."""
        found: list[Row] = self.simulator.state(account["account"])["accounts"][account["account"]]["open_orders"]
        return found

    def violations(self) -> Row:
        """Return the violations counted so far."""
        found: Row = self.simulator.state(fills=0)["counters"]["violations"]
        return found

    def close(self) -> None:
        """End all sessions, cancel what they left, disarm all faults."""
        for talker in self._talkers:
            talker.close()
        for account in self._accounts:
            self.simulator.cancel(account)
        self.simulator.fault("clear")


@contextmanager
def desk_of(simulator: SimProcess) -> Iterator[Desk]:
    """Yield a desk and close its sessions afterwards."""
    desk = Desk(simulator)
    try:
        yield desk
    finally:
        desk.close()
