"""A small market made by hand, what we send into it and what has to fill; times are in ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from api.event_file import CLEAR, LEVEL, ROW, TRADE, EventSpan, Rows
from benchmarks.backtest_feed import MARKET
from benchmarks.peers.fill_parts import CANCEL, POST_ONLY, Act, OwnFill

START_NS = 1_700_000_000_000_000_000
LATENCY_MS, END_MS = 5, 100
_NS_PER_MS = 1_000_000

Event = tuple[int, int, int, int, int]  # ms, kind, side, price, lots


class Filled(NamedTuple):
    """A fill of order `key`."""

    ms: int
    key: int
    price: int
    lots: int
    is_maker: bool = True


@dataclass(frozen=True, slots=True)
class Scenario:
    """One market, the messages (ms, what, key, price, lots, how) and what comes of them."""

    name: str
    why: str
    sent: Sequence[tuple[int, int, int, int, int, int]]
    events: Sequence[Event]
    fills: Sequence[Filled] = ()
    theirs: Sequence[Filled] | None = None
    differs: str = ""
    model: str = "risk_averse"

    def acts(self) -> tuple[Act, ...]:
        """Return the messages."""
        return tuple(Act(ns_of(ms), *rest) for ms, *rest in self.sent)

    def span(self) -> EventSpan:
        """Return the market as a backtest takes it."""
        return EventSpan(MARKET, self.rows(), 0)

    def rows(self) -> Rows:
        """Return the market's events, behind one that says that a book begins."""
        events = [*BOOK, *self.events, bid(END_MS, 900, 1)]
        rows = np.zeros(len(events) + 1, dtype=ROW)
        rows[0] = (START_NS, START_NS, 0, 0, CLEAR, 0)
        for at, (ms, kind, side, price, lots) in enumerate(events, 1):
            rows[at] = (ns_of(ms), ns_of(ms), lots, price, kind, side)
        return rows

    def expected(self, of_peer: bool = False) -> tuple[OwnFill, ...]:
        """Return what is expected of us, or of hftbacktest."""
        signs = {key: what for _, what, key, *_ in self.sent if what != CANCEL}
        fills = self.theirs if of_peer and self.theirs is not None else self.fills
        return tuple(OwnFill(ns_of(one.ms), one.key, signs[one.key], *one[2:]) for one in fills)


def ns_of(ms: int) -> int:
    """Return the UTC of a time of a scenario."""
    return START_NS + ms * _NS_PER_MS


def bid(ms: int, price: int, lots: int) -> Event:
    """A bid level has a new size."""
    return (ms, LEVEL, 1, price, lots)


def ask(ms: int, price: int, lots: int) -> Event:
    """An ask level has a new size."""
    return (ms, LEVEL, -1, price, lots)


def sold(ms: int, price: int, lots: int) -> Event:
    """Somebody sells into the bids."""
    return (ms, TRADE, -1, price, lots)


def bought(ms: int, price: int, lots: int) -> Event:
    """Somebody buys from the asks."""
    return (ms, TRADE, 1, price, lots)


def buy(ms: int, key: int, price: int, lots: int, force: int = POST_ONLY) -> tuple[int, int, int, int, int, int]:
    """We send a buy order."""
    return (ms, 1, key, price, lots, force)


def sell(ms: int, key: int, price: int, lots: int, force: int = POST_ONLY) -> tuple[int, int, int, int, int, int]:
    """We send a sell order."""
    return (ms, -1, key, price, lots, force)


def cancel(ms: int, key: int) -> tuple[int, int, int, int, int, int]:
    """We send a cancel."""
    return (ms, CANCEL, key, 0, 0, POST_ONLY)


BOOK = (
    bid(0, 1000, 10), bid(0, 999, 20), bid(0, 998, 20), ask(0, 1001, 10), ask(0, 1002, 20), ask(0, 1003, 20),
)  # fmt: skip
