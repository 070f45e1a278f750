"""The engine alone: the benchmark's rule compiled beside the kernel, so that no Python runs between two events.

What `api/compiled_venue.py` leaves to the matching engine (fills) is done here in the simplest way that the rule needs:
one order a side, queue model, fills from trades and from levels that reach the order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from api import replay_kernel as kernel
from api.event_file import CLEAR, LEVEL, Rows, words_of

FREE, SENT, RESTS, CANCELLED, GONE = range(5)
_FAR = 1 << 62
_ADVANCE, _SET, _CLEAR_BOOK = kernel.advance, kernel.set_level, kernel.clear
_REACHING, _AFTER_TRADE = kernel._reaching_lots, kernel._after_trade
_FIRST, _FIRST_PLACE, _ORDERS, _BASE = kernel.FIRST, kernel.FIRST_PLACE, kernel.ORDERS, kernel.BASE
_BEST_BID, _BEST_ASK, _LEVEL, _CLEAR = kernel.BEST_BID, kernel.BEST_ASK, LEVEL, CLEAR


@njit(cache=True)
def _load(state: Any, places: Any, status: Any, price: Any, front: Any, traded: Any) -> None:
    count = 0
    for i in range(2):
        if status[i] == RESTS or status[i] == CANCELLED:
            state[_FIRST + 2 * count], state[_FIRST + 2 * count + 1] = price[i], 1 - 2 * i
            places[_FIRST_PLACE + 2 * count], places[_FIRST_PLACE + 2 * count + 1] = front[i], traded[i]
            count += 1
    state[_ORDERS] = count


@njit(cache=True)
def _store(places: Any, status: Any, front: Any, traded: Any) -> None:
    count = 0
    for i in range(2):
        if status[i] == RESTS or status[i] == CANCELLED:
            front[i], traded[i] = places[_FIRST_PLACE + 2 * count], places[_FIRST_PLACE + 2 * count + 1]
            count += 1


@njit(cache=True)
def run_rule(
    rows: Any, words: Any, bids: Any, asks: Any, state: Any, places: Any,
    step_ns: int, latency_ns: int, half: int, size: int, most: int, whole: bool,
) -> Any:  # fmt: skip
    """Play all rows; return decisions, orders, fills, lots traded, position and the cash in ticks x lots.

    `whole`: an order that is reached fills all at once, as on the exchange without partial fills that others have.
    """
    status, price, left = np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2, np.int64)
    front, traded = np.zeros(2), np.zeros(2)
    arrives, cancels, hears = np.full(2, _FAR), np.full(2, _FAR), np.full(2, _FAR)
    at, position, cash, fills, volume, decisions, orders = 0, 0, 0, 0, 0, 0, 0
    step_due = rows[0].local_ns + step_ns
    end_ns = rows[len(rows) - 1].local_ns
    while True:
        due = step_due
        for i in range(2):
            due = min(due, arrives[i], cancels[i], hears[i])
        stop = 0
        while stop >= 0:
            stop = _ADVANCE(words, bids, asks, state, places, at, due)
            at = stop if stop >= 0 else -1 - stop
            if stop < 0:
                break
            row = rows[at]
            at += 1
            if row.kind == _CLEAR:
                _CLEAR_BOOK(bids, asks, state)
                continue
            _store(places, status, front, traded)
            if row.kind == _LEVEL:
                _SET(bids, asks, state, row.side, row.price_ticks, row.size_lots)
            for i in range(2):
                sign = 1 - 2 * i
                if (status[i] != RESTS and status[i] != CANCELLED) or row.side == sign:
                    continue
                beyond = sign * (price[i] - row.price_ticks)
                lots = 0
                if row.kind == _LEVEL:
                    lots = min(left[i], row.size_lots) if beyond >= 0 else 0
                elif beyond > 0:
                    lots = left[i]
                elif beyond == 0:
                    lots = min(left[i], _REACHING(front[i], row.size_lots))
                    front[i] = _AFTER_TRADE(front[i], row.size_lots)
                    traded[i] += row.size_lots
                if lots > 0:
                    lots = left[i] if whole else lots
                    left[i] -= lots
                    position += sign * lots
                    cash -= sign * lots * price[i]
                    fills += 1
                    volume += lots
                    if left[i] == 0:
                        status[i], hears[i] = GONE, row.local_ns + latency_ns
                        cancels[i] = _FAR
            _load(state, places, status, price, front, traded)
        if due > end_ns:
            break
        _store(places, status, front, traded)
        for i in range(2):
            if arrives[i] <= due:
                arrives[i] = _FAR
                opposite = state[_BEST_ASK] if i == 0 else state[_BEST_BID]
                if (1 - 2 * i) * (price[i] - opposite) >= 0:
                    status[i], hears[i] = GONE, due + latency_ns
                else:
                    book = bids if i == 0 else asks
                    status[i], front[i], traded[i] = RESTS, float(book[price[i] - state[_BASE]]), 0.0
            if cancels[i] <= due:
                cancels[i] = _FAR
                if status[i] == CANCELLED:
                    status[i], hears[i] = GONE, due + latency_ns
            if hears[i] <= due:
                hears[i], status[i] = _FAR, FREE
        if step_due <= due:
            step_due += step_ns
            decisions += 1
            bid, ask = state[_BEST_BID], state[_BEST_ASK]
            for i in range(2):
                sign = 1 - 2 * i
                want = (
                    min((bid + ask - 2 * half) // 2, ask - 1)
                    if i == 0
                    else max(-(-(bid + ask + 2 * half) // 2), bid + 1)
                )
                if sign * position >= most:
                    want = 0
                if status[i] == RESTS and price[i] != want:
                    status[i], cancels[i] = CANCELLED, due + latency_ns
                elif status[i] == FREE and want > 0:
                    status[i], price[i], left[i], arrives[i] = SENT, want, size, due + latency_ns
                    orders += 1
        _load(state, places, status, price, front, traded)
    return decisions, orders, fills, volume, position, cash


def fresh(rows: Rows, queue_model: int, exponent: float) -> tuple[Any, ...]:
    """Return what `run_rule` takes after the rows."""
    low, high = map(int, kernel.price_range(rows))
    bids, asks = (np.zeros(high - low + 1, dtype=np.int64) for _ in range(2))
    state = np.full(kernel.FIRST + 4, kernel.NO_PRICE, dtype=np.int64)
    state[kernel.BASE], state[kernel.ORDERS], state[kernel.WATCHED], state[kernel.MODEL] = low, 0, 0, queue_model
    places = np.zeros(kernel.FIRST_PLACE + 4)
    places[kernel.EXPONENT], places[kernel.BAND_PCT] = exponent, 1.0
    return words_of(rows), bids, asks, state, places
