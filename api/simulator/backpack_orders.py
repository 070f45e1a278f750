"""Reading Backpack's order calls: what a body asks for, and the venue's words for what cannot be had; pure but for the
desk's markets and balances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from api.simulator.backpack_auth import Refusal
from core.market.order import Side

if TYPE_CHECKING:
    from api.simulator.backpack_state import Desk
    from api.simulator.exchange_market import SimMarket
    from api.simulator.exchange_types import SimOrder

Body = Mapping[str, Any]

MAX_CLIENT_ID = 2**32 - 1
BATCH_LIMIT = 50
_SIDES = {"Bid": Side.BUY, "Ask": Side.SELL}
_TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
_SELF_TRADE = ("RejectTaker", "RejectMaker", "RejectBoth")
_NOT_SIMULATED = ("triggerPrice", "triggerQuantity", "triggerBy", "stopLossTriggerPrice", "takeProfitTriggerPrice")
_LOWEST, _HIGHEST = Decimal("0.75"), Decimal("1.25")  # of the mark: minMultiplier and maxMultiplier of the filters
_ZERO = Decimal(0)
_MAX_DIGITS = 24  # of a number in a request: beyond it division would round

STATUSES = {
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "RESOURCE_NOT_FOUND": 404,
    "TOO_MANY_REQUESTS": 429,
    "SERVER_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "MAINTENANCE": 503,
    "TRADING_PAUSED": 503,
    "TIMEOUT": 504,
}
# Why our exchange rejects an order -> code, words, our counter. The first entry that a reason begins with.
_REJECTIONS = (
    ("post_only_would_cross", "INVALID_ORDER", "Order would immediately match and take", ""),
    ("post_only", "INVALID_ORDER", "Post only orders must be GTC limit orders", "bad_order"),
    ("insufficient_margin", "INSUFFICIENT_MARGIN", "Insufficient margin", ""),
    ("insufficient", "INSUFFICIENT_FUNDS", "Insufficient funds", ""),
    ("price", "INVALID_PRICE", "Price is below the minimum price", "off_tick"),
    ("min_size", "INVALID_QUANTITY", "Quantity is below the minimum quantity", "below_minimum"),
    ("min_notional", "INVALID_QUANTITY", "Quantity is below the minimum notional", "below_minimum"),
    ("too_many_open_orders", "ORDER_LIMIT", "Too many open orders", "too_many_open_orders"),
    ("duplicate_client_id", "INVALID_ORDER", "Client id is already used by an open order", "duplicate_client_id"),
    ("reduce_only_would_not_reduce", "INVALID_ORDER", "Reduce only order does not reduce the position", ""),
    ("reduce_only", "INVALID_ORDER", "Reduce only is for futures", "bad_order"),
    ("no_market", "INVALID_SYMBOL", "Invalid symbol", "unknown_market"),
)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a body of `POST /api/v1/order` asks for."""

    market: SimMarket
    side: Side
    price_ticks: int | None
    size_lots: int
    time_in_force: str
    post_only: bool
    reduce_only: bool
    client_id: int | None
    auto_lend_redeem: bool


def refusal(code: str, message: str, violation: str = "") -> Refusal:
    """Return a refusal with the status that goes with its code."""
    return Refusal(STATUSES.get(code, 400), code, message, violation)


def unparsed(what: str, violation: str = "bad_request") -> Refusal:
    """Return the refusal of a body or parameter that cannot be read."""
    return refusal("INVALID_CLIENT_REQUEST", f"parse request payload error: {what}", violation)


def rejection(reason: str) -> Refusal:
    """Return the venue's words for an order that the exchange rejected."""
    for start, code, message, violation in _REJECTIONS:
        if reason.startswith(start):
            return refusal(code, message, violation)
    return refusal("INVALID_ORDER", reason or "Invalid order", "bad_order")


def read_order(body: object, desk: Desk) -> NewOrder:
    """Return the order that a body asks for. Raises Refusal."""
    if not isinstance(body, Mapping):
        raise unparsed("expected an object")
    market = desk.market(body.get("symbol"))
    side = _SIDES.get(_text(body, "side"))
    if side is None:
        raise unparsed('failed to parse "Side"')
    if any(body.get(name) is not None for name in _NOT_SIMULATED):
        raise refusal("NOT_IMPLEMENTED", "the simulator has no conditional orders", "not_simulated")
    _check_self_trade(body)
    price_ticks = _read_price(body, market, desk)
    return NewOrder(
        market=market,
        side=side,
        price_ticks=price_ticks,
        size_lots=_read_size(body, market, side, price_ticks),
        time_in_force=_one_of(body, "timeInForce", _TIMES_IN_FORCE, "GTC"),
        post_only=_flag(body, "postOnly"),
        reduce_only=_flag(body, "reduceOnly"),
        client_id=read_client_id(body.get("clientId")),
        auto_lend_redeem=_flag(body, "autoLendRedeem"),
    )


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise unparsed(f"`{name}` is missing or not a text")
    return value


