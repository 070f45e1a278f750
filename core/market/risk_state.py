"""What the limits of one leg are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.market.book import OrderBook
from core.market.events import PerpFacts
from core.market.external_price import ExternalPrice
from core.market.group_room import GroupRoom
from core.market.instrument import Instrument
from core.market.order import MissingFills, Order
from core.market.position import Position
from core.market.price_shock import PriceShock


@dataclass(slots=True)  # not frozen, which costs thrice the time: one is made for each question
class RiskState:
    """What the limits are held against, of one leg; None is "not known", which is never zero.

    `live_orders` is every order that may still fill. Session figures count from the session's begin: its net profit
    now, the highest net profit it reached, the equity it began with. `available` is by asset: the free balance plus
    what our own live orders reserve; an asset that is missing there is not known.
    """

    now_ns: int
    position: Position
    live_orders: Sequence[Order]
    book: OrderBook | None
    book_age_ns: int | None
    position_age_ns: int | None
    session_net_quote: Decimal | None
    session_peak_quote: Decimal | None
    start_equity_quote: Decimal | None
    available: Mapping[str, Decimal]
    instrument: Instrument
    shock: PriceShock | None = None  # the newest one, however long ago
    facts: PerpFacts | None = None
    facts_age_ns: int | None = None
    missing: Sequence[MissingFills] = ()  # they happened, so they use up room; they never make any
    group: GroupRoom | None = None  # what the limits of a group of instruments leave this leg
    external: ExternalPrice | None = None  # of the market in `reference_config`; None: there is no such market
