"""What a paper venue tells of orders and fills."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from api.base_client import InboxItem
from core.market.events import FillEvent, OrderUpdate
from core.market.matched import Arrival
from core.market.order import Fill, Order, OrderEvent, OrderState


class PaperAnswers:
    """The answers of one venue; `tell` takes each."""

    def __init__(self, leg: str, tell: Callable[[InboxItem], None]) -> None:
        self._leg, self._tell = leg, tell

    def update(self, order_id: str, event: OrderEvent, venue_order_id: str | None, reason: str = "") -> None:
        """Tell what happened to an order."""
        self._tell(OrderUpdate(self._leg, order_id, event, venue_order_id, reason))

    def fills(self, fills: Iterable[Fill]) -> None:
        """Tell executions."""
        for fill in fills:
            self._tell(FillEvent(self._leg, fill))

    def ended(self, orders: Iterable[Order]) -> None:
        """Tell of reduce-only orders that had nothing left to reduce."""
        for order in orders:
            self.end(order, OrderEvent.CANCELED)

    def end(self, order: Order, event: OrderEvent) -> None:
        """Tell how an order ended, and how much of it has filled: all its fills were told before."""
        key, venue_order_id = order.client_order_id, order.venue_order_id
        self._tell(OrderUpdate(self._leg, key, event, venue_order_id, order.reason, order.filled_lots))

    def arrival(self, arrival: Arrival) -> None:
        """Tell what became of a new order."""
        order = arrival.order
        if not arrival.accepted:
            self.update(order.client_order_id, OrderEvent.REJECTED, None, arrival.reason)
            return
        self.update(order.client_order_id, OrderEvent.ACCEPTED, order.venue_order_id)
        self._traded(arrival)

    def amended(self, arrival: Arrival) -> None:
        """Tell what became of an order that was amended."""
        order = arrival.order
        if order.state is OrderState.CANCELED:
            self.end(order, OrderEvent.CANCELED)
            return
        terms = order.price_ticks, order.size_lots
        key, venue_order_id = order.client_order_id, order.venue_order_id
        self._tell(OrderUpdate(self._leg, key, OrderEvent.AMENDED, venue_order_id, "", None, "", False, *terms))
        self._traded(arrival)

    def not_amended(self, order_id: str, reason: str, is_gone: bool) -> None:
        """Tell that an order is as it was; `is_gone`: that there is none."""
        self.update(order_id, OrderEvent.AMEND_REJECTED, None, reason)
        if is_gone:
            self.update(order_id, OrderEvent.OUTCOME_UNKNOWN, None, reason)

    def _traded(self, arrival: Arrival) -> None:
        order = arrival.order
        self.fills(arrival.fills)
        if order.state is OrderState.EXPIRED:
            self.end(order, OrderEvent.EXPIRED)
        self.ended(arrival.ended)
