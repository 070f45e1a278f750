"""Why an order of ours fills otherwise here than on hftbacktest: its life once more, with one rule changed at a time.

The rules of both engines for one resting order are written down here a second time. That is for the explanation only:
with all rules as ours the result has to be what our engine did, with none of them what the peer did, and the cause is
the smallest set of rules that turns the one into the other. An order for which that does not hold is `UNEXPLAINED`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from api.event_file import LEVEL, TRADE, Rows
from core.market import queue_position

REACHED = "a level comes to the order"
CREDIT = "a front below zero"
WHOLE = "whole orders"
RULES = (REACHED, CREDIT)
WHOLE_RULES = (WHOLE, *RULES)  # of the exchange that fills an order whole or not at all
UNEXPLAINED = "not explained"
_NEAR_TICKS = 10  # that the price can move while an order is under way
Sizes = tuple[tuple[int, int], ...]  # when in ns, how many lots


class Life(NamedTuple):
    """A resting order at the venue: from its arrival to the arrival of its cancel."""

    arrives_ns: int
    ends_ns: int
    sign: int
    price_ticks: int
    size_lots: int


def _level_key(price: Any, side: Any) -> Any:
    return 3 * price + side


class Market:
    """The rows of an event file, ready to be asked what an order of ours can feel."""

    def __init__(self, rows: Rows, clock: str = "local_ns") -> None:
        """Take the rows; `clock` names the time that the venue goes by."""
        names = (clock, "kind", "side", "price_ticks", "size_lots")
        self.ns, self.kind, self.side, self.price, self.size = (rows[name].astype(np.int64) for name in names)
        levels = np.flatnonzero(self.kind == LEVEL)
        keys = _level_key(self.price[levels], self.side[levels])
        by_level = np.argsort(keys, kind="stable")
        self._keys, self._levels = keys[by_level], levels[by_level]  # the rows of each level, in their order

    def begin(self, life: Life) -> int:
        """Return the first row behind an order's arrival."""
        return int(np.searchsorted(self.ns, life.arrives_ns, "right"))

    def shown_before(self, row: int, sign: int, price: int) -> int:
        """Return what a side of the book shows at a price before a row."""
        begin, end = np.searchsorted(self._keys, (_level_key(price, sign), _level_key(price, sign) + 1))
        before = begin + int(np.searchsorted(self._levels[begin:end], row))
        return int(self.size[self._levels[before - 1]]) if before > begin else 0

    def refuses(self, life: Life) -> bool:
        """Tell whether the other side is at or within an order's price when it arrives: it is post-only."""
        row, within = self.begin(life), range(_NEAR_TICKS)
        return any(self.shown_before(row, -life.sign, life.price_ticks - life.sign * ticks) for ticks in within)

    def felt(self, life: Life) -> Iterator[tuple[int, int, int, int, int]]:
        """Return time, kind, side, price and size of each row that an order can feel."""
        part = slice(self.begin(life), int(np.searchsorted(self.ns, life.ends_ns, "right")))
        side, beyond = self.side[part], life.sign * (life.price_ticks - self.price[part])
        is_level = self.kind[part] == LEVEL
        own = is_level & (side == life.sign) & (beyond == 0)
        other = (side == -life.sign) & (beyond >= 0) & (is_level | (self.kind[part] == TRADE))
        for row in (np.flatnonzero(own | other) + part.start).tolist():
            yield tuple(int(column[row]) for column in (self.ns, self.kind, self.side, self.price, self.size))  # type: ignore[misc]


