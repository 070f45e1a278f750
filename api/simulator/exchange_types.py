"""The nouns of the simulated exchange: orders, fills, book deltas, prints, and who hears of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from core.market.order import OrderState, Side

TIMES_IN_FORCE = ("GTC", "IOC", "FOK")


@dataclass(slots=True)
class SimOrder:
    """One order of one account; the exchange changes it in place as it lives."""

    account: str
    symbol: str  # the venue's
    order_id: str  # decimal digits, unique on the exchange
    client_id: str | None
    side: Side
    price_ticks: int | None  # None: a market order
    size_lots: int
    filled_lots: int = 0
    filled_quote: Decimal = Decimal(0)
    post_only: bool = False
    reduce_only: bool = False
    time_in_force: str = "GTC"  # GTC | IOC | FOK
    state: OrderState = OrderState.NEW
    reason: str = ""  # why it was rejected or ended
    created_ns: int = 0
    closed_ns: int | None = None
    label: str | None = None
    session: Any | None = None  # the socket session that made it
    persistent: bool = True  # False: dies with its session

    @property
    def remaining_lots(self) -> int:
        """Return what is not filled yet."""
        return self.size_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        """Tell whether it still rests, or is being matched right now."""
        return self.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class SimFill:
    """One account's side of a trade; both sides of a trade carry the same `trade_id`."""

    trade_id: str
    account: str
    symbol: str
    order: SimOrder
    side: Side
    price_ticks: int
    size_lots: int
    liquidity: str  # maker | taker
    fee: Decimal  # a cost; negative is a rebate
    fee_asset: str
    at_ns: int
    number: int = 0  # of this account's fills, from 1


@dataclass(frozen=True, slots=True)
class BookDelta:
    """One step of the public book: absolute sizes, 0 removes. Each change has a sequence number of its own."""

    symbol: str
    first: int
    last: int
    changes: tuple[tuple[Side, int, int], ...]  # side, price ticks, size lots
    at_ns: int


@dataclass(frozen=True, slots=True)
class MarketPrint:
    """One trade on the public tape; our fills have the print's `trade_id`."""

    symbol: str
    trade_id: str
    price_ticks: int
    size_lots: int
    aggressor: Side
    at_ns: int


class Listener(Protocol):
    """Hears what happens, inline; it must not call the exchange's submit, amend or cancel from inside."""

    def on_order(self, order: SimOrder, what: str) -> None:
        """Take a change: accepted | fill | modified | cancelled | expired | rejected; `order` is as it is now."""
        ...

    def on_fill(self, fill: SimFill, order: SimOrder) -> None:
        """Take a fill, right after the `on_order(order, "fill")` that goes with it."""
        ...

    def on_book(self, delta: BookDelta) -> None:
        """Take a step of the public book; comes last in every step, when the book is true again."""
        ...

    def on_print(self, print_: MarketPrint) -> None:
        """Take a trade of the public tape."""
        ...

    def on_position(self, account: str, symbol: str) -> None:
        """Take note that a position (perpetuals, futures) changed."""
        ...


class DeafListener:
    """A listener that hears nothing; subclass it for the parts you want."""

    def on_order(self, order: SimOrder, what: str) -> None:
        """Do nothing."""

    def on_fill(self, fill: SimFill, order: SimOrder) -> None:
        """Do nothing."""

    def on_book(self, delta: BookDelta) -> None:
        """Do nothing."""

    def on_print(self, print_: MarketPrint) -> None:
        """Do nothing."""

    def on_position(self, account: str, symbol: str) -> None:
        """Do nothing."""


class SimRefused(Exception):
    """The exchange refuses a change (`reason` as in `SimOrder.reason`); nothing was changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
