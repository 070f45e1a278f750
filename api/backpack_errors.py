"""What Backpack's error codes and expiry reasons mean to us, and what a person can do about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.market.instrument import Instrument
from core.market.order import POST_ONLY_WOULD_CROSS, Order

AUTH, CLOCK, RATE, FUNDS, INVALID = "auth", "clock", "rate_limit", "funds", "invalid_order"
WOULD_TAKE, REDUCE_ONLY, NOT_FOUND, LIMIT = "would_take", "reduce_only", "not_found", "limit"
MAINTENANCE, SERVER, UNKNOWN, BAD_REQUEST = "maintenance", "server", "unknown_outcome", "bad_request"

_CLASS_OF_CODE = {
    **dict.fromkeys(("INVALID_SIGNATURE", "UNAUTHORIZED", "FORBIDDEN"), AUTH),
    **dict.fromkeys(("ACCOUNT_LIQUIDATING", "ACCOUNT_DEACTIVATED"), AUTH),  # a person must look at the account first
    **dict.fromkeys(("INVALID_ORDER", "INVALID_PRICE", "INVALID_QUANTITY", "INVALID_SYMBOL"), INVALID),
    **dict.fromkeys(("INVALID_MARKET", "INVALID_RANGE"), INVALID),
    **dict.fromkeys(("INSUFFICIENT_FUNDS", "INSUFFICIENT_MARGIN", "MAX_LEVERAGE_REACHED", "BORROW_LIMIT"), FUNDS),
    **dict.fromkeys(("INSUFFICIENT_SUPPLY", "BORROW_REQUIRES_LEND_REDEEM"), FUNDS),
    **dict.fromkeys(("ORDER_LIMIT", "POSITION_LIMIT"), LIMIT),
    **dict.fromkeys(("MAINTENANCE", "TRADING_PAUSED"), MAINTENANCE),
    **dict.fromkeys(("TIMEOUT", "SERVER_ERROR"), UNKNOWN),
    "RESOURCE_NOT_FOUND": NOT_FOUND,
    "TOO_MANY_REQUESTS": RATE,
    "INVALID_CLIENT_REQUEST": BAD_REQUEST,
}
_CLASS_OF_EXPIRY = {
    "postonlytaker": WOULD_TAKE,
    **dict.fromkeys(("insufficientfunds", "insufficientmargin", "negativeequity"), FUNDS),
    **dict.fromkeys(("priceoutofbounds", "priceimpact", "priceband", "insufficientliquidity"), INVALID),
    "reduceonlynotreduced": REDUCE_ONLY,
    "positionlimit": LIMIT,
    "postonlymode": MAINTENANCE,
}
_WHAT_TO_DO = {
    AUTH: "create a key with trading right at the venue and set it in .env",
    CLOCK: "the venue's time is being measured again; set this machine's clock if it comes back",
    RATE: "it is tried again later; lower request_rate_per_s if it comes back",
    FUNDS: "deposit or lower order_size",
    INVALID: "look at price and size of the order",
    REDUCE_ONLY: "there is no position to reduce",
    NOT_FOUND: "the order is not open any more",
    LIMIT: "lower the number or the size of orders",
    MAINTENANCE: "wait for the venue",
    SERVER: "wait for the venue",
    UNKNOWN: "it is looked up before anything is sent again",
    BAD_REQUEST: "look at the order and the configuration",
}
_TO_DO_OF_CODE = {
    "BORROW_REQUIRES_LEND_REDEEM": "set auto_lend_redeem in exchange_config",
    "MAX_LEVERAGE_REACHED": "raise leverage or lower order_size",
    "ACCOUNT_LIQUIDATING": "look at the account, the venue is closing its positions",
    "ACCOUNT_DEACTIVATED": "ask the venue to activate the account",
    "INVALID_PRICE": "keep to the tick size and near the market",
    "INVALID_QUANTITY": "keep to the lot size and the minimum",
}
_SAFE = frozenset({RATE, MAINTENANCE, CLOCK})
_FIRST_WORD = {FUNDS: "insufficient_funds", RATE: "rate_limited", REDUCE_ONLY: "reduce_only"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal of the venue; `kind` is one of the classes above.

    `is_spoken`: it has a code of the venue; else it may be a page of something between us and the venue.
    """

    code: str
    message: str
    kind: str
    status: int | None = None
    is_spoken: bool = True

    @property
    def retry(self) -> str:
        """Tell whether it may be repeated unchanged: safe, never, or check (look first)."""
        if self.kind == UNKNOWN:
            return "check"
        return "safe" if self.kind in _SAFE else "never"

    @property
    def text(self) -> str:
        """Return code, the venue's words and what to do."""
        to_do = _TO_DO_OF_CODE.get(self.code) or _WHAT_TO_DO[self.kind]
        return f"{self.code}: {self.message}; {to_do}"


def problem_of(status: int | None, payload: Any) -> Problem:
    """Return the problem in an answer's payload; a page that is not the venue's own words is judged by its status."""
    code, message = "", ""
    if isinstance(payload, Mapping):
        code, message = _word(payload.get("code")), _word(payload.get("message"))
    kind = _kind(code, message, status)
    return Problem(code or f"HTTP_{status}", message or "no words of the venue", kind, status, bool(code))


def _word(value: Any) -> str:
    return "" if value is None else str(value)[:300]


def _kind(code: str, message: str, status: int | None) -> str:
    if code == "INVALID_CLIENT_REQUEST" and ("Invalid timestamp" in message or "Request has expired" in message):
        return CLOCK
    if code == "INVALID_ORDER" and "immediately match" in message:
        return WOULD_TAKE
    if code in _CLASS_OF_CODE:
        return _CLASS_OF_CODE[code]
    return _kind_of_status(status, bool(code))


def _kind_of_status(status: int | None, spoken: bool) -> str:
    """Judge an answer whose code we do not know; without a code it may come from something in between."""
    if status is None or status >= 500 or status == 408 or status < 400:
        return UNKNOWN
    if status == 429:
        return RATE
    if status in (403, 404) and not spoken:
        return UNKNOWN
    if status in (401, 403):
        return AUTH
    return NOT_FOUND if status == 404 else BAD_REQUEST


def reject_reason(problem: Problem, order: Order | None, instrument: Instrument) -> str:
    """Return the reason of a REJECTED order; its first word is the same for every venue."""
    if problem.kind == WOULD_TAKE:
        return POST_ONLY_WOULD_CROSS
    word = _FIRST_WORD.get(problem.kind, problem.kind)
    if problem.code == "INVALID_PRICE":
        word = "price"
    elif problem.code == "INVALID_QUANTITY":
        too_small = order is not None and order.size_lots < instrument.min_lots
        word = "min_size" if too_small else "size"
    return f"{word} {problem.text}"


def expiry_class(reason: str | None) -> str:
    """Return the class of an expiry reason, `expired` when the order simply ended; two spellings are seen."""
    plain = (reason or "").replace("_", "").lower()
    return _CLASS_OF_EXPIRY.get(plain, "expired")


def expiry_reason(reason: str | None) -> str:
    """Return the reason text of an order that the matching engine ended."""
    kind = expiry_class(reason)
    if kind == WOULD_TAKE:
        return POST_ONLY_WOULD_CROSS
    if kind == "expired":
        return reason or "expired"
    word = "price" if kind == INVALID else _FIRST_WORD.get(kind, kind)
    return f"{word} {reason}; {_WHAT_TO_DO[kind]}"
