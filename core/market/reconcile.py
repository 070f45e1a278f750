"""Our ledger against a venue's report: what happened that we did not hear of.

Only positive facts are taken from an incomplete report. From a complete one an order's absence is taken too, but not
when the order was sent so recently that the venue might have accepted it after the report was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from core.market.events import OrderUpdate
from core.market.order import Fill, Order, OrderEvent, OrderState
from core.market.reports import VenueReport


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The corrections to apply, fills first, then updates; applying them twice changes nothing more."""

    new_fills: tuple[Fill, ...]
    updates: tuple[OrderUpdate, ...]
    adopted: tuple[Order, ...]  # ours by id and open at the venue, but not among our open orders
    foreign: tuple[Order, ...]  # not ours: left alone, but they count toward exposure
    waiting: tuple[str, ...]  # not listed, but sent too recently to be called absent
    complete: bool
    short_of_fills: tuple[str, ...] = ()  # the venue filled more of them than the fills we know of add up to


def reconcile(
    known: Sequence[Order],
    has_fill: Callable[[str], bool],
    report: VenueReport,
    owns: Callable[[str], bool],
    late_arrival_ns: int,
    now_utc_ns: int,
) -> Reconciliation:
    """Return what a report adds to the ledger.

    `known` are the orders that our ledger does not call closed, `has_fill` knows the booked trade ids, `owns` the
    client order ids of this bot. An order that is not listed is judged only when it was sent `late_arrival_ns` or
    more before the report was made (`report.as_of_ns`, UTC; `now_utc_ns` when it does not tell).
    """
    ours = {order.client_order_id: order for order in known}
    by_venue_id: dict[str | None, Order] = {order.venue_order_id: order for order in known if order.venue_order_id}
    new_fills = tuple(_new_fills(report.fills, has_fill, ours, by_venue_id, owns))
    filled = _filled_after(known, new_fills)
    listed: dict[str, Order] = {}
    adopted: list[Order] = []
    foreign: list[Order] = []
    for order in report.open_orders:
        match = ours.get(order.client_order_id) or by_venue_id.get(order.venue_order_id)
        if match is not None:
            listed[match.client_order_id] = order
        else:
            (adopted if owns(order.client_order_id) else foreign).append(order)
    made_ns = min(report.as_of_ns, now_utc_ns) if report.as_of_ns else now_utc_ns
    updates: list[OrderUpdate] = []
    waiting: list[str] = []
    for order in known:
        key = order.client_order_id
        if key in listed:
            updates += _news_of_listed(order, listed[key], filled[key])
        elif filled[key] >= order.size_lots:
            updates.append(_update(order, OrderEvent.FULL_FILL, ""))
        elif not report.complete:
            continue
        elif made_ns - order.sent_ns < late_arrival_ns:
            waiting.append(key)
        else:
            updates.append(_absence(order, filled[key]))
    return Reconciliation(
        new_fills=new_fills,
        updates=tuple(updates),
        adopted=tuple(adopted),
        foreign=tuple(foreign),
        waiting=tuple(waiting),
        complete=report.complete,
        short_of_fills=tuple(key for key, order in listed.items() if order.filled_lots > filled[key]),
    )


def _new_fills(
    fills: Iterable[Fill],
    has_fill: Callable[[str], bool],
    ours: dict[str, Order],
    by_venue_id: dict[str | None, Order],
    owns: Callable[[str], bool],
) -> Iterable[Fill]:
    """Return our fills that are not booked yet, each once, under our client order id."""
    seen: set[str] = set()
    for fill in fills:
        if fill.trade_id in seen or has_fill(fill.trade_id):
            continue
        seen.add(fill.trade_id)
        if fill.client_order_id in ours or owns(fill.client_order_id):
            yield fill
        elif (match := by_venue_id.get(fill.venue_order_id)) is not None:
            yield replace(fill, client_order_id=match.client_order_id)  # a venue that tells its own order id only


def _filled_after(known: Sequence[Order], new_fills: Iterable[Fill]) -> dict[str, int]:
    """Return the filled lots of each known order once the new fills are booked."""
    filled = {order.client_order_id: order.filled_lots for order in known}
    for fill in new_fills:
        if fill.client_order_id in filled:
            filled[fill.client_order_id] += fill.size_lots
    return filled


def _news_of_listed(order: Order, listed: Order, filled_lots: int) -> list[OrderUpdate]:
    """Return the update that a listed order needs; one that we are cancelling stays so, the answer is on its way."""
    in_doubt = order.state in (OrderState.PENDING_NEW, OrderState.UNKNOWN)
    if not in_doubt and (order.venue_order_id or not listed.venue_order_id):
        return []
    event = OrderEvent.PARTIAL_FILL if filled_lots else OrderEvent.ACCEPTED
    return [_update(order, event, "", listed.venue_order_id)]


def _absence(order: Order, filled_lots: int) -> OrderUpdate:
    """Return the end of an order that the venue does not list any more, or never had."""
    was_there = order.acked_ns is not None or order.venue_order_id is not None or filled_lots
    event = OrderEvent.CANCELED if was_there else OrderEvent.REJECTED
    return _update(order, event, "not listed by the venue")


def _update(order: Order, event: OrderEvent, reason: str, venue_order_id: str | None = None) -> OrderUpdate:
    return OrderUpdate(order.leg, order.client_order_id, event, venue_order_id or order.venue_order_id, reason)
