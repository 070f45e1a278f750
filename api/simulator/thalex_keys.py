"""The keys of the simulated Thalex's accounts: how they are made, and what they may do."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from api.simulator import thalex_errors as codes
from api.simulator.thalex_auth import TokenRefused, check_token, public_key, throwaway_key_pem
from api.simulator.thalex_errors import RpcError
from api.simulator.thalex_params import Params, text_of
from utils.errors import ConfigError

VIEW, REVOKED = RIGHTS = "-view", "-revoked"  # how the ids of keys end that may not trade, or not even log in


def new_keys(account: str, seed: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return an account's keys; those in `given` are kept. Raises ConfigError.

    A name that ends in `-view` gets a key that may not trade, one in `-revoked` a key that cannot log in.
    """
    digits = zlib.crc32(f"{seed}/{account}".encode()) % 10**9
    # To find primes takes a second: later accounts share the keys of `a` and `b`; only the key ids are their own.
    owner = account if account in ("a", "b") else "ab"[digits % 2]
    pem = given.get("private_key") or throwaway_key_pem(f"makerd simulator {seed}/{owner}")
    try:
        public_key(pem)
    except (ValueError, TypeError) as exc:
        raise ConfigError(f"account {account}: private_key is not an RSA key in PEM text") from exc
    right = next((word for word in RIGHTS if account.endswith(word)), "")
    key_id, number = given.get("key_id") or f"K{digits:09d}{right}", given.get("venue_account") or f"A{digits:09d}"
    return {"key_id": key_id, "private_key": pem, "venue_account": number}


class KeyRing:
    """The keys that may log in, and whose they are."""

    def __init__(self) -> None:
        self.public: dict[str, RSAPublicKey] = {}
        self.accounts: dict[str, tuple[str, str]] = {}  # key id -> the exchange's account and the venue's number of it

    def add(self, key_id: str, key: RSAPublicKey, account: str, number_: str) -> None:
        """Take a key."""
        self.public[key_id] = key
        self.accounts[key_id] = account, number_

    def log_in(self, params: Params, now_s: float) -> tuple[str, str, str]:
        """Return key id, account and account number of a login. Raises RpcError."""
        try:
            key_id = check_token(params.get("token"), self.public, now_s)
        except TokenRefused as exc:
            raise RpcError(codes.LOGIN_FAILED, f"authentication failed: {exc}", exc.violation) from exc
        if key_id.endswith(REVOKED):
            raise RpcError(codes.LOGIN_FAILED, "authentication failed: the key is not active", "revoked_key")
        account, number_ = self.accounts[key_id]
        if text_of(params, "account") not in (None, number_):
            raise RpcError(codes.UNAUTHORISED, "the key has no right to this account")
        return key_id, account, number_
