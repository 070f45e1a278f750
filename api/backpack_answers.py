"""What Backpack's REST calls answer, as typed values. Unknown fields are ignored; a broken answer raises ValueError."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.backpack_errors import Problem, problem_of
from api.backpack_messages import Levels, levels
from api.backpack_values import (
    MS,
    US,
    amount,
    complete,
    mapping,
    moment_ns,
    optional,
    optional_whole,
    rows,
    side,
    state,
    text,
    whole,
)
from api.base_client import Balance, Candle
from core.market.order import OrderState, Side

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class DepthPicture:
    """A whole book."""

    bids: Levels
    asks: Levels
    sequence: int
    venue_ns: int


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as REST tells it."""

    symbol: str
    order_id: str
    client_id: int | None
    side: Side
    order_type: str
    time_in_force: str
    price: Decimal | None
    size: Decimal
    filled: Decimal
    filled_quote: Decimal
    state: OrderState | None
    reason: str | None
    post_only: bool
    reduce_only: bool
    created_ns: int

    @property
    def average(self) -> Decimal | None:
        """Return the average price of what has filled."""
        return self.filled_quote / self.filled if self.filled else None


@dataclass(frozen=True, slots=True)
class VenueFill:
    """An execution of the account as the history tells it."""

    symbol: str
    trade_id: str
    order_id: str
    client_id: int | None
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    venue_ns: int


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """A position; `size` is signed."""

    symbol: str
    size: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    unrealised: Decimal | None
    liquidation_price: Decimal | None


@complete
def depth_of(payload: Any) -> DepthPicture:
    """Return a book; its sides may come in any order."""
    data = mapping(payload)
    venue_ns = moment_ns(data["timestamp"], US) if data.get("timestamp") is not None else 0
    return DepthPicture(levels(data["bids"]), levels(data["asks"]), whole(data["lastUpdateId"]), venue_ns)


@complete
def order_of(payload: Any) -> VenueOrder:
    """Return an order; of a trigger order that waits, `size` is what it will be, if that is an amount."""
    row = mapping(payload)
    size = optional(row.get("quantity")) or _ZERO
    trigger = row.get("triggerQuantity")
    if not size and isinstance(trigger, str) and not trigger.endswith("%"):
        size = amount(trigger)
    return VenueOrder(
        symbol=text(row["symbol"]),
        order_id=text(row["id"]),
        client_id=optional_whole(row.get("clientId")),
        side=side(row["side"]),
        order_type=str(row.get("orderType", "")).lower(),
        time_in_force=str(row.get("timeInForce", "GTC")),
        price=optional(row.get("price")),
        size=size,
        filled=optional(row.get("executedQuantity")) or _ZERO,
        filled_quote=optional(row.get("executedQuoteQuantity")) or _ZERO,
        state=state(row["status"]),
        reason=None if row.get("expiryReason") is None else str(row["expiryReason"]),
        post_only=bool(row.get("postOnly")),
        reduce_only=bool(row.get("reduceOnly")),
        created_ns=_created_ns(row.get("createdAt")),
    )


def _created_ns(value: Any) -> int:
    """Return when an order was made, 0 when that cannot be read: nothing depends on it."""
    try:
        return moment_ns(value)
    except ValueError:
        return 0


def orders_of(payload: Any) -> list[VenueOrder]:
    """Return a list of orders."""
    return [order_of(row) for row in rows(payload)]


def batch_of(payload: Any) -> list[VenueOrder | Problem]:
    """Return what became of each order of a batch, in the order of the request; what cannot be read is unknown."""
    return [_batch_item(row) for row in rows(payload)]


def _batch_item(row: dict[str, Any]) -> VenueOrder | Problem:
    if row.get("operation") == "Err" or ("id" not in row and "code" in row):
        return problem_of(400, row)
    try:
        return order_of(row)
    except ValueError as exc:
        return problem_of(None, {"code": "UNREADABLE", "message": str(exc)})


@complete
def fill_of(row: dict[str, Any]) -> VenueFill:
    """Return an execution."""
    order_id = "" if row.get("orderId") is None else text(row["orderId"])  # the venue's own fills may have none
    trade_id, at_ns = row.get("tradeId"), moment_ns(row["timestamp"])
    price, size = amount(row["price"]), amount(row["quantity"])
    return VenueFill(
        symbol=text(row["symbol"]),
        # Without an id two fills of one order in one millisecond are told apart by what they are.
        trade_id=f"{order_id}-{at_ns // MS}-{price:f}-{size:f}" if trade_id is None else text(trade_id),
        order_id=order_id,
        client_id=None if row.get("clientId") in (None, "") else whole(row["clientId"]),
        side=side(row["side"]),
        price=price,
        size=size,
        fee=optional(row.get("fee")) or _ZERO,
        fee_asset=str(row.get("feeSymbol") or ""),
        is_maker=bool(row.get("isMaker")),
        venue_ns=at_ns,
    )


def fills_of(payload: Any) -> list[VenueFill]:
    """Return a page of the fill history, as the venue sorts it."""
    return [fill_of(row) for row in rows(payload)]


@complete
def positions_of(payload: Any) -> list[HeldPosition]:
    """Return the open positions."""
    return [
        HeldPosition(
            text(row["symbol"]),
            amount(row["netQuantity"]),
            optional(row.get("entryPrice")),
            optional(row.get("markPrice")),
            optional(row.get("pnlUnrealized")),
            optional(row.get("estLiquidationPrice")) or None,  # 0 is "none"
        )
        for row in rows(payload)
    ]


@complete
def capital_of(payload: Any) -> list[Balance]:
    """Return balances without what is lent or staked: the money that orders of a spot account can use."""
    found = []
    for asset, row in mapping(payload).items():
        available, locked = amount(mapping(row)["available"]), amount(mapping(row)["locked"])
        found.append(Balance(asset, available + locked, available))
    return found


@complete
def collateral_of(payload: Any, margin_asset: str | None) -> list[Balance]:
    """Return balances with what is lent; of `margin_asset` only what the margin account has free is available."""
    data = mapping(payload)
    free = optional(data.get("netEquityAvailable"))
    return [_collateral_row(row, free, margin_asset) for row in rows(data["collateral"])]


def _collateral_row(row: dict[str, Any], free: Decimal | None, margin_asset: str | None) -> Balance:
    asset, total = text(row["symbol"]), amount(row["totalQuantity"])
    available = amount(row["availableQuantity"]) + (optional(row.get("lendQuantity")) or _ZERO)
    if asset == margin_asset and free is not None:
        available = min(available, free)
    return Balance(asset, total, max(_ZERO, available))


@complete
def candles_of(payload: Any) -> list[Candle]:
    """Return candles, oldest first; one in which nothing traded has no prices and is left out."""
    return sorted(_candles(rows(payload)), key=lambda candle: candle.start_ns)


def _candles(found: Iterable[dict[str, Any]]) -> Iterable[Candle]:
    for row in found:
        prices = [optional(row.get(name)) for name in ("open", "high", "low", "close")]
        opened, high, low, closed = prices
        if opened is None or high is None or low is None or closed is None:
            continue
        yield Candle(moment_ns(row["start"]), opened, high, low, closed, optional(row.get("volume")))
