"""A hedged maker in a real worker that is killed while a hedge is on its way: both legs end swept, and in balance."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from decimal import Decimal
from pathlib import Path

from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT

LEGS = {"maker": "paper%3Aa", "hedge": "paper%3Ab"}


def add_hedged(fleet: Fleet) -> None:
    """Write the config of a bot whose hedges are a while on their way."""
    config = json.loads((CHECKOUT / "config" / "templates" / "paper_maker_taker_hedge.json").read_text())
    config["metadata"]["name"] = "pair"
    config["daemon_config"].update(backoff_initial_s=0.1, min_uptime_s=1)
    config["exchange_config"].update(touch_prob=1.0, synthetic_trades_per_s=20)
    config["hedge_exchange_config"]["latency_ms"] = 150
    (fleet.home.active / "pair.json").write_text(json.dumps(config))


def rows(path: Path, query: str) -> list[tuple[str, ...]]:
    """Return what a query finds in a file that its owner may have open."""
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def hedges_on_their_way(fleet: Fleet) -> list[tuple[str, ...]]:
    """Return the open orders of the hedge leg, as the ledger has them."""
    path = fleet.home.bot_state("pair") / "ledger.db"
    return rows(path, "SELECT client_order_id FROM orders WHERE closed = 0 AND leg = 'hedge'")


def net(found: list[tuple[str, ...]]) -> Decimal:
    """Return what sides and sizes add up to."""
    return sum((Decimal(size) * (1 if side == "buy" else -1) for side, size in found), Decimal(0))


def test_a_bot_killed_in_the_middle_of_a_hedge_ends_swept_and_hedged(fleet: Fleet) -> None:
    add_hedged(fleet)
    fleet.start().quoting("pair", seconds=40)
    fleet.until(lambda: hedges_on_their_way(fleet), 40)
    os.kill(fleet.bot("pair")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("pair")["restarts"] >= 1 and fleet.bot("pair")["state"] == "RUNNING", 30)
    fills = fleet.bot("pair")["fills"]
    fleet.until(lambda: fleet.bot("pair")["fills"] >= fills + 2, 30)
    legs = fleet.bot("pair")["legs"]
    assert [(leg["leg"], leg["exchange"]) for leg in legs] == [("maker", "paper:a"), ("hedge", "paper:b")]
    assert fleet.run("stop").returncode == 0

    assert fleet.open_paper_orders() == []
    ledger = fleet.home.bot_state("pair") / "ledger.db"
    in_ledger = {leg: net(rows(ledger, f"SELECT side, size FROM fills WHERE leg = '{leg}'")) for leg in LEGS}
    at_venue = {
        leg: net(rows(next((fleet.home.state / "paper").glob(f"{file}-*.db")), "SELECT side, size FROM fills"))
        for leg, file in LEGS.items()
    }
    assert at_venue == in_ledger
    assert in_ledger["maker"] + in_ledger["hedge"] == 0
    trades = rows(ledger, "SELECT leg, trade_id FROM fills")
    assert len(trades) == len(set(trades))
