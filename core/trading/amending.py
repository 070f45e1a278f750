"""An amendment that is not answered: the terms asked for, those of before, and what each word of the venue makes of it.

Until the venue has said which terms hold, an order is kept at the worse price and with the larger size of both, see
`after_amend_sent`. A word that merely says that it rests, or that it has filled, does not tell which. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.market.order import Amend, Order, OrderEvent, OrderState

if TYPE_CHECKING:
    from core.market.events import OrderUpdate

_RESTS = frozenset({OrderState.NEW, OrderState.PARTIALLY_FILLED})
_IN_DOUBT = frozenset({OrderState.UNKNOWN, OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE})


@dataclass(frozen=True, slots=True)
class Amending:
    """What was asked for, and the order as it was known before; None of both where an earlier life asked, if any."""

    amend: Amend | None = None
    before: Order | None = None


def of_earlier_life(order: Order) -> Amending | None:
    """Return what an earlier life may have asked for, which is not on record, of an order in doubt that once rested."""
    return Amending() if order.was_answered and order.state in _IN_DOUBT else None


def after_answer(order: Order, update: OrderUpdate, amending: Amending | None) -> tuple[Order, Amending | None]:
    """Return an order that took an update in, on the terms that it has now, and what is still not answered."""
    if order.is_closed:
        return order, amending
    if update.event is OrderEvent.AMENDED:
        asked = order if amending is None or amending.amend is None else amending.amend
        price_ticks = asked.price_ticks if update.price_ticks is None else update.price_ticks
        size_lots = asked.size_lots if update.size_lots is None else update.size_lots
        return order.on_terms(price_ticks, max(size_lots, order.filled_lots)), None
    if update.event is OrderEvent.AMEND_REJECTED and amending is not None and amending.before is not None:
        before = amending.before  # its age, too: it is no younger for a request that came to nothing
        return replace(order.on_terms(before.price_ticks, before.size_lots), sent_ns=before.sent_ns), None
    return held_back(order, amending), amending


def held_back(order: Order, amending: Amending | None) -> Order:
    """Return an order that is in doubt for as long as its amendment is not answered, although it is known to rest."""
    if amending is None or order.state not in _RESTS:
        return order
    return replace(order, state=OrderState.UNKNOWN)
