"""What Thalex says about orders, fills, positions, money and instruments, as JSON values. Pure.

Shapes: exchanges/thalex.md, sections 4 to 6. Numbers are JSON numbers, times Unix seconds with a fraction, ids hex.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.market.order import OrderState

if TYPE_CHECKING:
    from api.simulator.exchange_types import SimFill, SimOrder
    from core.market.instrument import Instrument


Json = dict[str, Any]

_ORDER_ID_BASE = 0x001BF14D << 32  # an id never looks like a plain number
_TRADE_ID_BASE = 0x17A0CACB << 32
TIMES_IN_FORCE = {"GTC": "good_till_cancelled", "IOC": "immediate_or_cancel"}
_BPS = Decimal(10_000)
# The exchange's words for an end, where the venue has its own; every other reason is passed on as it is.
_DELETE_REASONS = {
    "user": "client_cancel",
    "tick_change": "admin_cancel",
    "delisted": "instrument_deactivated",
    "post_only_would_cross": "immediate_cancel",
    "ioc_remainder": "immediate_cancel",
    "fok": "immediate_cancel",
    "no_liquidity": "immediate_cancel",
    "self_trade": "immediate_cancel",
    "reduce_only": "admin_cancel",  # the venue shrinks a reducing order to nothing; it names no reason for that
}


@dataclass(slots=True)
class OrderNote:
    """What the venue knows of an order and the exchange does not."""

    order_type: str = "limit"  # limit | market
    client_order_id: int | None = None
    reject_post_only: bool = False
    product: str = ""  # the protection group of a mass quote; empty for an ordinary order
    fills: list[SimFill] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TradeNote:
    """What belongs to a fill beside what the exchange says."""

    fill: SimFill
    position_after: Decimal
    index: Decimal


def number(value: Decimal | int) -> int | float:
    """Return a decimal as a JSON number."""
    whole = int(value)
    return whole if whole == value else float(value)


def seconds(at_ns: int) -> float:
    """Return a UTC time as Unix seconds, to the microsecond."""
    return round(at_ns / 1e9, 6)


def order_id_text(order_id: str) -> str:
    """Return the venue's text for the exchange's order id."""
    return f"{_ORDER_ID_BASE + int(order_id):016X}"


def order_id_digits(text: Any) -> str | None:
    """Return the exchange's order id of the venue's text, None when it cannot be one."""
    if not isinstance(text, str) or not re.fullmatch(r"[0-9A-Fa-f]{16}", text):
        return None
    number_ = int(text, 16) - _ORDER_ID_BASE
    return str(number_) if number_ >= 0 else None


def trade_id_text(trade_id: str) -> str:
    """Return the venue's text for the exchange's trade id."""
    digits = int(trade_id) if trade_id.isdigit() else zlib.crc32(trade_id.encode())
    return f"{0x80 << 48:016X}{_TRADE_ID_BASE + digits:016X}"


def status_of(order: SimOrder) -> str:
    """Return the venue's status word."""
    if order.state is OrderState.FILLED:
        return "filled"
    if order.is_open:
        return "partially_filled" if order.filled_lots else "open"
    return "cancelled_partially_filled" if order.filled_lots else "cancelled"


def delete_reason_of(order: SimOrder) -> str:
    """Return why a closed order is closed."""
    if order.state is OrderState.FILLED:
        return "filled"
    return _DELETE_REASONS.get(order.reason, order.reason or "client_cancel")


def order_row(
    order: SimOrder, instrument: Instrument, note: OrderNote, fills: Sequence[SimFill], change_reason: str
) -> Json:
    """Return an order object; `fills` are those that are new, or all of them when the reason is `existing`."""
    row: Json = {
        **_order_basics(order, instrument, note),
        "remaining_amount": number(instrument.to_size(order.remaining_lots)) if order.is_open else 0,
        "fills": [fill_row(fill, instrument) for fill in fills],
        "change_reason": change_reason,
        "persistent": order.persistent,
    }
    if not order.is_open:
        row |= _ending(order)
    return row


def order_history_row(order: SimOrder, instrument: Instrument, note: OrderNote, fills: Sequence[SimFill]) -> Json:
    """Return a finished order as the order history has it: without what can still change, at most 8 fills."""
    rows = [fill_row(fill, instrument) for fill in fills[:8]]
    return {**_order_basics(order, instrument, note), "fills": rows, **_ending(order)}


