"""Reading the parameters of a Thalex request: types, increments, words. Raises RpcError with the venue's code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from api.simulator import thalex_errors as codes
from api.simulator.thalex_errors import RpcError
from api.wire_json import loads_exact

if TYPE_CHECKING:
    from api.simulator.exchange import SimMarket


_MAX_CLIENT_ORDER_ID = 2**64 - 1
_MAX_NUMBER = 10**18
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can carry half a pair, a frame cannot
Params = Mapping[str, Any]


def read_request(text: str) -> tuple[int | str | None, str, dict[str, Any]]:
    """Return id, method and params of a request; numbers are int or Decimal. Raises ValueError when it is none."""
    plain = loads_exact(text)
    if not isinstance(plain, dict):
        raise ValueError("not an object")
    request_id, method, params = plain.get("id"), plain.get("method"), plain.get("params", {})
    if not isinstance(method, str) or not isinstance(params, dict):
        raise ValueError("no method, or params is not an object")
    if isinstance(request_id, bool) or not isinstance(request_id, (int, str, type(None))):
        raise ValueError("id is neither a number nor a text")
    str(request_id).encode()  # half a surrogate pair could not be sent back
    return request_id, method, params


def unknown_names(params: Params, known: frozenset[str]) -> list[str]:
    """Return names that the method does not have. A null is refused: an absent argument is left out."""
    for name, value in params.items():
        if value is None:
            raise RpcError(codes.INVALID_REQUEST, f"{name!r} is null: leave it out", "null_param")
    return [name for name in params if name not in known]


def text_of(params: Params, name: str, words: frozenset[str] | None = None) -> str | None:
    """Return a text parameter, None when it is absent; one of `words`."""
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or (words is not None and value not in words) or _SURROGATE.search(value):
        raise RpcError(codes.INVALID_REQUEST, f"{name} is not valid")
    return value


def flag_of(params: Params, name: str) -> bool:
    """Return a yes or no, no when it is absent."""
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise RpcError(codes.INVALID_REQUEST, f"{name} is not true or false")
    return value


def amount_of(params: Params, name: str) -> Decimal | None:
    """Return a number, None when it is absent. A number written as text is refused."""
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise RpcError(codes.INVALID_REQUEST, f"{name} is not a number")
    amount = Decimal(value)
    if abs(amount) > _MAX_NUMBER:
        raise RpcError(codes.INVALID_REQUEST, f"{name} is too large")
    return amount


def needed_amount(params: Params, name: str) -> Decimal:
    """Return a number that must be there."""
    value = amount_of(params, name)
    if value is None:
        raise RpcError(codes.INVALID_REQUEST, f"{name} is missing")
    return value


def whole_of(params: Params, name: str, least: int, most: int) -> int | None:
    """Return a whole number within bounds, None when it is absent."""
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RpcError(codes.INVALID_REQUEST, f"{name} is not a whole number of {least} to {most}")
    return value


def client_order_id_of(params: Params) -> int | None:
    """Return the client order id, None when it is absent."""
    return whole_of(params, "client_order_id", 0, _MAX_CLIENT_ORDER_ID)


def lots_of(market: SimMarket, amount: Decimal) -> int:
    """Return an amount in lots; off step or below the minimum is code 14."""
    lots = market.exact_lots(amount)
    if lots is None or lots < market.instrument.min_lots:
        raise RpcError(codes.QUANTITY, violation="off_lot" if lots is None else "bad_size")
    return lots


def ticks_of(market: SimMarket, price: Decimal) -> int:
    """Return a price in ticks; off tick is code 15, not above zero 13."""
    if price <= 0:
        raise RpcError(codes.PRICE)
    ticks = market.exact_ticks(price)
    if ticks is None:
        raise RpcError(codes.PRICE_TICK)
    return ticks


def instrument_names_of(params: Params) -> frozenset[str] | None:
    """Return the instruments a history is asked for, None for all: a text with commas, or a list."""
    value = params.get("instrument_names")
    if value is None:
        return None
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RpcError(codes.INVALID_REQUEST, "instrument_names is not valid")
    return frozenset(names)
