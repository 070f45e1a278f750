"""Backpack's spellings of numbers, times, sides and states. Whatever cannot be read raises ValueError."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

from core.market.order import OrderState, Side

_MAX_EXPONENT = 40  # a number beyond is no amount, and counting in it would take for ever
_PLAIN_LENGTH = 20
_SIDES = {"Bid": Side.BUY, "Ask": Side.SELL}
SIDE_NAMES = {Side.BUY: "Bid", Side.SELL: "Ask"}
_STATES = {
    "New": OrderState.NEW,
    "PartiallyFilled": OrderState.PARTIALLY_FILLED,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELED,
    "Expired": OrderState.EXPIRED,
    "TriggerPending": OrderState.PENDING_NEW,
    "TriggerFailed": OrderState.REJECTED,
}
MS, US = 1_000_000, 1_000  # nanoseconds
_P = ParamSpec("_P")
_T = TypeVar("_T")


def amount(value: Any) -> Decimal:
    """Return a number, written as text or as a number, exactly."""
    if type(value) is str and len(value) <= _PLAIN_LENGTH and (plain := _plain(value)) is not None:
        return plain  # as nearly all are: read in a fifth of the time
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError(f"{value!r} is not a number")
    try:
        number = Decimal(value if isinstance(value, str | int | Decimal) else repr(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError(f"{value!r} is not an amount")
    return number


@lru_cache(maxsize=4096)
def _plain(written: str) -> Decimal | None:
    """Return a number of digits and a point, None for any other; a book names the same ones all the time."""
    return Decimal(written) if written.replace(".", "", 1).isdecimal() else None


def optional(value: Any) -> Decimal | None:
    """Return a number, None where there is none."""
    return None if value is None or value == "" else amount(value)


def whole(value: Any) -> int:
    """Return an integer that may be written as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= _MAX_EXPONENT and value.lstrip("-").isdecimal():
        return int(value)
    raise ValueError(f"{value!r} is not a whole number")


def optional_whole(value: Any) -> int | None:
    """Return an integer, None where there is none."""
    return None if value is None else whole(value)


def text(value: Any) -> str:
    """Return an identifier; whole numbers are written out."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{value!r} is not a name")


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__} instead of an object")
    return value


def rows(value: Any) -> list[dict[str, Any]]:
    """Return a JSON list of objects."""
    if not isinstance(value, list):
        raise ValueError(f"{type(value).__name__} instead of a list")
    return [mapping(row) for row in value]


def side(value: Any) -> Side:
    """Return the side of Bid or Ask."""
    if not isinstance(value, str) or value not in _SIDES:
        raise ValueError(f"{value!r} is not a side")
    return _SIDES[value]


def state(value: Any) -> OrderState | None:
    """Return the state of an order, None for a word we do not know."""
    return _STATES.get(value) if isinstance(value, str) else None


def moment_ns(value: Any, unit: int = MS) -> int:
    """Return UTC nanoseconds of a count of `unit` (number or text) or of a date text, which is UTC without a zone."""
    if isinstance(value, str) and "-" in value[1:]:
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        whole_s = int(moment.replace(microsecond=0).timestamp())
        return whole_s * 1_000_000_000 + moment.microsecond * US
    return whole(value) * unit


def complete(parser: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let a missing field be a broken answer like any other."""

    @wraps(parser)
    def parse(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return parser(*args, **kwargs)
        except KeyError as exc:
            raise ValueError(f"the field {exc} is missing") from None

    return parse
