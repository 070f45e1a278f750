"""The orders of one leg that may still fill, and what is awaited for each; no I/O, no clock of its own.

An order is here from before it is sent until the venue has closed it. What was closed is remembered for a while: a
fill may come after a cancel's acknowledgement, and a report may be older than the last update.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.market.order import Fill, Order, OrderState, Side
from core.trading.order_changes import after_cancel_sent, after_fill, after_update

if TYPE_CHECKING:
    from core.market.commands import Quote
    from core.market.events import OrderUpdate

_REMEMBERED = 2_000  # closed orders; the oldest are forgotten, the ledger has them
_AWAITED = frozenset({OrderState.PENDING_NEW, OrderState.PENDING_CANCEL})
_RESTING = frozenset({OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL})
_CANCELLABLE = frozenset({OrderState.NEW, OrderState.PARTIALLY_FILLED})
IMMEDIATE = "IOC"


@dataclass(slots=True)
class Tracked:
    """An order with the monotonic times of our last request about it and of the venue's last word."""

    order: Order
    asked_ns: int
    heard_ns: int


class OrderTracker:
    """The live orders of one leg. `revision` grows with each change."""

    def __init__(self, leg: str) -> None:
        self.leg = leg
        self.revision = 0
        self._live: dict[str, Tracked] = {}
        self._closed: OrderedDict[str, Tracked] = OrderedDict()
        self._suspects: dict[str, int] = {}  # fills do not add up: id -> complete reports that did not help
        self._snapshot: tuple[Order, ...] = ()
        self._snapshot_revision = 0

    # What goes out

    def compose(self, quote: Quote, client_order_id: str, utc_ns: int, immediate: bool = False) -> Order:
        """Return the order that a quote becomes; it is not tracked before `add`."""
        return Order(
            client_order_id=client_order_id,
            leg=self.leg,
            side=quote.side,
            price_ticks=quote.price_ticks,
            size_lots=quote.size_lots,
            slot=quote.slot_name,
            post_only=quote.post_only and not immediate,
            reduce_only=quote.reduce_only,
            time_in_force=IMMEDIATE if immediate else "GTC",
            sent_ns=utc_ns,
        )

    def add(self, order: Order, now_ns: int, heard_ns: int = -1) -> None:
        """Track an order: ours just recorded, one from the ledger, or one found at the venue."""
        self._closed.pop(order.client_order_id, None)
        self._live[order.client_order_id] = Tracked(order, now_ns, heard_ns)
        self.revision += 1

    def mark_cancel_sent(self, client_order_id: str, now_ns: int) -> Order | None:
        """Note that a cancel goes out; return the order after it, None when it is not live."""
        tracked = self._live.get(client_order_id)
        if tracked is None:
            return None
        tracked.asked_ns = now_ns
        return self._put(tracked, after_cancel_sent(tracked.order))

    # What comes in

    def apply_update(self, update: OrderUpdate, now_ns: int, utc_ns: int) -> Order | None:
        """Apply what the venue says; return the order after it, None when we know no such order."""
        tracked = self._find(update.client_order_id)
        if tracked is None:
            return None
        tracked.heard_ns = now_ns
        order = self._put(tracked, after_update(tracked.order, update, utc_ns))
        if order.state is OrderState.FILLED and order.filled_lots != order.size_lots:
            self._suspects.setdefault(order.client_order_id, 0)
        return order

    def apply_fill(self, fill: Fill, now_ns: int) -> Order | None:
        """Apply a fill that is not booked yet; return the order after it, None when we know no such order."""
        tracked = self._find(fill.client_order_id)
        if tracked is None:
            return None
        tracked.heard_ns = now_ns
        order = self._put(tracked, after_fill(tracked.order, fill))
        if order.filled_lots > order.size_lots:
            self._suspects.setdefault(order.client_order_id, 0)
        elif order.filled_lots == order.size_lots or not order.is_closed:
            self._suspects.pop(order.client_order_id, None)
        return order

    def _find(self, client_order_id: str) -> Tracked | None:
        return self._live.get(client_order_id) or self._closed.get(client_order_id)

    def _put(self, tracked: Tracked, order: Order) -> Order:
        tracked.order = order
        self.revision += 1
        if order.is_closed and self._live.pop(order.client_order_id, None) is not None:
            self._closed[order.client_order_id] = tracked
            while len(self._closed) > _REMEMBERED:
                self._closed.popitem(last=False)
        return order

    # Questions

    def get(self, client_order_id: str) -> Order | None:
        """Return a live or recently closed order."""
        tracked = self._find(client_order_id)
        return tracked.order if tracked else None

    def live(self) -> tuple[Order, ...]:
        """Return every order that may still fill."""
        if self._snapshot_revision != self.revision:
            self._snapshot = tuple(tracked.order for tracked in self._live.values())
            self._snapshot_revision = self.revision
        return self._snapshot

    def quotes(self) -> tuple[Order, ...]:
        """Return the live orders that hold a slot: all but the immediate ones."""
        return tuple(order for order in self.live() if order.time_in_force != IMMEDIATE)

    def cancellable(self) -> list[str]:
        """Return the ids of orders that rest and have no cancel on its way."""
        return [order.client_order_id for order in self.live() if order.state in _CANCELLABLE]

    def immediate(self) -> list[Order]:
        """Return the immediate orders that are not settled."""
        return [order for order in self.live() if order.time_in_force == IMMEDIATE]

    def rests_on_both_sides(self) -> bool:
        """Tell whether at least one quote rests on each side."""
        sides = {order.side for order in self.live() if order.state in _RESTING and order.time_in_force != IMMEDIATE}
        return Side.BUY in sides and Side.SELL in sides

    def overdue(self, before_ns: int) -> list[Order]:
        """Return orders whose submit or cancel was sent before `before_ns` and never answered."""
        return [
            tracked.order
            for tracked in self._live.values()
            if tracked.order.state in _AWAITED and tracked.asked_ns <= before_ns
        ]

    def oldest_request_ns(self) -> int | None:
        """Return when the oldest unanswered submit or cancel was sent, None when nothing is awaited."""
        asked = [tracked.asked_ns for tracked in self._live.values() if tracked.order.state in _AWAITED]
        return min(asked, default=None)

    def settled_before(self, asked_ns: int) -> list[Order]:
        """Return live orders that nothing was sent or heard about since: a report asked for then can judge them.

        What was heard in the same instant was heard before: a step listens first, then asks, then sends.
        """
        return [kept.order for kept in self._live.values() if kept.asked_ns < asked_ns and kept.heard_ns <= asked_ns]

    def closed_since(self, client_order_id: str, asked_ns: int) -> bool:
        """Tell whether an order was closed after `asked_ns`: a report asked for then may still list it."""
        kept = self._closed.get(client_order_id)
        return kept is not None and kept.heard_ns > asked_ns

    @property
    def has_suspects(self) -> bool:
        """Tell whether there are orders whose fills do not add up to what the venue said."""
        return bool(self._suspects)

    def suspect(self, client_order_id: str) -> None:
        """Note that the venue filled more of an order than the fills that we know of."""
        self._suspects.setdefault(client_order_id, 0)

    def count_report(self, patience: int) -> list[str]:
        """Note a complete report; return the orders that `patience` of them did not help, they are given up."""
        for key in self._suspects:
            self._suspects[key] += 1
        given_up = [key for key, reports in self._suspects.items() if reports >= patience]
        for key in given_up:
            del self._suspects[key]
        return given_up

    def restore(self, order: Order, now_ns: int) -> Order:
        """Track an order of ours found open at the venue."""
        restored = replace(order, leg=self.leg)
        self.add(restored, now_ns, now_ns)
        return restored

    def is_live(self, client_order_id: str) -> bool:
        """Tell whether an order may still fill."""
        return client_order_id in self._live

    def by_venue_id(self, venue_order_id: str | None) -> Order | None:
        """Return the order with the venue's own id, None when there is none or no id."""
        if venue_order_id is None:
            return None
        kept = (*self._live.values(), *reversed(self._closed.values()))
        return next((each.order for each in kept if each.order.venue_order_id == venue_order_id), None)

    def has_unknown(self) -> bool:
        """Tell whether the outcome of a request is not known for some order."""
        return any(tracked.order.state is OrderState.UNKNOWN for tracked in self._live.values())
