"""What tests of the paper venue do again and again."""

from __future__ import annotations

from core.market.order import Order, Side
from tests.conformance.venues import LEG, Session

MS, SECOND = 1_000_000, 10**9


def bid(session: Session, order_id: str, lots: int = 5_000) -> Order:
    return Order(order_id, LEG, Side.BUY, session.book.best_bid_ticks, lots)
