"""Who is asking: the Ed25519 check of a Backpack request or private subscription, free of sockets and clocks."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DEFAULT_WINDOW_MS = 5_000
MAX_WINDOW_MS = 60_000
_MAX_DIGITS = 20

Pairs = Iterable[tuple[str, Any]]

# The name that goes into the signed text, by method and path; a path that is not here is public.
INSTRUCTIONS: dict[tuple[str, str], str] = {
    ("GET", "/api/v1/account"): "accountQuery",
    ("PATCH", "/api/v1/account"): "accountUpdate",
    ("GET", "/api/v1/account/limits/order"): "maxOrderQuantity",
    ("GET", "/api/v1/account/limits/borrow"): "maxBorrowQuantity",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("GET", "/api/v1/borrowLend/positions"): "borrowLendPositionQuery",
    ("POST", "/api/v1/borrowLend"): "borrowLendExecute",
    ("POST", "/api/v1/order"): "orderExecute",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/api/v1/order"): "orderQuery",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("GET", "/api/v1/position"): "positionQuery",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
    ("GET", "/wapi/v1/history/funding"): "fundingHistoryQueryAll",
}


class Refusal(Exception):
    """The venue says no: an HTTP status, its own code word and a sentence; `violation` is our counter's name for it."""

    def __init__(
        self, status: int, code: str, message: str, violation: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message, self.violation = status, code, message, violation
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        """Return the error object that every refusal travels as."""
        return {"code": self.code, "message": self.message}


def text_of(value: Any) -> str:
    """Return a value as it stands in the signed text: booleans in lower case, numbers plainly, text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _piece(instruction: str, pairs: Pairs) -> str:
    rest = [f"{key}={text_of(value)}" for key, value in sorted(pairs, key=lambda pair: pair[0])]
    return "&".join([f"instruction={instruction}", *rest])


def signing_string(instruction: str, orders: Sequence[Pairs], timestamp: str, window: str) -> str:
    """Return the text to sign; `orders` has one set of parameters, or one for each order of a batch."""
    pieces = [_piece(instruction, pairs) for pairs in orders] or [_piece(instruction, ())]
    return "&".join([*pieces, f"timestamp={timestamp}", f"window={window}"])


def verifies(public_key: str, signature: str, text: str) -> bool:
    """Tell whether `signature` (base64) over `text` was made by the holder of `public_key` (base64)."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), text.encode())
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def public_key_of(seed: bytes) -> str:
    """Return the base64 public key of a 32-byte seed."""
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def check_window(timestamp: str, window: str, now_ms: int) -> None:
    """Refuse a request that is outside its own window, or whose window is too long."""
    if not all(text.isdecimal() and len(text) <= _MAX_DIGITS for text in (timestamp, window)):
        raise Refusal(400, "INVALID_CLIENT_REQUEST", "Invalid timestamp or window", "bad_timestamp")
    if int(window) > MAX_WINDOW_MS:
        raise Refusal(400, "INVALID_CLIENT_REQUEST", "Invalid window: must be at most 60000", "bad_window")
    if int(timestamp) > now_ms + int(window):
        raise Refusal(400, "INVALID_CLIENT_REQUEST", "Invalid timestamp", "bad_timestamp")
    if now_ms > int(timestamp) + int(window):
        raise Refusal(400, "INVALID_CLIENT_REQUEST", "Request has expired", "bad_timestamp")


class KeyRing:
    """The keys that the venue knows, and which of them were taken back."""

    def __init__(self, accounts_by_key: Mapping[str, str]) -> None:
        self.accounts_by_key = dict(accounts_by_key)
        self.revoked: set[str] = set()  # accounts

    def account_of(self, key: str | None) -> str | None:
        """Return whose key it is, whether it may be used or not."""
        return self.accounts_by_key.get(key or "")

    def authenticate(self, key: str, signature: str, instruction: str, orders: Sequence[Pairs], *when: Any) -> str:
        """Return the account of a signed request; `when` is timestamp and window as sent, and the venue's time in ms.

        Raises Refusal.
        """
        timestamp, window, now_ms = when
        account = self.account_of(key)
        if not key or not signature:
            raise Refusal(401, "UNAUTHORIZED", "Missing API key or signature", "unknown_key")
        if account is None or account in self.revoked:
            raise Refusal(401, "UNAUTHORIZED", "Unknown or revoked API key", "unknown_key")
        check_window(timestamp, window, now_ms)
        if not verifies(key, signature, signing_string(instruction, orders, timestamp, window)):
            raise Refusal(400, "INVALID_SIGNATURE", "Invalid signature", "bad_signature")
        return account
