"""The rule of the backtest benchmark on hftbacktest; run by `run.py` in an environment that has it."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from hftbacktest import BUY, GTX, LIMIT, SELL, BacktestAsset, ROIVectorMarketDepthBacktest
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from numba import njit

HALF_TICKS, SIZE_LOTS, MAX_LOTS, STEP_NS, LATENCY_NS = 2, 5, 50, 100_000_000, 5_000_000
TICK, LOT = 0.1, 0.001
TRADE, SNAPSHOT = 1, 9  # kinds of the feed; all others are levels


def data_of(rows: Any) -> Any:
    """Return the feed as the engine's events."""
    venue_ns, local_ns, kind, side, price, size = rows.T
    made = np.zeros(len(rows), dtype=event_dtype)
    kinds = np.where(kind == TRADE, TRADE_EVENT, np.where(kind == SNAPSHOT, DEPTH_SNAPSHOT_EVENT, DEPTH_EVENT))
    sides = np.where(side > 0, BUY_EVENT, SELL_EVENT)
    made["ev"] = kinds.astype(np.uint64) | sides.astype(np.uint64) | np.uint64(EXCH_EVENT | LOCAL_EVENT)
    made["exch_ts"], made["local_ts"], made["px"], made["qty"] = venue_ns, local_ns, price * TICK, size * LOT
    return made


@njit
def _follow(bot: Any, side: int, key: int, at: int, ticks: int, free: int) -> tuple[int, int]:
    """Cancel what is elsewhere, place where nothing is; return the order of that side and its price."""
    order = bot.orders(0).get(key)
    if order is not None:
        if at != ticks and order.cancellable:
            bot.cancel(0, key, False)
        return key, at
    if ticks > 0:
        price, size = ticks * TICK, SIZE_LOTS * LOT
        if side == BUY:
            bot.submit_buy_order(0, free, price, size, GTX, LIMIT, False)
        else:
            bot.submit_sell_order(0, free, price, size, GTX, LIMIT, False)
        return free, ticks
    return 0, 0


@njit
def play(bot: Any) -> tuple[int, int]:
    """Follow the rule to the end of the feed; return decisions and orders."""
    decisions, free = 0, 1
    bid_key, bid_at, ask_key, ask_at = 0, 0, 0, 0
    while bot.elapse(STEP_NS) == 0:
        decisions += 1
        depth, lots = bot.depth(0), bot.position(0) / LOT
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        if bid <= 0 or ask > 1 << 40 or bid >= ask:
            continue
        bot.clear_inactive_orders(0)
        buy = min((bid + ask) // 2 - HALF_TICKS, ask - 1) if lots < MAX_LOTS - 0.5 else 0
        sell = max(-(-(bid + ask) // 2) + HALF_TICKS, bid + 1) if lots > 0.5 - MAX_LOTS else 0
        bid_key, bid_at = _follow(bot, BUY, bid_key, bid_at, buy, free)
        free += bid_key == free
        ask_key, ask_at = _follow(bot, SELL, ask_key, ask_at, sell, free)
        free += ask_key == free
    return decisions, free - 1


def run(data: Any) -> dict[str, Any]:
    """Play the feed once."""
    asset = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(LATENCY_NS, LATENCY_NS)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(-0.00005, 0.0005)
        .tick_size(TICK)
        .lot_size(LOT)
        .roi_lb(50_000.0)
        .roi_ub(70_000.0)
        .last_trades_capacity(0)
    )
    bot = ROIVectorMarketDepthBacktest([asset])
    began, cpu = time.perf_counter(), time.process_time()
    decisions, orders = play(bot)
    timing = {"elapsed_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    state = bot.state_values(0)
    found = {"decisions": decisions, "orders": orders, "fills": int(state.num_trades)}
    bot.close()
    return timing | found | {"position": round(float(state.position) / LOT)}


if __name__ == "__main__":
    feed = data_of(np.load(sys.argv[1]))
    run(feed)  # compiles
    runs = [run(feed) for _ in range(int(sys.argv[2]))]
    print(json.dumps({"version": version("hftbacktest"), "runs": runs}))
