"""What an order is after a fill or a word from the venue: pure, shared by the tracker and the ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.market.order import Amend, Fill, Order, OrderEvent, OrderState, next_state

if TYPE_CHECKING:
    from core.market.events import OrderUpdate

# Events that say the venue has dealt with the order as a new one.
_ACKNOWLEDGING = frozenset({OrderEvent.ACCEPTED, OrderEvent.PARTIAL_FILL, OrderEvent.FULL_FILL})


def after_fill(order: Order, fill: Fill) -> Order:
    """Return the order with the fill added; a closed one stays closed, its filled size grows all the same."""
    filled = order.filled_lots + fill.size_lots
    event = OrderEvent.FULL_FILL if filled >= order.size_lots else OrderEvent.PARTIAL_FILL
    venue_order_id = order.venue_order_id or fill.venue_order_id
    return order.moved(next_state(order.state, event), venue_order_id, filled, order.acked_ns, order.reason)


def after_update(order: Order, update: OrderUpdate, utc_ns: int) -> Order:
    """Return the order after an update, itself when that changes nothing.

    An event that its state cannot have means that we know less than we thought.
    """
    try:
        state = next_state(order.state, update.event)
    except KeyError:
        state = OrderState.UNKNOWN
    if state is OrderState.NEW and order.filled_lots:
        state = OrderState.PARTIALLY_FILLED
    acked = order.acked_ns
    if acked is None and update.event in _ACKNOWLEDGING:
        acked = utc_ns
    venue_order_id, reason = update.venue_order_id or order.venue_order_id, update.reason or order.reason
    same = state is order.state and venue_order_id == order.venue_order_id
    if same and acked == order.acked_ns and reason == order.reason:
        return order
    return order.moved(state, venue_order_id, order.filled_lots, acked, reason)


def after_cancel_sent(order: Order) -> Order:
    """Return the order once a cancel of it goes out."""
    state = next_state(order.state, OrderEvent.CANCEL_SENT)
    return order.moved(state, order.venue_order_id, order.filled_lots, order.acked_ns, order.reason)


def after_amend_sent(order: Order, amend: Amend, utc_ns: int) -> Order:
    """Return the order once an amendment of it goes out: on the worse terms of both, until it is answered."""
    state = next_state(order.state, OrderEvent.AMEND_SENT)
    return replace(order.while_amending(amend), state=state, sent_ns=utc_ns)
