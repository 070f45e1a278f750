"""The compiled part of a backtest: books and queues moved on over all events that no order of ours can feel.

Nothing here fills an order. `advance` stops in front of the first event that could: the matching engine, the one that
the paper venue has, takes that event. The arithmetic of queues is `core/market/queue_position.py`, compiled as it is.
Only backtests import this module: it needs numba (requirements-backtest.txt).

One array of whole numbers and one of floats carry everything between Python and here; a call with fewer arguments is a
faster call:

    state:  BEST_BID BEST_ASK LOW_BID HIGH_ASK BASE LAST_CHANGE ORDERS MODEL WATCHED, then from FIRST on a pair for
            each order (price, sign), then a pair for each watched level (price, side)
    places: EXPONENT BAND_PCT, then from FIRST_PLACE on a pair for each order (front, traded)
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numba
from numba.extending import register_jitable

from api import event_file
from core.market import queue_position

BEST_BID, BEST_ASK, LOW_BID, HIGH_ASK, BASE, LAST_CHANGE, ORDERS, MODEL, WATCHED = range(9)
FIRST = 10
EXPONENT, BAND_PCT = 0, 1
FIRST_PLACE = 2
NO_PRICE = -1
NO_QUEUE = -1  # MODEL of the fill models that know no queue
_LEVEL, _CLEAR, _MAX_TICKS = event_file.LEVEL, event_file.CLEAR, event_file.MAX_TICKS

_behind_share = register_jitable(queue_position.behind_share)
_after_trade = register_jitable(queue_position.after_trade)
_after_level = register_jitable(queue_position.after_level)
_reaching_lots = register_jitable(queue_position.reaching_lots)


def _keep_compiled() -> None:
    """Let numba keep what it compiles, until one of the sources changes: it would look at this file alone."""
    sources = (Path(__file__), Path(str(queue_position.__file__)), Path(str(event_file.__file__)))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    folder = Path(__file__).parent / "__pycache__" / f"kernel-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # then in the user's own cache folder, where numba puts it
    if os.access(folder, os.W_OK):
        numba.config.CACHE_DIR = str(folder)


_keep_compiled()
_compiled: Any = numba.njit(cache=True, nogil=True)


@_compiled  # type: ignore[untyped-decorator]
def set_level(bids: Any, asks: Any, state: Any, side: int, price: int, size: int) -> int:
    """Set the size at a price, keep the best prices; return what was there before."""
    place = price - state[BASE]
    if side > 0:
        before = bids[place]
        bids[place] = size
        if size > 0:
            if price > state[BEST_BID]:  # NO_PRICE is lower than any
                state[BEST_BID] = price
            if state[LOW_BID] == NO_PRICE or price < state[LOW_BID]:
                state[LOW_BID] = price
        elif price == state[BEST_BID]:
            low = state[LOW_BID] - state[BASE]
            while place >= low and bids[place] == 0:
                place -= 1
            state[BEST_BID] = place + state[BASE] if place >= low else NO_PRICE
        return int(before)
    before = asks[place]
    asks[place] = size
    if size > 0:
        if state[BEST_ASK] == NO_PRICE or price < state[BEST_ASK]:
            state[BEST_ASK] = price
        if price > state[HIGH_ASK]:
            state[HIGH_ASK] = price
    elif price == state[BEST_ASK]:
        high = state[HIGH_ASK] - state[BASE]
        while place <= high and asks[place] == 0:
            place += 1
        state[BEST_ASK] = place + state[BASE] if place <= high else NO_PRICE
    return int(before)


@_compiled  # type: ignore[untyped-decorator]
def price_range(rows: Any) -> tuple[int, int]:
    """Return the lowest and the highest price of a level; (1, 0) where there is none."""
    low, high = _MAX_TICKS, 0
    for at in range(len(rows)):
        row = rows[at]
        if row.kind == _LEVEL:
            low, high = min(low, row.price_ticks), max(high, row.price_ticks)
    return (low, high) if low <= high else (1, 0)


@_compiled  # type: ignore[untyped-decorator]
def clear(bids: Any, asks: Any, state: Any) -> None:
    """Forget the book."""
    base = state[BASE]
    if state[LOW_BID] != NO_PRICE and state[BEST_BID] != NO_PRICE:
        bids[state[LOW_BID] - base : state[BEST_BID] - base + 1] = 0
    if state[HIGH_ASK] != NO_PRICE and state[BEST_ASK] != NO_PRICE:
        asks[state[BEST_ASK] - base : state[HIGH_ASK] - base + 1] = 0
    state[BEST_BID] = state[BEST_ASK] = state[LOW_BID] = state[HIGH_ASK] = NO_PRICE


@_compiled  # type: ignore[untyped-decorator]
def top(sizes: Any, state: Any, side: int, depth: int, into: Any) -> int:
    """Write the best `depth` levels of a side as pairs (price, size); return how many there are."""
    best, last = (state[BEST_BID], state[LOW_BID]) if side > 0 else (state[BEST_ASK], state[HIGH_ASK])
    if best == NO_PRICE:
        return 0
    found, price, base = 0, best, state[BASE]
    while found < depth and side * (price - last) >= 0:
        size = sizes[price - base]
        if size > 0:
            into[found, 0], into[found, 1] = price, size
            found += 1
        price -= side
    return found


@_compiled  # type: ignore[untyped-decorator]
def tops(bids: Any, asks: Any, state: Any, depth: int, into: Any) -> int:
    """Write the best `depth` levels of both sides behind a row with how many of each there are; return all rows."""
    bid_rows = top(bids, state, 1, depth, into[1:])
    ask_rows = top(asks, state, -1, depth, into[1 + bid_rows :])
    into[0, 0], into[0, 1] = bid_rows, ask_rows
    return int(1 + bid_rows + ask_rows)


@_compiled  # type: ignore[untyped-decorator]
def _level_matters(state: Any, price: int, side: int, size: int) -> bool:
    """Tell whether a level that is set may fill an order, or is one that was taken from."""
    first = FIRST
    for _ in range(state[ORDERS]):
        sign = state[first + 1]
        if size > 0 and sign != side and sign * (state[first] - price) >= 0:
            return True
        first += 2
    for _ in range(state[WATCHED]):
        if state[first] == price and state[first + 1] == side:
            return True
        first += 2
    return False


@_compiled  # type: ignore[untyped-decorator]
def _in_band(state: Any, places: Any, price: int) -> bool:
    """Tell whether a print is near enough to the book to count; the same arithmetic as Displayed.in_band."""
    bid, ask = state[BEST_BID], state[BEST_ASK]
    if bid == NO_PRICE or ask == NO_PRICE:
        return False
    band = (bid + ask) / 2 * places[BAND_PCT] / 100
    return bool(bid - band <= price <= ask + band)


@_compiled  # type: ignore[untyped-decorator]
def _print_fills(state: Any, places: Any, price: int, size: int, aggressor: int) -> bool:
    """Tell whether a print may fill an order; where it may not, the places in the queue are brought up to date."""
    first, queue = FIRST, state[MODEL] != NO_QUEUE
    touched = False
    for at in range(state[ORDERS]):
        sign, beyond = state[first + 1], state[first + 1] * (state[first] - price)
        if sign == -aggressor or not queue:
            if beyond > 0 and sign == -aggressor:
                return True
            if beyond == 0:
                if not queue or _reaching_lots(places[FIRST_PLACE + 2 * at], size) > 0:
                    return True
                touched = True
        first += 2
    if touched:
        first = FIRST
        for at in range(state[ORDERS]):
            if state[first] == price and state[first + 1] == -aggressor:
                place = FIRST_PLACE + 2 * at
                places[place] = _after_trade(places[place], size)
                places[place + 1] += size
            first += 2
    return False


@_compiled  # type: ignore[untyped-decorator]
def _level_moves_queue(state: Any, places: Any, price: int, side: int, before: int, after: int) -> None:
    first, model = FIRST, state[MODEL]
    for at in range(state[ORDERS]):
        if state[first] == price and state[first + 1] == side:
            place = FIRST_PLACE + 2 * at
            places[place] = _after_level(
                places[place], places[place + 1], float(before), float(after), model, places[EXPONENT]
            )
            places[place + 1] = 0.0
        first += 2


@_compiled  # type: ignore[untyped-decorator]
def advance(words: Any, bids: Any, asks: Any, state: Any, places: Any, at: int, until_ns: int) -> int:
    """Play rows, given as `words_of` them, from `at` on up to `until_ns`; return the one that Python has to take next.

    Where there is none in that time it is `-1 - row` of the row that comes next.
    """
    end, queue = len(words), state[MODEL] != NO_QUEUE and state[ORDERS] > 0
    while at < end:
        if words[at, 0] > until_ns:
            return -1 - at
        size, last = words[at, 2], words[at, 3]
        price, kind, side = last << 32 >> 32, last << 24 >> 56, last << 16 >> 56  # each with its sign
        if kind == _CLEAR:
            return at
        if kind == _LEVEL:
            if _level_matters(state, price, side, size):
                return at
            before = set_level(bids, asks, state, side, price, size)
            if queue:
                _level_moves_queue(state, places, price, side, before, size)
            state[LAST_CHANGE] = at
        elif state[ORDERS] > 0 and _in_band(state, places, price) and _print_fills(state, places, price, size, side):
            return at
        at += 1
    return -1 - at
