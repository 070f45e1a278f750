"""A worker that amends its orders all the time, killed amid it, with a real daemon."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3

from tests.process.fleet_parts import Fleet

# Everything moves with each look at the market, and the venue is slow: some amendment is always on its way.
RESTLESS = {
    "amend_orders": True,
    "layers": 3,
    "interval_s": 0.1,
    "min_cycle_s": 0.05,
    "price_tolerance_pct": 0,
    "size_tolerance_pct": 0,
}


def being_amended(fleet: Fleet, name: str) -> int:
    """Return how many orders a worker's ledger has on two terms: they are of unknown outcome to whoever reads it."""
    with contextlib.closing(sqlite3.connect(fleet.home.bot_state(name) / "ledger.db")) as ledger:
        found = ledger.execute("SELECT COUNT(*) FROM orders WHERE state = 'UNKNOWN'").fetchone()
        return int(found[0])


def test_a_worker_killed_amid_amendments_leaves_no_order(fleet: Fleet) -> None:
    backoff = {"backoff_initial_s": 60, "backoff_max_s": 60}
    fleet.add("one", strategy_config=RESTLESS, exchange_config={"latency_ms": 200}, daemon_config=backoff)
    fleet.start()
    row = fleet.until(lambda: (one := fleet.bot("one"))["stats"].get("orders_amended", 0) >= 2 and one)
    fleet.until(lambda: being_amended(fleet, "one"))
    os.kill(row["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("one")["state"] == "BACKOFF")  # swept, and nobody has the venue open
    assert fleet.open_paper_orders() == []
