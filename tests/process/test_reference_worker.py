"""A bot on the made-up market beside a venue behind real sockets: that is heard, killed, back again; or never there."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

import pytest

from core.process.control import call
from tests.process.fleet_parts import Fleet
from tests.sim_process import SimProcess, start_simulator

SYMBOL = "SOL-USDC"
OURS, THEIRS = Decimal(150), Decimal(153)
NOBODY = {"base_url": "http://127.0.0.1:9", "ws_url": "ws://127.0.0.1:9/"}
STILL = {"synthetic_volatility_bps": 0, "touch_prob": 0, "initial_balances": {"SOL": 1000, "USDC": 100_000}}
WIDE = {"symbol": SYMBOL, "price_source": "external", "spread_pct": 6, "layers": 1, "order_size": 1, "interval_s": 0.5}
pytestmark = pytest.mark.timeout(300)  # some waits are long on a busy machine


def add(fleet: Fleet, name: str, addresses: dict[str, Any]) -> None:
    """Write the config of a bot beside Backpack; its quotes are so wide that no touch is in their way."""
    reference = {"exchange": "backpack", "symbol": SYMBOL, "max_age_s": 2, **addresses}
    strategy = {**WIDE, "price_skew": 0, "inventory_skew_enabled": False, "price_tolerance_pct": 0.01}
    exchange = {"feed": "synthetic", **STILL}
    fleet.add(name, exchange_config=exchange, strategy_config=strategy, risk_config={"max_position": 50},
              reference_config=reference)  # fmt: skip


def centre(fleet: Fleet, name: str) -> Decimal | None:
    """Return the price that is in the middle of what a bot's ledger calls open, None while that is not one a side."""
    db = sqlite3.connect(fleet.home.bot_state(name) / "ledger.db")
    try:
        found = db.execute("SELECT side, price FROM orders WHERE closed = 0").fetchall()
    finally:
        db.close()
    return (
        sum(Decimal(price) for _, price in found) / 2 if len({side for side, _ in found}) == len(found) == 2 else None
    )


def quotes_round(fleet: Fleet, name: str, price: Decimal) -> bool:
    found = centre(fleet, name)
    return found is not None and abs(found / price - 1) < Decimal("0.005")


def stale(fleet: Fleet, name: str) -> str | None:
    said: str | None = fleet.bot(name)["stats"].get("reference_stale")
    return said


def market(fleet: Fleet, name: str) -> dict[str, Any]:
    return next(row["reference"] for row in call(fleet.home, "metrics")["bots"] if row["name"] == name)


def simulator(port: int = 0) -> SimProcess:
    """Start a simulator at a port, any one for 0, whose market is where no other one is."""
    sim = start_simulator("backpack", "--symbol", SYMBOL, "--volatility-bps", "0", "--port", str(port))
    sim.price(SYMBOL, THEIRS)
    return sim


def test_quotes_follow_the_other_venue_while_it_is_heard_and_our_own_mid_while_it_is_not(fleet: Fleet) -> None:
    sim = simulator()
    try:
        addresses = {key: sim.hello[key] for key in ("base_url", "ws_url")}
        add(fleet, "beside", addresses)
        add(fleet, "alone", NOBODY)
        fleet.start().quoting("beside", "alone", seconds=60)
        fleet.until(lambda: quotes_round(fleet, "beside", THEIRS), 60)
        fleet.until(lambda: stale(fleet, "beside") == "")  # a heartbeat may be behind the ledger
        heard = {"exchange": "backpack", "symbol": SYMBOL, "is_heard": True}
        fleet.until(lambda: market(fleet, "beside") == heard)

        fleet.until(lambda: quotes_round(fleet, "alone", OURS))  # READY and quoting, although nobody was ever there
        fleet.until(lambda: "VenueUnreachable" in str(stale(fleet, "alone")))
        assert "alone: the price of its reference is stale" in fleet.run("status").stdout

        sim.process.kill()
        sim.close()
        fleet.until(lambda: quotes_round(fleet, "beside", OURS), 60)
        fleet.until(lambda: "s old" in str(stale(fleet, "beside")))
        fleet.until(lambda: not market(fleet, "beside")["is_heard"])

        sim = simulator(int(addresses["base_url"].rpartition(":")[2].partition("/")[0]))
        fleet.until(lambda: quotes_round(fleet, "beside", THEIRS), 90)
        rows = [fleet.bot(name) for name in ("beside", "alone")]
        assert [(row["restarts"], row["state"], row["phase"]) for row in rows] == [(0, "RUNNING", "QUOTING")] * 2
    finally:
        sim.close()
    assert fleet.run("stop").returncode == 0
    assert fleet.open_paper_orders() == []
