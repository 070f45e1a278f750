"""When a request may be made again: reads only, and cancels that the venue certainly did not look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from api.http_call import Waiting
from api.rate_budget import Lane

MAX_TRIES = 3
FIRST_PAUSE_S = 0.1
FIRST_LIMIT_S, LONGEST_LIMIT_S = 1.0, 60.0
LONGEST_RETRY_AFTER_S = 600.0
TOO_MANY = 429
NS = 1_000_000_000


def again_ns(waiting: Waiting, now_ns: int, draw: Callable[[], float]) -> int | None:
    """Return when a call that failed, or was answered by a 5xx, may be made again; None: never."""
    if waiting.call.lane is not Lane.READ or waiting.tries >= MAX_TRIES:
        return None
    pause_s = FIRST_PAUSE_S * 2 ** (waiting.tries - 1) * (0.5 + draw() / 2)
    return _if_in_time(waiting, now_ns + int(pause_s * NS))


def after_limit_ns(waiting: Waiting, until_ns: int) -> int | None:
    """Return when a call that was answered by 429 may be made again; None: never."""
    lane = waiting.call.lane
    if lane is Lane.CREATE or (lane is Lane.READ and waiting.tries >= MAX_TRIES):
        return None
    return _if_in_time(waiting, until_ns)


def _if_in_time(waiting: Waiting, at_ns: int) -> int | None:
    return at_ns if at_ns < waiting.give_up_ns else None


def limit_s(headers: Mapping[str, str], in_a_row: int) -> float:
    """Return how long a 429 tells us to be silent; doubling where it does not say."""
    told, times = _retry_after_s(headers), 2.0 ** min(in_a_row, 10)
    if told is None:
        return min(LONGEST_LIMIT_S, FIRST_LIMIT_S * times)
    least = min(FIRST_LIMIT_S, FIRST_PAUSE_S * times)  # 0 is no leave to ask as fast as the venue answers
    return min(LONGEST_RETRY_AFTER_S, max(least, told))


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or a date, which is taken relative to the answer's own Date, not to our clock."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until, now = _date(text), _date(headers.get("date", ""))
        return (until - now).total_seconds() if until and now else None
    return seconds if seconds >= 0 else None  # NaN compares false


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).replace(tzinfo=None)  # HTTP dates are always GMT
    except (ValueError, TypeError, IndexError):
        return None
