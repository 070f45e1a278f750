"""What Thalex's error codes mean for us. Only the code decides: the venue's texts are for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What a refusal says of the request."""

    NO = "definite"  # not carried out
    UNKNOWN = "unknown"  # may have been carried out
    AUTH = "auth"  # the key, not the request
    LOGIN = "login"  # the session is not, or no longer, signed in
    THROTTLED = "throttled"  # not carried out, too many requests
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the table."""

    name: str  # the class of the error in the fact sheet
    verdict: Verdict
    advice: str
    prefix: str = ""  # what the reason of a rejected order begins with, where all venues spell it alike

    @property
    def retry(self) -> str:
        """Return safe (repeat after a pause), never, or check (look it up first)."""
        if self.name == "duplicate_id" or self.verdict is Verdict.UNKNOWN:
            return "check"
        return "safe" if self.verdict is Verdict.THROTTLED else "never"


_V = Verdict
_RATE = Meaning("rate_limit", _V.THROTTLED, "lower request_rate_per_s", "rate_limited")
_BAD = Meaning("bad_request", _V.NO, "the request does not fit the venue: report it as a bug")
_AUTH = Meaning("auth", _V.AUTH, "check key_id, private_key and the key's rights at the venue")
_SERVER = Meaning("server", _V.UNKNOWN, "the venue is looked up")
_LIMIT = Meaning("limit", _V.NO, "lower the number or the size of the orders")
_ORDER = Meaning("invalid_order", _V.NO, "check the order's price and size")
_PRICE = Meaning("invalid_order", _V.NO, "the price must be a multiple of the tick size and positive", "price")
_SIZE = Meaning("invalid_order", _V.NO, "raise order_size to the venue's minimum", "min_size")

MEANINGS: dict[int, Meaning] = {
    1: Meaning("not_found", _V.NOT_FOUND, "there is no such open order"),
    2: Meaning("duplicate_id", _V.NO, "the venue has an order of that id", "duplicate_client_id"),
    **dict.fromkeys((3, 4, 58), _RATE),
    **dict.fromkeys((5, 6, 12, 31), _BAD),
    7: Meaning("auth", _V.LOGIN, "the session is signed in again"),
    **dict.fromkeys((19, 28), _AUTH),
    **dict.fromkeys((8, 9), _BAD),
    **dict.fromkeys((10, 20, 37), _SERVER),
    11: Meaning("limit", _V.NO, "close other sessions of the account"),
    53: Meaning("limit", _V.NO, "close other connections of the account"),
    **dict.fromkeys((49, 50), _LIMIT),
    13: _PRICE,
    15: _PRICE,
    14: _SIZE,
    **dict.fromkeys((25, 45), _ORDER),
    **dict.fromkeys((22, 23, 44), _LIMIT),
    **dict.fromkeys((24, 27), Meaning("funds", _V.NO, "deposit or lower order_size", "insufficient_funds")),
    26: Meaning("auth", _V.AUTH, "the account is locked: ask the venue"),
    42: Meaning("geo", _V.AUTH, "the venue does not serve this place"),
    41: Meaning("invalid_order", _V.NO, "nothing to trade against"),
    43: Meaning("invalid_order", _V.NO, "the price is outside the venue's collar", "price"),
    52: _BAD,
    57: Meaning("reduce_only", _V.NO, "the account may only reduce its position", "reduce_only"),
}
# A code that we do not know may mean anything, also that something was done.
UNLISTED = Meaning("unknown_outcome", Verdict.UNKNOWN, "the venue is looked up")


def meaning_of(code: int) -> Meaning:
    """Return what a code means."""
    return MEANINGS.get(code, UNLISTED)


def reason_of(code: int, message: str) -> str:
    """Return a refusal in one line: code, the venue's words, what to do."""
    meaning = meaning_of(code)
    start = f"{meaning.prefix} " if meaning.prefix else ""
    return f"{start}{code}: {message or meaning.name}; {meaning.advice}"


# Why the venue ended an order -> why we say it ended.
_DELETE_REASONS = {
    "client_cancel": "user",
    "client_bulk_cancel": "user",
    "session_end": "disconnect",
    "immediate_cancel": "immediate_cancel",
}


def ended_because(delete_reason: str) -> str:
    """Return the project's word for a delete_reason; the venue's own where there is none."""
    return _DELETE_REASONS.get(delete_reason, delete_reason)