class Peer(NamedTuple):
    """A market as hftbacktest matches it; `rules` are those that are not ours."""

    market: Market
    model: str
    exponent: float
    rules: tuple[str, ...] = RULES

    def cause_of(self, life: Life, ours: Sizes, theirs: Sizes) -> str:
        """Return which rules make the difference between what an order got here and there."""
        if self.lived(life, self.rules) != ours or self.lived(life) != theirs:
            return UNEXPLAINED
        for count in range(len(self.rules)):
            for changed in combinations(self.rules, count):
                if self.lived(life, changed) == ours:
                    return " + ".join(changed)
        return " + ".join(self.rules)

    def lived(self, life: Life, changed: Collection[str] = ()) -> Sizes:
        """Return what a resting order gets when the rules `changed` are ours and the others hftbacktest's."""
        if self.market.refuses(life):
            return ()
        shown = self.market.shown_before(self.market.begin(life), life.sign, life.price_ticks)
        theirs = set(self.rules) - set(changed)
        queue = _Queue(self.model, self.exponent, CREDIT in theirs, shown)
        offers, left, found = _Offers(life.sign), life.size_lots, dict[int, int]()
        for at_ns, kind, side, price, size in self.market.felt(life):
            if kind == TRADE:
                lots = left if price != life.price_ticks else queue.traded_lots(size)
            elif side == life.sign:
                queue.level_is(size)
                continue
            else:
                lots = (left if size else 0) if REACHED in theirs else offers.taken_of(price, size, left)
            lots = left if lots and WHOLE in theirs else min(lots, left)
            if lots:
                found[at_ns] = found.get(at_ns, 0) + lots
                left -= lots
            if not left:
                break
        return tuple(found.items())


class _Offers:
    """What levels of the other side within an order's price still offer it."""

    def __init__(self, sign: int) -> None:
        self._sign, self._shown, self._taken = sign, dict[int, int](), dict[int, int]()

    def taken_of(self, price: int, size: int, wanted: int) -> int:
        """Set a level and take up to `wanted` lots of all of them, the best first; return how many there were."""
        self._taken[price] = min(self._taken.get(price, 0), size)
        self._shown[price] = size
        found = 0
        for level in sorted(self._shown, key=lambda level: self._sign * level) if size else ():
            lots = min(wanted - found, self._shown[level] - self._taken[level])
            self._taken[level] += lots
            found += lots
        return found


class _Queue:
    """What stands before an order."""

    def __init__(self, model: str, exponent: float, has_credit: bool, shown: int) -> None:
        self._model, self._exponent, self._has_credit = queue_position.QUEUE_MODELS.index(model), exponent, has_credit
        self._front, self._shown, self._traded = float(shown), float(shown), 0.0

    def traded_lots(self, size: int) -> int:
        """Take a print at the order's price; return how many lots of it are for the order."""
        lots = math.floor(max(0.0, size - self._front) + 0.5)
        self._traded += size
        self._front = 0.0 if lots else self._front - size
        if not self._has_credit:
            self._front = max(0.0, self._front)
        return lots

    def level_is(self, size: int) -> None:
        """Take a new size of the order's level."""
        change = self._front, self._traded, self._shown, float(size), self._model, self._exponent
        self._front = (_peer_after_level if self._has_credit else queue_position.after_level)(*change)
        self._shown, self._traded = float(size), 0.0


def _peer_after_level(front: float, traded: float, before: float, after: float, model: int, exponent: float) -> float:
    """Return hftbacktest's front after a change of the level: below zero at times, and anew where 0 is divided by 0."""
    change = before - after - traded
    if change < 0 or model == queue_position.RISK_AVERSE:
        return min(front, after)
    back = before - front
    try:
        behind = _peer_behind_share(model, exponent, front, back)
    except (ZeroDivisionError, ValueError):
        return after
    return min(front - (1.0 - behind) * change + min(back - behind * change, 0.0), after)


def _peer_behind_share(model: int, exponent: float, front: float, back: float) -> float:
    if model == queue_position.POWER:
        return float(back**exponent / (back**exponent + front**exponent))
    if model == queue_position.POWER2:
        return float(back**exponent / (back + front) ** exponent)
    if model == queue_position.POWER3:
        return float(1.0 - (front / (front + back)) ** exponent)
    if model == queue_position.LOG:
        return math.log(1.0 + back) / (math.log(1.0 + back) + math.log(1.0 + front))
    return math.log(1.0 + back) / math.log(1.0 + back + front)
