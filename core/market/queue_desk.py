"""The places in the queue of all orders that rest at a simulated venue (fill model `queue`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.market import queue_position
from core.market.book import Level
from core.market.displayed import Displayed
from core.market.order import Order, Side

Place = tuple[float, float]  # front, and what was traded at the level since it last changed; lots


class QueueDesk:
    """Keeps a place for each order; an order whose place is not known joins the end of what is displayed."""

    def __init__(self, queue_model: str, exponent: float) -> None:
        self.model = queue_position.QUEUE_MODELS.index(queue_model)
        self.exponent = exponent
        self.places: dict[str, Place] = {}

    def join(self, order: Order, shown: Displayed) -> None:
        """Give an order the place behind everybody who is displayed at its price."""
        unseen = shown.is_unseen(order.side, order.price_ticks)
        front = queue_position.UNSEEN if unseen else float(shown.size_at(order.side, order.price_ticks))
        self.places[order.client_order_id] = (front, 0.0)

    def keep_only(self, order_ids: Iterable[str]) -> None:
        """Forget the places of orders that are gone."""
        if len(self.places) > len(kept := set(order_ids)):
            self.places = {order_id: place for order_id, place in self.places.items() if order_id in kept}

    def on_trade(self, order: Order, size_lots: int) -> int:
        """Take a print at an order's price; return how many lots of it get as far as the order."""
        front, traded = self.places[order.client_order_id]
        self.places[order.client_order_id] = (queue_position.after_trade(front, size_lots), traded + size_lots)
        return queue_position.reaching_lots(front, size_lots)

    def on_level(self, order: Order, before: int, after: int) -> None:
        """Take a change of the level that an order rests in."""
        front, traded = self.places[order.client_order_id]
        front = queue_position.after_level(front, traded, before, after, self.model, self.exponent)
        self.places[order.client_order_id] = (front, 0.0)

    def on_picture(self, orders: Iterable[Order], before: Displayed, after: Displayed) -> None:
        """Take two pictures in a row; where an order's level is in neither, nothing was learned."""
        for order in orders:
            side, price_ticks = order.side, order.price_ticks
            if after.is_unseen(side, price_ticks):
                continue
            old, new = before.size_at(side, price_ticks), after.size_at(side, price_ticks)
            if old != new or self.places[order.client_order_id][1] or before.is_unseen(side, price_ticks):
                self.on_level(order, old, new)


def picture_of(bids: Sequence[Level], asks: Sequence[Level]) -> Displayed:
    """Return a picture to compare another one with."""
    shown = Displayed()
    shown.bids, shown.asks = bids, asks
    return shown


def rests_at(order: Order, side: Side, price_ticks: int) -> bool:
    """Tell whether an order is in the level of a side at a price."""
    return order.price_ticks == price_ticks and order.side is side
