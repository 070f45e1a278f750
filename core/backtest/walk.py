"""A market's events, walked through in the order of their time: where the mid was, and who traded."""

from __future__ import annotations

from collections.abc import Callable

from api.event_file import CLEAR, TRADE, EventSpan
from core.market.book import LocalBook
from core.market.order import Side

_CHUNK = 65_536

SeeMid = Callable[[int, float], None]  # UTC in ns, the mid in ticks
SeeTrade = Callable[[int, int, float, Side], None]  # UTC in ns, price in ticks, the mid before it, who crossed
Progress = Callable[[float], None]  # how much is done, 0 to 1


def walk(data: EventSpan, see_mid: SeeMid, see_trade: SeeTrade, progress: Progress | None = None) -> float | None:
    """Tell each mid once all rows of a moment are in the book, and each print; return the last mid."""
    book, mid, changed_ns = LocalBook(), None, None
    for start in range(0, len(data.rows), _CHUNK):
        chunk = data.rows[start : start + _CHUNK].tolist()
        for row, (local_ns, _, size_lots, price_ticks, kind, sign) in enumerate(chunk, start):
            if changed_ns is not None and local_ns != changed_ns:
                found = _mid_of(book)
                mid, seen_ns, changed_ns = mid if found is None else found, changed_ns, None
                if found is not None and row > data.begin:
                    see_mid(seen_ns, found)
            if kind == TRADE:
                if mid is not None and row >= data.begin:
                    see_trade(local_ns, price_ticks, mid, _side_of(sign))
                continue
            if kind == CLEAR:
                book.clear()
            else:
                book.set_level(_side_of(sign), price_ticks, size_lots)
            changed_ns = local_ns
        if progress is not None:
            progress(min(1.0, (start + _CHUNK) / len(data.rows)))
    return mid


def _side_of(sign: int) -> Side:
    return Side.BUY if sign > 0 else Side.SELL


def _mid_of(book: LocalBook) -> float | None:
    bid, ask = book.best(Side.BUY), book.best(Side.SELL)
    return (bid[0] + ask[0]) / 2 if bid and ask and bid[0] < ask[0] else None
