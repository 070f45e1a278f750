"""Scripts of messages on hftbacktest; run by `fills.py` in an environment that has it.

Prices are ticks and sizes lots, so that all numbers are whole. The position that the engine tells knows only the last
part of an order that filled in parts, so fills are read from what is left of each order. An order that is filled to
exactly nothing stays in the exchange with partial fills and ends the run at the next print: unless a job says
`is_exact`, orders are a millionth of a lot smaller than ours.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.order import CANCELED, EXPIRED, FILLED, GTC, GTX, IOC, LIMIT
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from numba import njit

TRADE = 1  # of the rows; all others are levels
SHAVED_LOTS = 1e-6
END_OF_DATA, FEED, ANSWER = 1, 2, 3
NOT_CANCELLED = -1  # in place of a fill's size: a cancel that this engine would not send


def data_of(rows: Any) -> Any:
    """Return rows (time at the exchange, local time, kind, side, price, size) as the engine's events."""
    venue_ns, local_ns, kind, side, price, size = rows.T
    made = np.zeros(len(rows), dtype=event_dtype)
    kinds = np.where(kind == TRADE, TRADE_EVENT, DEPTH_EVENT).astype(np.uint64)
    sides = np.where(side > 0, BUY_EVENT, SELL_EVENT).astype(np.uint64)
    made["ev"] = kinds | sides | np.uint64(EXCH_EVENT | LOCAL_EVENT)
    made["exch_ts"], made["local_ts"], made["px"], made["qty"] = venue_ns, local_ns, price, size
    return made


@njit
def _look(bot: Any, keys: Any, left: Any, live: int, into: Any, count: int) -> tuple[int, int]:
    """Note what has gone of each order that lives; return how many live and how many fills there are."""
    kept = 0
    for place in range(live):
        key = keys[place]
        order = bot.orders(0).get(key)
        if order is None:
            continue
        gone = left[key] - order.leaves_qty
        if gone > 0.5:
            into[count, 0], into[count, 1] = order.exch_timestamp, key
            into[count, 2], into[count, 3] = order.exec_price_tick, np.int64(np.round(gone))
            left[key] = order.leaves_qty
            count += 1
        status = order.status
        if status not in (FILLED, CANCELED, EXPIRED):
            keys[kept] = key
            kept += 1
    return kept, count


@njit
def _send(bot: Any, act: Any, shaved: float, left: Any) -> bool:
    """Send one message; False when the engine refuses it."""
    what, key, price, size, force = act[1], act[2], float(act[3]), act[4] - shaved, act[5]
    if what == 0:
        order = bot.orders(0).get(key)
        if order is not None and order.cancellable:
            return bot.cancel(0, key, False) == 0
        return order is not None and order.status in (FILLED, CANCELED, EXPIRED)
    left[key] = size
    how = GTX if force == 0 else (GTC if force == 1 else IOC)
    if what > 0:
        return bot.submit_buy_order(0, key, price, size, how, LIMIT, False) == 0
    return bot.submit_sell_order(0, key, price, size, how, LIMIT, False) == 0


@njit
def play(bot: Any, acts: Any, until_ns: int, shaved: float, into: Any) -> tuple[int, int]:
    """Send messages at their times and write fills (time, order, price, size); return how many, and how it ended."""
    keys, left = np.zeros(len(acts) + 1, np.int64), np.zeros(len(acts) + 1)
    live, count = 0, 0
    ended = bot.elapse(0)
    for at in range(len(acts) + 1):
        due_ns = until_ns if at == len(acts) else acts[at, 0]
        while bot.current_timestamp < due_ns:
            ended = bot.wait_next_feed(True, due_ns - bot.current_timestamp)
            live, count = _look(bot, keys, left, live, into, count)
            if ended not in (0, FEED, ANSWER):
                return count, ended
        if at < len(acts):
            sent = _send(bot, acts[at], shaved, left)
            if sent and acts[at, 1] != 0:
                keys[live] = acts[at, 2]
                live += 1
            if not sent:
                into[count, 0], into[count, 1], into[count, 3] = acts[at, 0], acts[at, 2], NOT_CANCELLED
                count += 1
    return count, 0


def run(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Play one job and return its fills, and what the engine itself says of position and money."""
    rows, acts = (np.load(folder / job[name]) for name in ("rows", "acts"))
    data = data_of(rows)  # the engine reads it where it is
    asset = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(job["latency_ns"], job["latency_ns"])
        .trading_value_fee_model(-0.00005, 0.0005)
        .tick_size(1.0)
        .lot_size(1.0)
        .last_trades_capacity(0)
    )
    asset = asset.partial_fill_exchange() if job["exchange"] == "partial" else asset.no_partial_fill_exchange()
    bot = HashMapMarketDepthBacktest([with_queue(asset, job["model"], job["exponent"])])
    into = np.zeros((8 * len(acts) + 8, 4), np.int64)
    count, ended = play(bot, acts, job["until_ns"], 0.0 if job["is_exact"] else SHAVED_LOTS, into)
    state = bot.state_values(0)
    found = {"fills": into[:count].tolist(), "ended": int(ended), "told_position": float(state.position)}
    bot.close()
    return found


def with_queue(asset: Any, model: str, exponent: float) -> Any:
    """Choose the queue model by our name for it."""
    if model == "risk_averse":
        return asset.risk_adverse_queue_model()
    if model.startswith("power"):
        name = f"power_prob_queue_model{model.removeprefix('power')}"
        return getattr(asset, name)(exponent)
    return getattr(asset, f"log_prob_queue_model{model.removeprefix('log')}")()


if __name__ == "__main__":
    home = Path(sys.argv[1])
    jobs = json.loads((home / "jobs.json").read_text())
    told = {job["name"]: run(job, home) for job in jobs}
    print(json.dumps({"version": version("hftbacktest"), "jobs": told}))
