"""The paper venue over an event file with the compiled kernel in front: the same fills, thousands of times less Python.

The kernel plays what no order of ours can feel (`replay_kernel.py`); every other event goes through the matching
engine as on paper. Only for backtests: a feed that begins again is not played here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from api import replay_kernel as kernel
from api.event_feed import EventFeed
from api.event_file import TRADE, words_of
from api.paper_venue import PaperVenue
from core.market.book import Level
from core.market.displayed import Displayed
from core.market.events import TradePrint
from core.market.matched import Matched
from core.market.order import Amend, Order, Side
from utils.errors import ConfigError

_MAX_RANGE = 100_000_000  # ticks between the lowest and the highest price; 16 bytes each, where there is a level
_ROOM = 128  # numbers behind the fixed ones: two for each order and each level that was taken from; it grows
_FEW_LEVELS = 16  # that an order mostly reaches
_MAX_LEVELS = 1 << 14  # of a side that Python looks at in one go
_as_level = partial(tuple.__new__, Level)  # of a pair; twenty are made for each side of each picture


class KernelBook(Displayed):
    """A whole book in two arrays over the range of its prices, shared with the kernel."""

    def __init__(self, low_ticks: int, high_ticks: int) -> None:
        super().__init__()
        self.is_whole = True
        self.sizes = {side: np.zeros(high_ticks - low_ticks + 1, dtype=np.int64) for side in Side}
        self.keep_state(np.full(kernel.FIRST + _ROOM, kernel.NO_PRICE, dtype=np.int64))
        self.state[kernel.BASE] = self._low = low_ticks
        self.state[kernel.ORDERS] = self.state[kernel.WATCHED] = 0
        self._high = high_ticks
        self._into = np.zeros((64, 2), dtype=np.int64)

    def keep_state(self, state: npt.NDArray[np.int64]) -> None:
        """Take an array for the kernel's numbers; `numbers` are the same, quicker to reach one by one."""
        self.state, self.numbers = state, state.data

    def arrays(self) -> tuple[Any, Any, Any]:
        """Return what the functions of the kernel take first."""
        return self.sizes[Side.BUY], self.sizes[Side.SELL], self.state

    def show(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Take a whole book."""
        self.clear()
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            for price_ticks, size_lots in levels:
                kernel.set_level(*self.arrays(), side.sign, price_ticks, size_lots)

    def set_level(self, side: Side, price_ticks: int, size_lots: int) -> int:
        """Set the size at a price, 0 removes the level; return what was there before."""
        before = kernel.set_level(*self.arrays(), side.sign, price_ticks, size_lots)
        self.limit_taken(side, price_ticks, size_lots)
        return int(before)

    def clear(self) -> None:
        """Forget the book: a whole one follows, level by level."""
        kernel.clear(*self.arrays())
        self.taken = {}

    def levels(self, side: Side) -> Sequence[Level]:
        """Return all levels of a side, best first."""
        return self.top(side, _MAX_LEVELS)

    def top(self, side: Side, depth: int) -> tuple[Level, ...]:
        """Return the best `depth` levels of a side."""
        if depth > len(self._into):
            self._into = np.zeros((depth, 2), dtype=np.int64)
        found = kernel.top(self.sizes[side], self.state, side.sign, depth, self._into)
        return tuple(map(_as_level, self._into[:found].tolist()))

    def tops(self, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Return the best `depth` levels of both sides, bids first."""
        if 2 * depth >= len(self._into):
            self._into = np.zeros((2 * depth + 1, 2), dtype=np.int64)
        end = kernel.tops(*self.arrays(), depth, self._into)
        (bids, _), *levels = self._into[:end].tolist()
        return tuple(map(_as_level, levels[:bids])), tuple(map(_as_level, levels[bids:]))

    def within(self, order_side: Side, price_ticks: int) -> list[Level]:
        """Return the levels that an order of that side and price can reach, best first."""
        sign, depth = order_side.sign, _FEW_LEVELS
        while True:
            levels = self.top(order_side.opposite, depth)
            found = [level for level in levels if sign * (price_ticks - level.price_ticks) >= 0]
            if len(found) < len(levels) or len(levels) < depth:
                return found
            depth *= 4

    def best_ticks(self, side: Side) -> int | None:
        """Return the best price of a side, None when it is empty."""
        best: int = self.numbers[kernel.BEST_BID if side is Side.BUY else kernel.BEST_ASK]
        return None if best == kernel.NO_PRICE else best

    def mid_ticks(self) -> float:
        """Return the mid of the book, the side there is, or 0."""
        bid, ask = self.numbers[kernel.BEST_BID], self.numbers[kernel.BEST_ASK]
        if bid == kernel.NO_PRICE or ask == kernel.NO_PRICE:
            return super().mid_ticks()
        mid: float = (bid + ask) / 2
        return mid

    def size_at(self, side: Side, price_ticks: int) -> int:
        """Return what is displayed at a price."""
        if not self._low <= price_ticks <= self._high:
            return 0
        size: int = self.sizes[side].item(price_ticks - self._low)
        return size

    def is_unseen(self, side: Side, price_ticks: int) -> bool:
        """Tell that every level is known."""
        return False


class CompiledVenue(PaperVenue):
    """One account on one market of an event file."""

    _feed: EventFeed

    def _display(self) -> Displayed:
        # Looked at anew, whatever the file's header says: the kernel writes where the prices tell it to.
        low, high = kernel.price_range(self._feed.rows)
        if not 0 <= low <= high <= low + _MAX_RANGE:
            raise ConfigError(f"prices from {low} to {high} ticks are too far apart to be compiled: --engine python")
        self._book = KernelBook(int(low), int(high))
        self._orders: list[Order] = []
        self._taken: list[tuple[Side, int]] = []
        self._stale = True  # the engine has moved places in the queue since they were loaded
        self._words = words_of(self._feed.rows)
        self._drained_ns = -1  # everything up to then is played
        self._places = np.zeros(kernel.FIRST_PLACE + _ROOM, dtype=np.float64)
        self._played = False  # the kernel may have moved places since they were stored
        self._feed.chunk_rows = 1
        return self._book

    def play(self, until_ns: int, budget: int, stop_at_fill: bool = False) -> int:
        """Match all events up to `until_ns`, or to the first one that fills an order of ours; return `budget`."""
        if until_ns <= self._drained_ns:
            return budget
        while until_ns > self._drained_ns and self.time.utc(until_ns) >= self._line.funding_utc_ns:
            before_ns = self.time.at_utc(self._line.funding_utc_ns) - 1
            self._play(before_ns, stop_at_fill)
            if self.played_ns < before_ns:
                return budget
            self._pay_funding([], self._engine.state())
        self._play(until_ns, stop_at_fill)
        return budget

    def amend(self, amends: Sequence[Amend], at_ns: int) -> None:
        """Give orders other terms; the kernel hears of their new places."""
        self._store_places()  # before an order gets another one
        super().amend(amends, at_ns)
        self._stale = True

    def _play(self, until_ns: int, stop_at_fill: bool) -> None:
        if until_ns <= self._drained_ns:
            return
        engine, feed, book = self._engine, self._feed, self._book
        until = self.time.position(until_ns)
        matched: list[Matched] = []
        before = None
        while True:
            self._load_orders()
            at = feed.at
            stop = kernel.advance(self._words, *book.arrays(), self._places, at, until + feed.begin_ns)
            row = stop if stop >= 0 else -1 - stop
            if row != at:
                self._passed(at, row)
                self._played = True
            if stop < 0:
                feed.moved_to(row, until)
                self._drained_ns = self.played_ns = max(self.played_ns, until_ns)
                break
            feed.at = row
            event = feed.next(until)
            assert event is not None
            before = before or engine.state()
            at_ns = self.time.elapsed_at(event.at_ns)
            self._store_places()
            result = self._match(event, at_ns)
            self._stale = True
            if result.fills:
                matched.append(result)
                if stop_at_fill:
                    self.played_ns = max(self.played_ns, at_ns)
                    break
        if matched and before is not None:
            self._settle(matched, before)

    def _load_orders(self) -> None:
        """Tell the kernel which orders rest and which levels were taken from."""
        engine, book = self._engine, self._book
        orders = list(engine.orders.values())
        taken = list(book.taken)
        if not self._stale and orders == self._orders and taken == self._taken:
            return
        self._store_places()
        self._orders, self._taken, self._stale = orders, taken, False
        self._make_room(len(orders) + len(taken))
        numbers, places, queue = book.numbers, self._places, engine.queue
        numbers[kernel.ORDERS], numbers[kernel.WATCHED] = len(orders), len(taken)
        numbers[kernel.MODEL] = kernel.NO_QUEUE if queue is None else queue.model
        places[kernel.EXPONENT], places[kernel.BAND_PCT] = engine.rules.queue_exponent, engine.rules.print_band_pct
        at, place = kernel.FIRST, kernel.FIRST_PLACE
        for order in orders:
            numbers[at], numbers[at + 1] = order.price_ticks, order.side.sign
            if queue is not None:
                places[place], places[place + 1] = queue.places[order.client_order_id]
            at, place = at + 2, place + 2
        for side, price_ticks in taken:
            numbers[at], numbers[at + 1] = price_ticks, side.sign
            at += 2

    def _make_room(self, pairs: int) -> None:
        book, end = self._book, kernel.FIRST + 2 * pairs
        if end > len(book.state):
            book.keep_state(np.concatenate([book.state, np.zeros(end, dtype=np.int64)]))
            self._places = np.zeros(2 * len(self._places) + end, dtype=np.float64)

    def _store_places(self) -> None:
        """Take over what the kernel has made of the places in the queue of the orders that are still there."""
        queue = self._engine.queue
        if queue is None or not self._played:
            return
        self._played = False
        begin = kernel.FIRST_PLACE
        found = self._places[begin : begin + 2 * len(self._orders)].tolist()
        for at, order in enumerate(self._orders):
            if order.client_order_id in queue.places:
                queue.places[order.client_order_id] = (found[2 * at], found[2 * at + 1])

    def _passed(self, begin: int, end: int) -> None:
        """Note what the kernel has played: the newest change, and the prints for who wants them."""
        rows, feed = self._feed.rows, self._feed
        last: int = self._book.numbers[kernel.LAST_CHANGE]
        if begin <= last < end:
            self._number, self._changed_ns = last, self._words.item(last, 0) - feed.begin_ns
        if not self.prints_wanted or begin == end:
            return
        for row in (np.flatnonzero(rows["kind"][begin:end] == TRADE) + begin).tolist():
            local_ns, _, size_lots, price_ticks, _, side = rows[row].tolist()
            at_ns = self.time.elapsed_at(local_ns - feed.begin_ns)
            aggressor = Side.BUY if side > 0 else Side.SELL
            stamps = self.time.utc(at_ns), self.time.now_at(at_ns)
            self._tell(TradePrint(self._leg, price_ticks, size_lots, aggressor, *stamps))


VENUE = CompiledVenue
