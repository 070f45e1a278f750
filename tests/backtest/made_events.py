"""Made-up events: a small book that moves, with trades, from a seed; every removed level is announced."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random

import numpy as np

from api.event_file import CLEAR, LEVEL, ROW, TRADE, EventSpan, EventWriter, Rows
from api.market_facts import Market

START_NS = 1_700_000_000_000_000_000
MARKET = Market(
    "SYN-PERP", "SYNPERP", "perp", "SYN", "USDT", Decimal("0.1"), Decimal("0.001"), Decimal(0),
    {"USDT": Decimal(1_000_000)}, max_leverage=100,
)  # fmt: skip
_LEVELS = 8


class MadeBook:
    """Emits rows: `levels` a side, a mean of `gap_us` between events."""

    def __init__(self, seed: int, mid_ticks: int = 1000, gap_us: float = 4000.0) -> None:
        self._random = Random(seed)
        self._gap_us = gap_us
        self._ns = START_NS
        self.rows: list[tuple[int, int, int, int, int, int]] = []
        self._sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self._emit(CLEAR, 0, 0, 0)
        for i in range(_LEVELS):
            self._set(1, mid_ticks - 1 - i, self._size())
            self._set(-1, mid_ticks + 1 + i, self._size())

    def _size(self) -> int:
        return 1 + int(self._random.expovariate(1 / 12.0))

    def _emit(self, kind: int, side: int, price: int, size: int) -> None:
        self.rows.append((self._ns, self._ns, size, price, kind, side))

    def _set(self, side: int, price: int, size: int) -> None:
        if size:
            self._sides[side][price] = size
        else:
            self._sides[side].pop(price, None)
        self._emit(LEVEL, side, price, size)

    def _best(self, side: int) -> int:
        return side * max(side * price for price in self._sides[side])

    def step(self) -> None:
        """Let something happen: a trade at the touch, a far-off print, a change of a level, now and then a new book."""
        random = self._random
        self._ns += 1 + int(random.expovariate(1 / (self._gap_us * 1000)))
        side, dice = random.choice((1, -1)), random.random()
        if dice < 0.25:
            self._trade(side)
        elif dice < 0.26:
            self._emit(TRADE, -side, self._best(side) + side * random.choice((-300, -3, 2)), self._size())
        elif dice < 0.262:
            self._again()
        else:
            self._change(side)

    def _trade(self, side: int) -> None:
        """Somebody takes from the best level of `side`; when it is gone the other side may follow."""
        price = self._best(side)
        have = self._sides[side][price]
        taken = min(have, self._size())
        self._emit(TRADE, -side, price, taken)
        self._set(side, price, have - taken)
        if have == taken and self._random.random() < 0.7:
            self._set(-side, price, self._size())
        self._refill(side)
        self._trim(-side)

    def _change(self, side: int) -> None:
        best = self._best(side)
        price = best - side * int(self._random.expovariate(0.5))
        if self._random.random() < 0.1 and best + side != self._best(-side):
            price = best + side
        self._set(side, price, self._random.choice((0, self._size(), self._size())))
        self._refill(side)
        self._trim(side)

    def _refill(self, side: int) -> None:
        while len(self._sides[side]) < _LEVELS:
            book = self._sides[side]
            edge = side * min((side * price for price in book), default=side * (self._best(-side) - side * 2))
            self._set(side, edge - side, self._size())

    def _trim(self, side: int) -> None:
        while len(self._sides[side]) > _LEVELS + 4:
            worst = side * min(side * price for price in self._sides[side])
            self._set(side, worst, 0)

    def _again(self) -> None:
        """The recorder connects anew: the whole book once more."""
        self._emit(CLEAR, 0, 0, 0)
        for side, book in self._sides.items():
            for price, size in list(book.items()):
                self._emit(LEVEL, side, price, size)


def made_rows(seed: int, steps: int, gap_us: float = 4000.0) -> Rows:
    """Return the rows of a made-up market."""
    book = MadeBook(seed, gap_us=gap_us)
    for _ in range(steps):
        book.step()
    return np.array(book.rows, dtype=ROW)


def span_of(rows: Rows, begin: int = 0) -> EventSpan:
    """Return rows as a backtest takes them."""
    return EventSpan(MARKET, rows, begin)


def save(rows: Rows, path: Path, market: Market = MARKET) -> Path:
    """Write an event file."""
    writer = EventWriter(path, market, "made for the tests")
    writer.write(rows)
    writer.finish()
    return path
