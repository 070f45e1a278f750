"""Backpack's signatures: Ed25519 over an instruction name and the sorted parameters of a request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from utils.errors import VenueAuthError

Params = Mapping[str, Any]
_SEED_BYTES = 32
_KEY_BYTES = 32


class SigningKey:
    """A key pair; the private half never leaves it."""

    __slots__ = ("_private", "public_text")

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_text = base64.b64encode(public).decode()

    def __repr__(self) -> str:
        return f"SigningKey({self.public_text})"

    @classmethod
    def parse(cls, api_key: str, api_secret: str) -> SigningKey:
        """Return the pair of a base64 public key and its base64 seed. Raises VenueAuthError saying which is wrong."""
        seed = _decoded(api_secret, "api_secret")
        if len(seed) not in (_SEED_BYTES, 2 * _SEED_BYTES):  # 64 bytes: the seed followed by the public key
            raise VenueAuthError(f"api_secret has {len(seed)} bytes, expected the {_SEED_BYTES} of a seed in base64")
        key = cls(seed[:_SEED_BYTES])
        if base64.b64decode(key.public_text) != _decoded(api_key, "api_key"):
            raise VenueAuthError("api_secret does not belong to api_key; set both from one key pair of the venue")
        return key

    def sign(self, text: str) -> str:
        """Return the signature of a text in base64."""
        return base64.b64encode(self._private.sign(text.encode())).decode()


def key_problems(api_key: str, api_secret: str) -> dict[str, str]:
    """Return what is wrong with the form of a pair, by its half: both are base64 of 32 bytes, and belong together."""
    problems = {}
    for name, text in (("api_key", api_key), ("api_secret", api_secret)):
        try:
            size = len(_decoded(text, name))
        except VenueAuthError as exc:
            problems[name] = str(exc).removeprefix(f"{name} ")
            continue
        if size != _KEY_BYTES and not (name == "api_secret" and size == 2 * _SEED_BYTES):
            problems[name] = f"has {size} bytes, expected {_KEY_BYTES} in base64"
    if not problems:
        try:
            SigningKey.parse(api_key, api_secret)
        except VenueAuthError as exc:
            problems["api_secret"] = str(exc).removeprefix("api_secret ")
    return problems


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise VenueAuthError(f"{name} is not base64; copy it again from the venue") from None


def signing_text(instruction: str, params: Params | Sequence[Params], timestamp: int, window: int) -> str:
    """Return the text to sign; a list of parameters is a batch, each with the instruction before it."""
    batch = [params] if isinstance(params, Mapping) else params
    pieces = [piece for each in batch for piece in (f"instruction={instruction}", *_pairs(each))]
    return "&".join([*pieces, f"timestamp={timestamp}", f"window={window}"])


def _pairs(params: Params) -> list[str]:
    return [f"{name}={plain_text(params[name])}" for name in sorted(params)]


def plain_text(value: Any) -> str:
    """Return a value as it is signed and put into a query. Raises TypeError for what has no such form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be signed")


def signed_headers(
    key: SigningKey, instruction: str, params: Params | Sequence[Params], timestamp: int, window: int
) -> dict[str, str]:
    """Return the headers that authorise a request."""
    return {
        "X-API-Key": key.public_text,
        "X-Signature": key.sign(signing_text(instruction, params, timestamp, window)),
        "X-Timestamp": str(timestamp),
        "X-Window": str(window),
    }


def subscribe_frame(
    streams: Sequence[str], key: SigningKey | None = None, timestamp: int = 0, window: int = 0
) -> dict[str, Any]:
    """Return a subscription; with a key it is signed, as account streams need it."""
    frame: dict[str, Any] = {"method": "SUBSCRIBE", "params": list(streams)}
    if key is not None:
        signature = key.sign(signing_text("subscribe", {}, timestamp, window))
        frame["signature"] = [key.public_text, signature, str(timestamp), str(window)]
    return frame
