"""A grid in a real worker that is killed: what it remembers and what its ledger has booked stay together."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from decimal import Decimal

from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT


def add_grid(fleet: Fleet) -> None:
    """Write the config of a narrow grid that fills often."""
    config = json.loads((CHECKOUT / "config" / "templates" / "paper_grid_strategy.json").read_text())
    config["metadata"]["name"] = "grid"
    config["daemon_config"].update(backoff_initial_s=0.1, min_uptime_s=1)
    config["exchange_config"].update(touch_prob=1.0)
    config["strategy_config"].update(grid_num=81, initial_inventory="none", interval_s=0.2)
    (fleet.home.active / "grid.json").write_text(json.dumps(config))


def test_a_killed_grid_remembers_exactly_the_fills_that_it_has_heard(fleet: Fleet) -> None:
    add_grid(fleet)
    fleet.start().quoting("grid")
    fleet.until(lambda: fleet.bot("grid")["fills"] >= 3, 40)
    os.kill(fleet.bot("grid")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("grid")["restarts"] >= 1, 20)
    fleet.quoting("grid")
    assert fleet.run("stop").returncode == 0
    db = sqlite3.connect(fleet.home.bot_state("grid") / "ledger.db")
    (kind, saved, heard), *_ = db.execute("SELECT kind, saved, heard FROM memory").fetchall()
    fills = db.execute("SELECT side, size FROM fills ORDER BY number").fetchall()
    db.close()
    book = json.loads(saved)["grid"]["book"]
    held = sum(Decimal(parcel[0]) for cell in book["cells"].values() for parcel in cell["parcels"])
    net = sum(Decimal(size) * (1 if side == "buy" else -1) for side, size in fills[:heard])
    assert kind == "GridStrategy"
    assert 3 <= heard <= len(fills)
    assert held == net
    assert Decimal(book["unmatched"]) == 0
