"""What a strategy can hear."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from utils.quick_values import quickly_made

if TYPE_CHECKING:
    from core.market.book import OrderBook
    from core.market.order import Fill, OrderEvent, Side


@quickly_made
@dataclass(frozen=True, slots=True)
class BookUpdate:
    """The newest book of a leg; older ones may have been skipped."""

    leg: str
    book: OrderBook


@quickly_made
@dataclass(frozen=True, slots=True)
class TradePrint:
    """Anybody's execution on the tape."""

    leg: str
    price_ticks: int
    size_lots: int
    aggressor: Side
    venue_ns: int
    local_ns: int


@quickly_made
@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What the venue says happened to one of our orders (fills come as FillEvent)."""

    leg: str
    client_order_id: str
    event: OrderEvent
    venue_order_id: str | None = None
    reason: str = ""
    filled_lots: int | None = None  # all that has filled so far, where the venue tells; its fills may come later
    slot: str = ""  # for the strategy: of the order, as it named it
    asked_for: bool = False  # for the strategy: the end of an order that we were cancelling
    price_ticks: int | None = None  # of AMENDED: the terms as the venue has them, None is "as asked for"
    size_lots: int | None = None


@quickly_made
@dataclass(frozen=True, slots=True)
class FillEvent:
    """One execution of ours, from the stream or from a report; may arrive more than once."""

    leg: str
    fill: Fill
    slot: str = ""  # of the order that filled, as the strategy named it; empty where it is not known


@quickly_made
@dataclass(frozen=True, slots=True)
class Timer:
    """A decision is due; `reason` is interval, move or own."""

    now_ns: int
    reason: str = "interval"


@dataclass(frozen=True, slots=True)
class Watch:
    """A gate keeps the quotes off, but book and position are fresh: what is held may be reduced, nothing else done."""

    now_ns: int


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The venue is reachable and reconciled."""

    leg: str


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The venue is not reachable, or the stream has a gap."""

    leg: str
    reason: str = ""


@quickly_made
@dataclass(frozen=True, slots=True)
class PerpFacts:
    """What a venue tells of a perpetual beside its book; the newest counts, None is "not told".

    Strategies find it in their view. `funding_rate` is that of the next payment, a share of the position's value;
    positive: longs pay.
    """

    leg: str
    mark_price: Decimal | None = None
    funding_rate: Decimal | None = None
    funding_utc_ns: int | None = None  # when the next payment is due
    local_ns: int = 0
    index_price: Decimal | None = None


Event = BookUpdate | TradePrint | OrderUpdate | FillEvent | Timer | Watch | LinkUp | LinkDown
