"""What Thalex says of the account itself: executions, positions, money (orders: thalex_order_view.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.thalex_messages import at_ns, maybe_of, member, number_of, rows, rows_of, side_of, text_of
from core.market.order import Side

# What the venue books beside executions. A kind that we do not know counts as an execution: none may be lost.
_BOOKINGS = frozenset({"amend", "delete", "internal_transfer", "expiration", "daily_mark"})


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution of the account."""

    trade_id: str
    order_id: str
    client_order_id: int | None
    label: str
    instrument: str
    side: Side
    price: Decimal
    amount: Decimal
    fee: Decimal | None  # positive is a cost; None where the venue does not tell
    liquidity: str
    venue_ns: int


def read_executions(body: Any, instrument: str | None = None) -> Iterator[Trade]:
    """Yield the executions in a list of the account's trades; its other bookings are left out."""
    for source in rows_of(body, "trades", instrument):
        if member(source, "trade_id") and source.get("trade_type") not in _BOOKINGS:
            yield read_trade(source)


def read_trade(source: Any) -> Trade:
    """Return one execution."""
    number_of_ours = source.get("client_order_id")
    return Trade(
        trade_id=text_of(source, "trade_id"),
        order_id=text_of(source, "order_id"),
        client_order_id=number_of_ours if isinstance(number_of_ours, int) else None,
        label=str(source.get("label") or ""),
        instrument=text_of(source, "instrument_name"),
        side=side_of(member(source, "direction")),
        price=number_of(source, "price"),
        amount=number_of(source, "amount"),
        fee=maybe_of(source, "fee"),
        liquidity="maker" if source.get("maker_taker") == "maker" else "taker",
        venue_ns=at_ns(member(source, "time")),
    )


@dataclass(frozen=True, slots=True)
class Position:
    """A line of the portfolio; `size` is signed."""

    instrument: str
    size: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    unrealised_pnl: Decimal | None


def read_positions(body: Any, instrument: str | None = None) -> list[Position]:
    """Return the lines of a portfolio."""
    return [
        Position(
            instrument=text_of(source, "instrument_name"),
            size=number_of(source, "position"),
            entry_price=maybe_of(source, "average_price"),
            mark_price=maybe_of(source, "mark_price"),
            unrealised_pnl=maybe_of(source, "unrealised_pnl"),
        )
        for source in rows_of(body, "portfolio", instrument)
    ]


@dataclass(frozen=True, slots=True)
class Summary:
    """The account's money: equity and what of it is free, in the quote currency; cash by currency."""

    equity: Decimal
    available: Decimal
    required: Decimal | None
    cash: tuple[tuple[str, Decimal], ...]


def read_summary(body: Any) -> Summary:
    """Return an account summary."""
    cash = tuple((text_of(row, "currency"), number_of(row, "balance")) for row in rows(member(body, "cash"), "cash"))
    return Summary(
        equity=number_of(body, "margin"),
        available=number_of(body, "remaining_margin"),
        required=maybe_of(body, "required_margin"),
        cash=cash,
    )
