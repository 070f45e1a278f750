"""No better price than it takes to be first: a ladder moved out to one tick ahead of the best order behind a depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.order import Order, Side


def moved_to_front(
    quotes: Sequence[Quote], side: Side, book: OrderBook, depth_lots: int, own: Sequence[Order]
) -> list[Quote]:
    """Return the quotes of a side, inside first, moved out together; as they are where they are not nearer than needed.

    `own` are our live orders: what they show in the book is not outbid. Of sizes up to `depth_lots` in front of it an
    order of somebody else is not taken notice of.
    """
    if not quotes:
        return []
    best = _best_behind(side, book, depth_lots, own)
    if best is None:
        return list(quotes)
    shift = best + side.sign - quotes[0].price_ticks
    if shift * side.sign >= 0:
        return list(quotes)
    moved = [replace(quote, price_ticks=quote.price_ticks + shift) for quote in quotes]
    return [quote for quote in moved if quote.price_ticks > 0]


def _best_behind(side: Side, book: OrderBook, depth_lots: int, own: Sequence[Order]) -> int | None:
    """Return the first price at which others show more than `depth_lots` together with all before it."""
    ours: dict[int, int] = {}
    for order in own:
        if order.side is side:
            ours[order.price_ticks] = ours.get(order.price_ticks, 0) + order.remaining_lots
    shown = 0
    for price, lots in book.bids if side is Side.BUY else book.asks:
        shown += max(0, lots - ours.get(price, 0))
        if shown > depth_lots:
            return price
    return None
