"""What a venue says when it is asked for everything: the material of a reconciliation."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from utils.quick_values import quickly_made

if TYPE_CHECKING:
    from core.market.funding import FundingPayment
    from core.market.order import Fill, Order


@quickly_made
@dataclass(frozen=True, slots=True)
class Balance:
    """An asset of an account."""

    asset: str
    total: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """The venue's own record of a perpetual or futures position; spot venues report none."""

    leg: str
    size_lots: int  # signed, long > 0
    entry_price: Decimal | None = None
    unrealised: Decimal | None = None  # quote, as the venue reckons it
    liquidation_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class VenueReport:
    """All that a venue knows of one leg. When `complete` is false nothing may be concluded from what is missing.

    `fills` are those after `since`, oldest first; `mark` is passed as `since` next time, once all of them are in
    the ledger; they are read after the open orders, so that an order that is not listed because it filled has its fills
    here. `open_orders` holds every open order of the account on the symbol, foreign ones too.
    """

    leg: str
    request_id: int
    complete: bool
    open_orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    positions: tuple[VenuePosition, ...] = ()
    balances: tuple[Balance, ...] = field(default=())
    mark: str | None = None
    as_of_ns: int = 0
    reason: str = ""  # why it is not complete
    funding: tuple[FundingPayment, ...] = ()  # the newest payments, some of which may be known