def _one_of(body: Body, name: str, words: tuple[str, ...], default: str) -> str:
    value = body.get(name)
    if value is None:
        return default
    if value not in words:
        raise unparsed(f"`{name}`: expect a valid enumeration value")
    return str(value)


def _flag(body: Body, name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise unparsed(f"`{name}` is not a boolean")
    return bool(value)


def _check_self_trade(body: Body) -> None:
    if _one_of(body, "selfTradePrevention", _SELF_TRADE, "RejectTaker") != "RejectTaker":
        raise refusal("NOT_IMPLEMENTED", "the simulator only knows RejectTaker", "not_simulated")


def read_decimal(value: object, what: str, code: str) -> Decimal:
    """Return a decimal text as a positive number. Raises Refusal."""
    if not isinstance(value, str):
        raise unparsed(f"`{what}` is missing or not a decimal text")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise unparsed(f"`{what}` is not a decimal") from None
    digits = number.as_tuple().digits
    if not number.is_finite() or number <= 0 or abs(number.adjusted()) > _MAX_DIGITS or len(digits) > _MAX_DIGITS:
        raise refusal(code, f"Invalid {what}", "bad_order")
    return number


def _read_price(body: Body, market: SimMarket, desk: Desk) -> int | None:
    kind = _text(body, "orderType")
    if kind == "Market":
        return None
    if kind != "Limit":
        raise unparsed('failed to parse "OrderType"')
    price = read_decimal(body.get("price"), "price", "INVALID_PRICE")
    ticks = market.exact_ticks(price)
    if ticks is None:
        raise refusal("INVALID_PRICE", "Price decimal too long", "off_tick")
    mark = desk.exchange.mark(market.symbol)
    if mark and not _LOWEST * mark <= price <= _HIGHEST * mark:
        raise refusal("INVALID_PRICE", "Price is too far from the last active price", "price_band")
    return ticks


def _read_size(body: Body, market: SimMarket, side: Side, price_ticks: int | None) -> int:
    if price_ticks is None and body.get("quoteQuantity") is not None:
        if body.get("quantity") is not None:
            raise unparsed("give `quantity` or `quoteQuantity`, not both")
        quote = read_decimal(body["quoteQuantity"], "quoteQuantity", "INVALID_QUANTITY")
        return market.lots_for_quote(side, quote)
    lots = market.exact_lots(read_decimal(body.get("quantity"), "quantity", "INVALID_QUANTITY"))
    if lots is None:
        raise refusal("INVALID_QUANTITY", "Quantity decimal too long", "off_lot")
    return lots


def read_client_id(value: object) -> int | None:
    """Return a client id: an unsigned 32-bit integer, not text. Raises Refusal."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_CLIENT_ID:
        raise unparsed('`clientId`: failed to parse "u32"', "bad_client_id")
    return value


def find_order(params: Body, account: str, desk: Desk) -> SimOrder:
    """Return the open order that `orderId` or `clientId` (digits as text too, as bpx-py sends them) names."""
    market = desk.market(params.get("symbol"))
    order_id, client_id = params.get("orderId"), params.get("clientId")
    if (order_id is None) == (client_id is None):
        raise unparsed("must specify exactly one of `orderId` and `clientId`")
    if order_id is not None:
        found = desk.exchange.order(account, str(order_id))
    else:
        found = desk.exchange.by_client_id(account, str(client_id))
    if found is None or not found.is_open or found.symbol != market.symbol:
        raise refusal("RESOURCE_NOT_FOUND", "Order not found")
    return found


def to_redeem(wanted: NewOrder, account: str, desk: Desk) -> tuple[str, Decimal]:
    """Return asset and amount that a spot order needs out of what is lent. Raises Refusal when it may not have it."""
    instrument, buys = wanted.market.instrument, wanted.side is Side.BUY
    asset = instrument.quote if buys else instrument.base
    lent = desk.settings(account).lent.get(asset, _ZERO)
    if not wanted.market.is_spot or not lent:
        return asset, _ZERO
    price_ticks = wanted.price_ticks or wanted.market.worst_ticks(wanted.side, wanted.size_lots)
    value = instrument.notional_quote(price_ticks, wanted.size_lots)
    missing = (value if buys else instrument.to_size(wanted.size_lots)) - desk.unlent(account, asset)
    if not 0 < missing <= lent:  # nothing is missing, or more than redeeming gives: the exchange says that
        return asset, _ZERO
    if not wanted.auto_lend_redeem:
        raise refusal("BORROW_REQUIRES_LEND_REDEEM", "Borrow requires lend redeem")
    return asset, missing
