"""Times that a person writes, as UTC nanoseconds."""

from __future__ import annotations

from datetime import UTC, datetime

from utils.errors import ConfigError


def utc_ns_of(text: str) -> int:
    """Return a time as `2024-08-08T23:55:00` (UTC unless it says otherwise) or UTC nanoseconds. Raises ConfigError."""
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a time such as 2024-08-08T23:55:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 10**9 + moment.microsecond * 1000


def moment_text(utc_ns: int) -> str:
    """Return a time as `2024-08-08T23:55:00.123456789Z`; `utc_ns_of` reads it, to the microsecond."""
    moment = datetime.fromtimestamp(utc_ns // 10**9, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{utc_ns % 10**9:09d}Z"
