"""Our ledger against a venue's report: what happened that we did not hear of.

Only positive facts are taken from an incomplete report. From a complete one an order's absence is taken too, but not
when the venue has never answered the order and might have accepted it after the report was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.market.events import OrderUpdate
from core.market.order import Amend, Fill, Order, OrderEvent, OrderState
from core.market.reports import VenueReport

NOT_LISTED = "not listed by the venue"  # the reason of an end that only an absence tells


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The corrections to apply, fills first, then updates; applying them twice changes nothing more."""

    new_fills: tuple[Fill, ...]
    updates: tuple[OrderUpdate, ...]
    adopted: tuple[Order, ...]  # ours by id and open at the venue, but not among our open orders
    foreign: tuple[Order, ...]  # not ours: left alone, but they count toward exposure
    waiting: tuple[str, ...]  # not listed, but they may still arrive
    complete: bool
    short_of_fills: tuple[tuple[str, int], ...] = ()  # filled lots at the venue that our fills do not add up to
    unmatched: tuple[Fill, ...] = ()  # under a venue's order id that we do not know


def reconcile(
    known: Sequence[Order],
    has_fill: Callable[[str], bool],
    report: VenueReport,
    owns: Callable[[str], bool],
    may_arrive: Callable[[str], bool],
    id_of: Callable[[str], str | None] = lambda venue_order_id: None,
    asked_terms: Callable[[str], Amend | None] = lambda client_order_id: None,
    may_be_amended: Callable[[str], bool] = lambda client_order_id: False,
) -> Reconciliation:
    """Return what a report adds to the ledger.

    `known` are the orders that our ledger does not call closed, `has_fill` knows the booked trade ids, `owns` the
    client order ids of this bot, `id_of` tells which of our other orders has a venue's order id. `may_arrive` tells
    of which orders a request that was never answered may have been carried out after the report was made,
    `asked_terms` which amendment of an order is not answered, `may_be_amended` whether there may be such a one at all:
    what an earlier life asked for is not known.
    """
    ours = {order.client_order_id: order for order in known}
    by_venue_id: dict[str | None, Order] = {order.venue_order_id: order for order in known if order.venue_order_id}
    new_fills, unmatched = _new_fills(report, has_fill, ours, owns, id_of)
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
    updates: list[OrderUpdate] = []
    waiting: list[str] = []
    for order in known:
        key = order.client_order_id
        if key in listed:
            after = _terms_after(order, listed[key], asked_terms(key), may_be_amended(key), may_arrive(key))
            if after is None or order.state is OrderState.PENDING_NEW or not order.was_answered:
                updates += _news_of_listed(order, listed[key], filled[key])
            if after is not None:
                updates.append(_amended(order, after))
        elif filled[key] >= order.size_lots:
            updates.append(_update(order, OrderEvent.FULL_FILL, ""))
        elif not report.complete:
            continue
        elif not order.was_answered and not filled[key] and may_arrive(key):
            waiting.append(key)
        else:
            updates.append(_absence(order, filled[key]))
    return Reconciliation(
        new_fills=tuple(new_fills),
        updates=tuple(updates),
        adopted=tuple(adopted),
        foreign=tuple(foreign),
        waiting=tuple(waiting),
        complete=report.complete,
        short_of_fills=tuple((k, order.filled_lots) for k, order in listed.items() if order.filled_lots > filled[k]),
        unmatched=tuple(unmatched),
    )


def _new_fills(
    report: VenueReport,
    has_fill: Callable[[str], bool],
    ours: Mapping[str, Order],
    owns: Callable[[str], bool],
    id_of: Callable[[str], str | None],
) -> tuple[list[Fill], list[Fill]]:
    """Return our fills that are not booked yet, each once, under our client order id; and those without a match."""
    by_venue_id = {order.venue_order_id: order.client_order_id for order in report.open_orders}
    by_venue_id = {venue_id: key for venue_id, key in by_venue_id.items() if key in ours or owns(key)}
    by_venue_id |= {order.venue_order_id: key for key, order in ours.items()}
    seen: set[str] = set()
    new: list[Fill] = []
    unmatched: list[Fill] = []
    for fill in report.fills:
        if fill.trade_id in seen or has_fill(fill.trade_id):
            continue
        seen.add(fill.trade_id)
        venue_id = fill.venue_order_id
        if fill.client_order_id in ours or owns(fill.client_order_id):
            new.append(fill)
        elif venue_id is not None and (key := by_venue_id.get(venue_id) or id_of(venue_id)):
            new.append(replace(fill, client_order_id=key))  # a venue that tells its own order id only
        elif not fill.client_order_id:
            unmatched.append(fill)
    return new, unmatched


def _filled_after(known: Sequence[Order], new_fills: Iterable[Fill]) -> dict[str, int]:
    """Return the filled lots of each known order once the new fills are booked."""
    filled = {order.client_order_id: order.filled_lots for order in known}
    for fill in new_fills:
        if fill.client_order_id in filled:
            filled[fill.client_order_id] += fill.size_lots
    return filled


def _terms_after(
    order: Order, listed: Order, asked: Amend | None, may_be_amended: bool, may_arrive: bool
) -> Order | None:
    """Return an order on the terms that the listing leaves it on; None where it is no news about them.

    Other terms than those that were asked for last settle nothing while that request may have been carried out since:
    until then the worse of both count. One that we are cancelling is left to its answer.
    """
    if order.state is OrderState.PENDING_CANCEL or not listed.price_ticks:  # a listing may lack a price
        return None
    if asked is not None or may_be_amended or order.state is OrderState.PENDING_REPLACE:  # is on the worst of both
        is_done = asked is not None and _terms(asked) == _terms(listed)
        return listed if is_done or not may_arrive else None
    after = listed
    if may_arrive:
        worst = order.while_amending(Amend(order.client_order_id, *_terms(listed)))
        after = replace(listed, price_ticks=worst.price_ticks, size_lots=worst.size_lots)
    return after if _terms(after) != _terms(order) else None


def _news_of_listed(order: Order, listed: Order, filled_lots: int) -> list[OrderUpdate]:
    """Return the update that a listed order needs; one that we are cancelling stays so, the answer is on its way."""
    in_doubt = order.state in (OrderState.PENDING_NEW, OrderState.UNKNOWN)
    if not in_doubt and (order.venue_order_id or not listed.venue_order_id):
        return []
    event = OrderEvent.PARTIAL_FILL if filled_lots else OrderEvent.ACCEPTED
    return [_update(order, event, "", listed.venue_order_id)]


def _terms(of: Order | Amend) -> tuple[int, int]:
    return of.price_ticks, of.size_lots


def _amended(order: Order, after: Order) -> OrderUpdate:
    venue_order_id = after.venue_order_id or order.venue_order_id
    return OrderUpdate(
        order.leg, order.client_order_id, OrderEvent.AMENDED, venue_order_id,
        price_ticks=after.price_ticks, size_lots=after.size_lots,
    )  # fmt: skip


def _absence(order: Order, filled_lots: int) -> OrderUpdate:
    """Return the end of an order that the venue does not list any more, or never had."""
    event = OrderEvent.CANCELED if order.was_answered or filled_lots else OrderEvent.REJECTED
    return _update(order, event, NOT_LISTED)


def _update(order: Order, event: OrderEvent, reason: str, venue_order_id: str | None = None) -> OrderUpdate:
    return OrderUpdate(order.leg, order.client_order_id, event, venue_order_id or order.venue_order_id, reason)
