"""Immediate orders that ended without a word on how much of them has filled: what they came to is asked for.

The end may be heard before the fills. Only a report that was asked for after it, and late enough for the venue's
history, can tell that there are no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.market.order import OrderEvent
from core.trading.order_tracker import IMMEDIATE

if TYPE_CHECKING:
    from core.market.events import OrderUpdate
    from core.market.order import Order

_ENDS = frozenset({OrderEvent.CANCELED, OrderEvent.EXPIRED})


class UnsureTakes:
    """Those of one leg, each with the newest question that was asked before its end was heard, and when that was."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Order, int, int]] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._kept)

    def hear_end(self, order: Order, update: OrderUpdate, questions: int, now_ns: int) -> bool:
        """Keep an order that has ended when nobody knows what it came to; return whether that is so."""
        is_rest = order.time_in_force == IMMEDIATE and order.remaining_lots > 0
        if not is_rest or update.filled_lots is not None or update.event not in _ENDS:
            return False
        self._kept[order.client_order_id] = (order, questions, now_ns)
        return True

    def book(self, order: Order) -> None:
        """Forget an order once all of it is filled."""
        if order.remaining_lots <= 0:
            self._kept.pop(order.client_order_id, None)

    def agree(self, question: int, asked_ns: int, lag_ns: int) -> None:
        """Forget what a complete answer settles: to a question that came after the end, and by `lag_ns` or more."""
        if self._kept:
            self._kept = {
                key: kept for key, kept in self._kept.items() if kept[1] >= question or asked_ns - kept[2] < lag_ns
            }

    def orders(self) -> tuple[Order, ...]:
        """Return them as they were when they ended."""
        return tuple(order for order, _, _ in self._kept.values())
