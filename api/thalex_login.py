"""The token that opens a Thalex session: RS512 (RSA PKCS#1 v1.5, SHA-512), made without a token package."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from utils.env import Secret
from utils.errors import VenueAuthError

_MIN_BITS = 2048


class LoginKey:
    """One API key. Neither its text nor the numbers in it are ever part of a message."""

    __slots__ = ("_key", "key_id")

    def __init__(self, key_id: str, pem: Secret | str) -> None:
        self.key_id = key_id
        self._key = _load(key_id, pem.reveal() if isinstance(pem, Secret) else pem)

    def token(self, issued_at: int | Decimal) -> str:
        """Return a fresh token; `issued_at` is the venue's time in seconds."""
        header = json.dumps({"alg": "RS512", "kid": self.key_id, "typ": "JWT"}, separators=(",", ":"))
        claims = f'{{"iat":{format(Decimal(issued_at), "f")}}}'
        signed = f"{_base64(header.encode())}.{_base64(claims.encode())}"
        return f"{signed}.{_base64(self._key.sign(signed.encode(), PKCS1v15(), SHA512()))}"

    def __repr__(self) -> str:
        return f"LoginKey({self.key_id})"

    def __reduce__(self) -> Any:
        raise TypeError("a key stays in the process that read it")


def key_problems(key_id: str, pem: str) -> dict[str, str]:
    """Return what is wrong with the form of a key: an id without spaces, and an RSA key as PEM."""
    problems = {} if key_id and not any(char.isspace() for char in key_id) else {"key_id": "is empty or has spaces"}
    try:
        LoginKey("", pem)
    except VenueAuthError as exc:
        problems["private_key"] = str(exc).partition("private_key ")[2].partition(";")[0]
    return problems


def _load(key_id: str, text: str) -> RSAPrivateKey:
    # An environment file holds one line: a written-out \n stands for a line's end.
    pem = text.strip().replace("\\r", "").replace("\\n", "\n").replace("\r", "")
    problem = ""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        problem = "cannot be read: it must be a whole PEM text, PKCS#1 or PKCS#8, without a password"
    if not problem and not isinstance(key, RSAPrivateKey):
        problem = "is not an RSA key"
    elif not problem and isinstance(key, RSAPrivateKey) and key.key_size < _MIN_BITS:
        problem = f"has fewer than {_MIN_BITS} bits"
    if problem:  # raised here, not while handling the cause: that could carry the text along
        raise VenueAuthError(f"thalex key {key_id}: private_key {problem}; set it to the key made at the venue")
    assert isinstance(key, RSAPrivateKey)
    return key


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
