"""A process that trades on the paper venue until it is killed; says on stdout what the venue told it.

Started by `test_paper_kill.py`: `python -m tests.conformance.paper_trader STATE DATA SYMBOL FEED`.
"""

from __future__ import annotations

import json
import sys
import time
from random import Random

from api.base_client import ClientContext, Inbox
from api.paper_client import PaperClient
from core.market.events import BookUpdate, FillEvent, OrderUpdate
from core.market.order import Order, Side


def main(state: str, data: str, symbol: str, feed: str) -> None:
    """Trade at random as fast as the venue answers."""
    context = ClientContext("paper", symbol, "killed", "trader", state, (data,))
    config = {"feed": feed, "touch_prob": 1.0, "speed": 100.0, "latency_ms": 1, "book_interval_ms": 20}
    client, inbox, random = PaperClient(config, context), Inbox(), Random()
    client.open(inbox, "main")
    client.start_market_data()
    number, run = 0, time.time_ns()
    while True:
        due_ns = client.poll(time.monotonic_ns()) or 0
        for item in inbox.drain():
            if isinstance(item, FillEvent):
                fill = item.fill
                told = [fill.trade_id, fill.client_order_id, fill.side.value, fill.price_ticks, fill.size_lots]
                print(json.dumps(["fill", [*told, str(fill.fee)]]), flush=True)
            elif isinstance(item, OrderUpdate):
                print(json.dumps([item.event.value, item.client_order_id, item.venue_order_id]), flush=True)
            elif isinstance(item, BookUpdate):
                for side in Side:
                    number += 1
                    best = item.book.best_bid_ticks if side is Side.BUY else item.book.best_ask_ticks
                    price = best + random.choice((-30, 0, 0, 4)) * side.sign
                    order = Order(f"r{run}-{number}", "main", side, price, random.randint(60, 900), post_only=False)
                    client.submit([order])
                    client.cancel([f"r{run}-{number - random.randint(1, 20)}"])
        time.sleep(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))


if __name__ == "__main__":
    main(*sys.argv[1:5])
