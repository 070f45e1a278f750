"""An event file as a feed: every change and print in its order, from the beginning again when it is over."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np

from api.event_file import CLEAR, LEVEL, TRADE, Rows
from api.feed import BookChange, Levels, Picture, Print
from core.market.book import Level
from core.market.order import Side

_SIDES = {1: Side.BUY, -1: Side.SELL, 0: None}


class EventFeed:
    """The rows of an event file, or a part of them; a position is the time since the first one.

    `at` is the row that comes next; a compiled player moves it on by itself, within the loop that begins at
    `base_ns`, and wants single rows.
    """

    chunk_rows = 256  # turned into Python numbers at a time

    def __init__(
        self, rows: Rows, interval_ns: int, begin: int = 0, from_ns: int | None = None, until_ns: int | None = None
    ) -> None:
        """Play `rows` from row `begin` on; what is before it only makes the first book.

        Position 0 is `from_ns` and the feed is over at `until_ns`, UTC: by default the times of the first and last row.
        """
        times = rows["local_ns"]
        self.rows = rows
        self.begin_ns = int(times[begin]) if from_ns is None else from_ns
        self.base_ns = 0  # position of the beginning of this loop
        self.at = begin
        self._begin, self._interval_ns = begin, interval_ns
        self._loop_ns = (int(times[-1]) if until_ns is None else until_ns) - self.begin_ns + interval_ns
        self._position_ns = 0
        self._chunk: list[tuple[int, ...]] = []
        self._chunk_begin = begin

    def seek(self, position_ns: int) -> Picture:
        """Go to a position and return the whole book there; `next` goes on behind it."""
        self.base_ns, offset = divmod(max(0, position_ns), self._loop_ns)
        self.base_ns *= self._loop_ns
        time_ns = self.begin_ns + offset
        times = self.rows["local_ns"]
        self.at = bisect_right(range(len(self.rows)), time_ns, key=lambda row: int(times[row]))
        self._position_ns = position_ns
        return Picture(position_ns, self.number, *book_before(self.rows, self.at), is_whole=True)

    def next(self, until_ns: int) -> Print | BookChange | None:
        """Return the next event that is not after `until_ns`, None when there is none yet."""
        if self.at == len(self.rows):
            self._begin_again()
        local_ns, _, size_lots, price_ticks, kind, side = self._row()
        at_ns = local_ns - self.begin_ns + self.base_ns
        if at_ns > until_ns:
            self._position_ns = max(self._position_ns, until_ns)
            return None
        self.at += 1
        self._position_ns = at_ns
        if kind == TRADE:
            return Print(at_ns, price_ticks, size_lots, Side.BUY if side > 0 else Side.SELL)
        return BookChange(at_ns, self.number, _SIDES[side] if kind == LEVEL else None, price_ticks, size_lots)

    @property
    def number(self) -> int:
        """Return how many rows came before, in all loops; -1 before the first one."""
        return self.base_ns // self._loop_ns * len(self.rows) + self.at - 1

    @property
    def next_picture_ns(self) -> int:
        """Return the position where a picture is to be taken next."""
        return (self._position_ns // self._interval_ns + 1) * self._interval_ns

    def moved_to(self, row: int, position_ns: int) -> None:
        """Note that somebody else has played up to `row`, and that it is `position_ns` now."""
        self.at = row
        self._position_ns = max(self._position_ns, position_ns)

    def _begin_again(self) -> None:
        self.base_ns += self._loop_ns
        self.at = self._begin

    def _row(self) -> tuple[int, ...]:
        place = self.at - self._chunk_begin
        if not 0 <= place < len(self._chunk):
            rows: Any = self.rows[self.at : self.at + self.chunk_rows]
            self._chunk, self._chunk_begin, place = rows.tolist(), self.at, 0
        return self._chunk[place]


def book_before(rows: Rows, row: int) -> tuple[Levels, Levels]:
    """Return all bids and asks, best first, as the rows before `row` leave them."""
    seen = rows[:row]
    cleared = np.flatnonzero(seen["kind"] == CLEAR)
    seen = seen[cleared[-1] :] if len(cleared) else seen
    seen = seen[seen["kind"] == LEVEL]
    return _side(seen[seen["side"] > 0])[::-1], _side(seen[seen["side"] < 0])


def _side(levels: Rows) -> Levels:
    """Return the newest size of each price that has one, by price."""
    newest_first = levels[::-1]
    prices, places = np.unique(newest_first["price_ticks"], return_index=True)
    sizes = newest_first["size_lots"][places]
    return tuple(Level(price, size) for price, size in zip(prices.tolist(), sizes.tolist(), strict=True) if size)
