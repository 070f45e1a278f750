"""What a paper venue trades on: pictures of the book, or its every change, and every trade print, by time.

A position is a time in ns since the feed's beginning; a feed never ends. It has no clock: who owns it says how far
it may go. Both feeds are built from blocks of equal length, and any block can be entered without the ones before it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from core.market.book import Level
from core.market.order import Side

Ints = npt.NDArray[np.int64]
Levels = tuple[Level, ...]
PRINT_COLUMNS = 4  # offset ns within the block, price ticks, size lots, aggressor (+1 buy, -1 sell)
_CHUNK = 64  # prints turned into Python numbers at a time


class Picture(NamedTuple):
    """The book at a moment, best levels first."""

    at_ns: int
    number: int  # grows by one with each picture of the feed
    bids: Levels
    asks: Levels
    is_whole: bool = False  # it has every level, and changes follow, not pictures


class Print(NamedTuple):
    """Anybody's trade at a moment."""

    at_ns: int
    price_ticks: int
    size_lots: int
    aggressor: Side


class BookChange(NamedTuple):
    """What became of one price at a moment; without a side the whole book is forgotten, and follows anew."""

    at_ns: int
    number: int  # grows with each change and print of the feed
    side: Side | None
    price_ticks: int
    size_lots: int


class Feed(Protocol):
    """A source of pictures or changes, and prints."""

    def seek(self, position_ns: int) -> Picture:
        """Go to a position and return the picture in force there; `next` goes on behind it."""
        ...

    def next(self, until_ns: int) -> Picture | Print | BookChange | None:
        """Return the next event that is not after `until_ns`, None when there is none yet."""
        ...

    @property
    def next_picture_ns(self) -> int:
        """Return the position of the next picture; of a feed of changes, where the next one is to be taken."""
        ...


class SilentFeed:
    """A feed that has nothing to say: what a venue is left with when its recording cannot be used."""

    def __init__(self) -> None:
        self._position_ns = 0

    def seek(self, position_ns: int) -> Picture:
        """Return an empty book."""
        self._position_ns = position_ns
        return Picture(position_ns, 0, (), ())

    def next(self, until_ns: int) -> Picture | Print | None:
        """Return None."""
        self._position_ns = max(self._position_ns, until_ns)
        return None

    @property
    def next_picture_ns(self) -> int:
        """Return a position that is always a second ahead."""
        return self._position_ns + 10**9


class BlockFeed(ABC):
    """The cursor shared by the feeds: block after block, pictures and prints merged by time, pictures first."""

    def __init__(self, interval_ns: int, pictures_per_block: int) -> None:
        self._interval_ns = interval_ns
        self._per_block = pictures_per_block
        self._block_ns = interval_ns * pictures_per_block
        self._block = -1
        self._next_picture = 0
        self._prints: Ints = np.empty((0, PRINT_COLUMNS), dtype=np.int64)
        self._print_at = 0
        self._chunk: list[list[int]] = []
        self._chunk_at = 0

    @abstractmethod
    def _load(self, block: int) -> Ints:
        """Make `block` the one that `_levels` speaks of and return its prints (PRINT_COLUMNS), by time."""

    @abstractmethod
    def _levels(self, picture: int) -> tuple[Levels, Levels]:
        """Return bids and asks of a picture of the current block."""

    def seek(self, position_ns: int) -> Picture:
        """Go to a position and return the picture in force there; `next` goes on behind it."""
        block, offset = divmod(max(0, position_ns), self._block_ns)
        self._enter(block)
        current = offset // self._interval_ns
        self._next_picture = current + 1
        self._print_at = int(np.searchsorted(self._prints[:, 0], offset, side="right"))
        return self._picture(current)

    def next(self, until_ns: int) -> Picture | Print | None:
        """Return the next event that is not after `until_ns`, None when there is none yet."""
        picture_ns = self.next_picture_ns
        if self._chunk_at == len(self._chunk):
            self._read_chunk()
        if self._chunk_at < len(self._chunk):
            offset, price_ticks, size_lots, aggressor = self._chunk[self._chunk_at]
            print_ns = self._block * self._block_ns + offset
            if print_ns < picture_ns:
                if print_ns > until_ns:
                    return None
                self._chunk_at += 1
                return Print(print_ns, price_ticks, size_lots, Side.BUY if aggressor > 0 else Side.SELL)
        if picture_ns > until_ns:
            return None
        if self._next_picture == self._per_block:
            self._enter(self._block + 1)
        self._next_picture += 1
        return self._picture(self._next_picture - 1)

    @property
    def next_picture_ns(self) -> int:
        """Return the position of the next picture."""
        return self._block * self._block_ns + self._next_picture * self._interval_ns

    def _enter(self, block: int) -> None:
        self._prints = self._load(block)
        self._block = block
        self._next_picture = self._print_at = self._chunk_at = 0
        self._chunk = []

    def _read_chunk(self) -> None:
        rows: Any = self._prints[self._print_at : self._print_at + _CHUNK]
        self._chunk, self._chunk_at = rows.tolist(), 0
        self._print_at += len(self._chunk)

    def _picture(self, number: int) -> Picture:
        at = self._block * self._per_block + number
        return Picture(at * self._interval_ns, at, *self._levels(number))
