"""One order as Thalex describes it, in answers and notifications, and what its state means for us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.thalex_errors import ended_because
from api.thalex_messages import at_ns, number, rows, rows_of
from api.thalex_wire import WireFault
from core.market.order import POST_ONLY_WOULD_CROSS, OrderEvent, OrderState, Side

IOC = "immediate_or_cancel"


@dataclass(frozen=True, slots=True)
class OrderFill:
    """An execution told within an order: without its fee."""

    trade_id: str
    price: Decimal
    amount: Decimal
    liquidity: str
    venue_ns: int


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order of the account. `status` and `delete_reason` are the venue's words, also ones that we do not know."""

    order_id: str
    client_order_id: int | None
    label: str
    instrument: str
    side: Side
    price: Decimal | None  # a market order has none
    amount: Decimal
    filled: Decimal
    remaining: Decimal | None
    status: str
    delete_reason: str
    time_in_force: str
    reduce_only: bool
    fills: tuple[OrderFill, ...]  # those that are news; all of them when the order is merely listed
    create_ns: int
    is_existing: bool  # sent because we subscribed, not because anything happened

    @property
    def state(self) -> OrderState:
        """Return the state in our words; UNKNOWN for a status that we do not know."""
        if self.status in _LIVE:
            return _LIVE[self.status]
        return _STATES[ended_event(self)[0]] if self.status in _ENDED else OrderState.UNKNOWN

    @property
    def is_live(self) -> bool:
        """Tell whether it rests."""
        return self.status in _LIVE


_LIVE = {"open": OrderState.NEW, "partially_filled": OrderState.PARTIALLY_FILLED}
_ENDED = frozenset({"filled", "cancelled", "cancelled_partially_filled"})
_STATES = {
    OrderEvent.FULL_FILL: OrderState.FILLED,
    OrderEvent.CANCELED: OrderState.CANCELED,
    OrderEvent.EXPIRED: OrderState.EXPIRED,
    OrderEvent.REJECTED: OrderState.REJECTED,
}


def ended_event(view: OrderView) -> tuple[OrderEvent, str]:
    """Return what happened to an order that has ended, and why.

    `immediate_cancel` ends an order that must not wait (IOC) or must not take (post-only): the first has expired, the
    second, if nothing of it was filled, was never there.
    """
    if view.status == "filled":
        return OrderEvent.FULL_FILL, ""
    if view.time_in_force == IOC and view.delete_reason in ("immediate_cancel", ""):
        return OrderEvent.EXPIRED, "ioc"
    if view.delete_reason == "immediate_cancel" and not view.filled:
        return OrderEvent.REJECTED, POST_ONLY_WOULD_CROSS
    return OrderEvent.CANCELED, ended_because(view.delete_reason)


def has_ended(view: OrderView) -> bool:
    """Tell whether nothing more can happen to it."""
    return view.status in _ENDED


def read_order(source: Any) -> OrderView:
    """Return an order. Raises WireFault when it cannot be told which order of which size it is."""
    if not isinstance(source, Mapping):
        raise WireFault("an order is not an object")
    order_id, instrument, side = source.get("order_id"), source.get("instrument_name"), source.get("direction")
    if not isinstance(order_id, str) or not isinstance(instrument, str) or side not in ("buy", "sell"):
        raise WireFault("an order lacks order_id, instrument_name or direction")
    ours, price, remaining = (source.get(key) for key in ("client_order_id", "price", "remaining_amount"))
    return OrderView(
        order_id=order_id,
        client_order_id=ours if isinstance(ours, int) else None,
        label=str(source.get("label") or ""),
        instrument=instrument,
        side=Side(side),
        price=None if price is None else number(price, "price"),
        amount=number(source.get("amount"), "amount"),
        filled=number(source.get("filled_amount", 0), "filled_amount"),
        remaining=None if remaining is None else number(remaining, "remaining_amount"),
        status=str(source.get("status", "")),
        delete_reason=str(source.get("delete_reason") or ""),
        time_in_force=str(source.get("time_in_force", "")),
        reduce_only=source.get("reduce_only") is True,
        fills=tuple(_fill(row) for row in rows(source.get("fills") or [], "fills")),
        create_ns=0 if source.get("create_time") is None else at_ns(source["create_time"]),
        is_existing=source.get("change_reason") == "existing",
    )


def read_orders(body: Any, instrument: str | None = None) -> list[OrderView]:
    """Return the orders of a list, those of one instrument when it is named."""
    return [read_order(source) for source in rows_of(body, "orders", instrument)]


def _fill(row: Any) -> OrderFill:
    if not isinstance(row, Mapping) or not isinstance(row.get("trade_id"), str):
        raise WireFault("a fill of an order lacks its trade_id")
    return OrderFill(
        trade_id=row["trade_id"],
        price=number(row.get("price"), "price"),
        amount=number(row.get("amount"), "amount"),
        liquidity="maker" if row.get("maker_taker") == "maker" else "taker",
        venue_ns=at_ns(row.get("time")),
    )
