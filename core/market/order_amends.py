"""Which cancels of a diff are better amendments: the order keeps its slot, its id, and what it can of its queue. Pure.

An order is amended only into what it already is but for price and size. What ends an order for its own sake, a limit
that it is beyond, its age or a slot that nobody wants, ends it here, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.market.order import CLOSED, Amend, Order, OrderState

if TYPE_CHECKING:
    from core.market.commands import Quote
    from core.market.order_diff import Diff, DiffTolerance

_RESTS = (OrderState.NEW, OrderState.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class AmendRule:
    """What may be amended. `keeps_post_only`: at the venue no amendment of a post-only order trades at once."""

    keeps_post_only: bool
    is_amendable: Callable[[str], bool]  # by client order id


def amend_instead(
    diff: Diff,
    wanted: Sequence[Quote],
    live: Sequence[Order],
    tolerance: DiffTolerance,
    rule: AmendRule,
    now_utc_ns: int,
) -> Diff:
    """Return the diff with amendments in place of the cancels of orders that can become what their slot wants."""
    if not diff.cancel:
        return diff
    slots = {quote.slot_name: quote for quote in wanted}
    rivals = Counter(order.slot for order in live if order.state not in CLOSED)
    leaving = set(diff.cancel)
    amends: list[Amend] = []
    for order in live:
        quote = slots.get(order.slot)
        if quote is None or order.client_order_id not in leaving or rivals[order.slot] != 1:
            continue
        amend = amended(order, quote, tolerance, rule, now_utc_ns)
        if amend is not None:
            amends.append(amend)
            leaving.remove(order.client_order_id)
    cancel = tuple(key for key in diff.cancel if key in leaving)
    return replace(diff, cancel=cancel, amend=tuple(amends)) if amends else diff


def amended(order: Order, quote: Quote, tolerance: DiffTolerance, rule: AmendRule, now_utc_ns: int) -> Amend | None:
    """Return how an order becomes what is wanted in its place, None where it must be replaced.

    One that is only to be smaller keeps its price while that is near enough, and with it its place in the queue.
    """
    is_same_kind = (
        order.side is quote.side
        and order.post_only == quote.post_only
        and order.reduce_only == quote.reduce_only
        and order.time_in_force != "IOC"
    )
    if not is_same_kind or order.state not in _RESTS or tolerance.renews(order, now_utc_ns):
        return None
    shrinks = quote.size_lots <= order.remaining_lots
    price_ticks = order.price_ticks if shrinks and tolerance.price_fits(order, quote) else quote.price_ticks
    nearer = quote.side.sign * (price_ticks - order.price_ticks) > 0
    if nearer and order.post_only and not rule.keeps_post_only:
        return None  # the market may be there when it arrives, and who then takes is not told
    if not rule.is_amendable(order.client_order_id):
        return None
    size_lots = order.filled_lots + quote.size_lots
    is_news = (price_ticks, size_lots) != (order.price_ticks, order.size_lots)
    return Amend(order.client_order_id, price_ticks, size_lots) if is_news else None
