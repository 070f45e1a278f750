"""Book messages on their way to the streams: numbered without a gap, sent at once or at a stream's interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from api.simulator import backpack_frames as frames
from api.simulator.backpack_shapes import Json
from core.market.order import Side

if TYPE_CHECKING:
    from api.simulator.backpack_state import Desk
    from api.simulator.exchange_types import BookDelta
    from core.market.book import Level

Emit = Callable[[str, Json], None]
Heard = Callable[[str], bool]  # tells whether anybody listens to a stream

INTERVALS_MS = (0, 200, 600, 1000)  # 0: at once
_TEXT_TIMES_EVERY = 10


def depth_stream(symbol: str, interval_ms: int) -> str:
    """Return the name of a depth stream."""
    return f"depth.{interval_ms}ms.{symbol}" if interval_ms else f"depth.{symbol}"


class DepthStream:
    """One market's book changes at one interval. While the book is frozen they are gathered."""

    def __init__(self, desk: Desk, symbol: str, interval_ms: int, emit: Emit, heard: Heard) -> None:
        self._desk, self._symbol, self._emit, self._heard = desk, symbol, emit, heard
        self.name = depth_stream(symbol, interval_ms)
        self._interval_ns = interval_ms * 10**6
        self._due_ns = 0
        self._first = self._last = 0
        self._changes: dict[tuple[Side, int], int] = {}
        self._sent = 0

    def add(self, delta: BookDelta) -> None:
        """Take a step of the book."""
        if not self._changes:
            self._first = delta.first
        self._last = delta.last
        self._changes |= {(side, price): lots for side, price, lots in delta.changes}

    def flush(self, now_ns: int) -> None:
        """Send what was gathered, when it is time; the fault skip_sequence loses it instead."""
        if not self._changes or now_ns < self._due_ns:
            return
        faults = self._desk.faults
        if not self._heard(self.name):
            self._changes = {}
            return
        if faults.standing("freeze_book", None, self.name) is not None:
            return
        self._due_ns = now_ns + self._interval_ns
        changes = [(side, price, lots) for (side, price), lots in self._changes.items()]
        self._changes = {}
        if faults.take("skip_sequence", None, self.name) is not None:
            return
        instrument = self._desk.instrument(self._symbol)
        data = frames.depth(instrument, self._first, self._last, changes, self._desk.now_us())
        self._sent += 1
        self._emit(self.name, frames.long_times_as_text(data) if self._sent % _TEXT_TIMES_EVERY == 0 else data)


class TopStream:
    """One market's best prices, told when they change."""

    def __init__(self, desk: Desk, symbol: str, emit: Emit, heard: Heard) -> None:
        self._desk, self._market, self._emit = desk, desk.exchange.markets[symbol], emit
        self._heard = heard
        self.name = f"bookTicker.{symbol}"
        self._told: tuple[Level | None, Level | None] = (None, None)

    def flush(self) -> None:
        """Send the best prices when they are not those of the last message."""
        if not self._heard(self.name):
            return
        top = self._market.best(Side.BUY), self._market.best(Side.SELL)
        if top == self._told or self._desk.faults.standing("freeze_book", None, self.name) is not None:
            return
        self._told = top
        bid, ask = top
        if bid is not None and ask is not None:
            now_us = self._desk.now_us()
            self._emit(self.name, frames.book_ticker(self._market.instrument, bid, ask, self._market.sequence, now_us))
