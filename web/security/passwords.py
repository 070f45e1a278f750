"""Passwords: scrypt by Werkzeug, one check at a time, so that a flood of logins costs one core and 32 MB at most."""

from __future__ import annotations

import hmac
import threading

from werkzeug.security import check_password_hash, generate_password_hash

from utils.errors import ConfigError

SHORTEST, LONGEST = 10, 1024  # characters
_METHOD = "scrypt:32768:8:1"
_one_at_a_time = threading.Lock()


def password_hash(password: str) -> str:
    """Return what is kept of a password. Raises ConfigError for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigError(f"a password has {SHORTEST} to {LONGEST} characters")
    return generate_password_hash(password, _METHOD)


def hash_problem(text: str) -> str:
    """Return why `text` is not the hash of a password, "" when it is."""
    parts = text.split("$")
    good = len(parts) == 3 and parts[0].startswith("scrypt:") and all(parts)
    return "" if good else "it is not a hash made by `run.py web-password`"


def is_password(kept: str, password: str) -> bool:
    """Tell whether a password is the one that a hash was made of; "" is no password of anybody."""
    if not kept or hash_problem(kept):
        return False
    with _one_at_a_time:
        return check_password_hash(kept, password[:LONGEST])


def is_token(kept: str, given: str) -> bool:
    """Tell whether a bearer's token is ours, in constant time."""
    return bool(kept) and hmac.compare_digest(kept.encode(), given.encode())
