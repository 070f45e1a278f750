"""Thalex's login: an RS512 token signed by the account's key, and throw-away keys for the simulator's accounts.

Format of the token: exchanges/thalex.md, section 3. Nothing here touches a socket or a clock.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import random
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

MAX_AGE_S = 60.0  # not stated by the venue; the client's clock has to be in step
KEY_BITS = 2048
_PUBLIC_EXPONENT = 65537


class TokenRefused(Exception):
    """A login token is not accepted; `violation` is what the control port counts."""

    def __init__(self, message: str, violation: str) -> None:
        super().__init__(message)
        self.violation = violation


def check_token(token: Any, keys: Mapping[str, rsa.RSAPublicKey], now_s: float, max_age_s: float = MAX_AGE_S) -> str:
    """Return the key id of a good login token. Raises TokenRefused."""
    header, claims, signed, signature = _parts(token)
    if header.get("alg") != "RS512":
        raise TokenRefused("the token's algorithm is not RS512", "bad_signature")
    key_id = header.get("kid")
    key = keys.get(key_id) if isinstance(key_id, str) else None
    if key is None or not isinstance(key_id, str):
        raise TokenRefused("unknown key id", "unknown_key")
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA512())
    except InvalidSignature:
        raise TokenRefused("the token's signature is wrong", "bad_signature") from None
    _check_time(claims.get("iat"), now_s, max_age_s)
    return key_id


def _check_time(issued: Any, now_s: float, max_age_s: float) -> None:
    if isinstance(issued, bool) or not isinstance(issued, (int, float)) or not math.isfinite(issued):
        raise TokenRefused("the token has no iat", "bad_timestamp")
    if abs(now_s - issued) > max_age_s:
        raise TokenRefused("the token's iat is too old or in the future", "bad_timestamp")


def _parts(token: Any) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Return header, claims, the signed bytes and the signature. Raises TokenRefused."""
    if not isinstance(token, str) or token.count(".") != 2 or not token.isascii():
        raise TokenRefused("the token is not a JWT", "bad_signature")
    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    try:
        decoded = json.loads(_decode(header)), json.loads(_decode(claims))
        proof = _decode(signature)
    except (ValueError, RecursionError):
        raise TokenRefused("the token cannot be decoded", "bad_signature") from None
    if not isinstance(decoded[0], dict) or not isinstance(decoded[1], dict):
        raise TokenRefused("the token's parts are not objects", "bad_signature")
    return decoded[0], decoded[1], signed.encode(), proof


def _decode(text: str) -> bytes:
    if "=" in text:
        raise ValueError("base64url of a token has no padding")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@cache
def public_key(private_key_pem: str) -> rsa.RSAPublicKey:
    """Return the public half of a private key in PEM text, which takes a twentieth of a second. Raises ValueError."""
    key = serialization.load_pem_private_key(private_key_pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key.public_key()


@cache
def throwaway_key_pem(seed_text: str, bits: int = KEY_BITS) -> str:
    """Return a private key that is always the same for the same text, as PKCS#8 PEM. It protects nothing.

    `cryptography` makes no keys from a seed, so the primes are found here.
    """
    source = random.Random(hashlib.sha512(seed_text.encode()).digest())
    p, q = _prime(source, bits // 2), _prime(source, bits // 2)
    d = pow(_PUBLIC_EXPONENT, -1, (p - 1) * (q - 1))
    exponents = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, *exponents, rsa.RSAPublicNumbers(_PUBLIC_EXPONENT, p * q))
    return (
        numbers.private_key(unsafe_skip_rsa_key_validation=True)  # the primes are ours
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


@cache
def _primorial(limit: int) -> int:
    """Return the product of the odd primes below `limit`."""
    return math.prod(n for n in range(3, limit, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2)))


def _prime(source: random.Random, bits: int) -> int:
    small = _primorial(4000)  # sorts out nine of ten candidates before the slow test
    candidate = source.getrandbits(bits) | 3 << bits - 2 | 1  # the top two bits make the product long enough
    while math.gcd(candidate, small) != 1 or not _is_prime(candidate):
        candidate += 2
    return candidate


def _is_prime(number: int) -> bool:
    """Tell whether an odd number is prime, by Miller and Rabin with fixed bases (good enough for a throw-away key)."""
    odd = number - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for base in (2, 3, 5, 7, 11, 13):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return (number - 1) % _PUBLIC_EXPONENT != 0