def _order_basics(order: SimOrder, instrument: Instrument, note: OrderNote) -> Json:
    row: Json = {
        "order_id": order_id_text(order.order_id),
        "order_type": note.order_type,
        "time_in_force": TIMES_IN_FORCE.get(order.time_in_force, "immediate_or_cancel"),
        "instrument_name": order.symbol,
        "direction": order.side.value,
        "amount": number(instrument.to_size(order.size_lots)),
        "filled_amount": number(instrument.to_size(order.filled_lots)),
        "status": status_of(order),
        "insert_reason": "client_request",
        "create_time": seconds(order.created_ns),
    }
    if note.order_type == "limit" and order.price_ticks is not None:
        row["price"] = number(instrument.to_price(order.price_ticks))
    if order.label is not None:
        row["label"] = order.label
    if note.client_order_id is not None:
        row["client_order_id"] = note.client_order_id
    if order.reduce_only:
        row["reduce_only"] = True
    return row


def _ending(order: SimOrder) -> Json:
    closed_ns = order.created_ns if order.closed_ns is None else order.closed_ns
    return {"delete_reason": delete_reason_of(order), "close_time": seconds(closed_ns)}


def fill_row(fill: SimFill, instrument: Instrument) -> Json:
    """Return a fill as it stands inside an order object."""
    return {
        "trade_id": trade_id_text(fill.trade_id),
        "price": number(instrument.to_price(fill.price_ticks)),
        "amount": number(instrument.to_size(fill.size_lots)),
        "time": seconds(fill.at_ns),
        "maker_taker": fill.liquidity,
        "leg_index": 0,
    }


def trade_row(trade: TradeNote, instrument: Instrument, note: OrderNote) -> Json:
    """Return a fill as the trade history has it."""
    fill = trade.fill
    rate_bps = instrument.maker_fee_bps if fill.liquidity == "maker" else instrument.taker_fee_bps
    price = number(instrument.to_price(fill.price_ticks))
    row: Json = {
        "order_id": order_id_text(fill.order.order_id),
        "trade_id": trade_id_text(fill.trade_id),
        "instrument_name": fill.symbol,
        "direction": fill.side.value,
        "price": price,
        "amount": number(instrument.to_size(fill.size_lots)),
        "label": fill.order.label or "",
        "time": seconds(fill.at_ns),
        "position_after": number(trade.position_after),
        "trade_type": "normal",
        "maker_taker": fill.liquidity,
        "fee_rate": number(rate_bps / _BPS),
        "fee_basis": price,
        "index": number(trade.index),
        "fee": number(fill.fee),
        "leg_index": 0,
    }
    if note.client_order_id is not None:
        row["client_order_id"] = note.client_order_id
    return row


def portfolio_row(
    symbol: str, position: Decimal, entry: Decimal | None, mark: Decimal, index: Decimal, realised: Decimal
) -> Json:
    """Return a position; `start_price` is the entry, as no daily mark ever comes."""
    price = Decimal(0) if entry is None else entry
    return {
        "instrument_name": symbol,
        "position": number(position),
        "mark_price": number(mark),
        "index": number(index),
        "start_price": number(price),
        "average_price": number(price),
        "unrealised_pnl": number((mark - price) * position),
        "realised_pnl": number(realised),
        "entry_value": number(price * position),
    }


def summary_row(
    cash: Mapping[str, Decimal], unrealised: Decimal, required: Decimal, realised: Decimal, quote: str, settlement: str
) -> Json:
    """Return the money of an account; instruments are priced in `quote` and settled in the coin `settlement`."""
    collateral = sum(cash.values(), Decimal(0))
    rows = [
        {
            "currency": settlement if asset == quote else asset,
            "balance": number(balance),
            "collateral_factor": 1,
            "collateral_index_price": None,
            "transactable": True,
        }
        for asset, balance in sorted(cash.items())
    ]
    return {
        "cash": rows,
        "unrealised_pnl": number(unrealised),
        "cash_collateral": number(collateral),
        "margin": number(collateral + unrealised),
        "required_margin": number(required),
        "remaining_margin": number(collateral + unrealised - required),
        "session_realised_pnl": number(realised),
    }


def reply(request_id: Any, result: Any) -> Json:
    """Return the envelope of a result; a request without id is answered with null."""
    return {"id": request_id, "result": result}


def failure(request_id: Any, error: Mapping[str, object]) -> Json:
    """Return the envelope of an error."""
    return {"id": request_id, "error": error}


def notification(channel: str, value: Any) -> Json:
    """Return the envelope of a notification."""
    return {"channel_name": channel, "notification": value}
