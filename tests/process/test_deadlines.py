"""Deadlines: each bot has its own, they end with its reaping, and no wall clock has a say in them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.process.fleet_parts import Fleet, is_living


def events(fleet: Fleet, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of the event file that have these values."""
    rows = [json.loads(line) for line in (fleet.home.log / "events.jsonl").read_text().splitlines()]
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def test_one_bot_that_does_not_stop_delays_no_other_and_the_stop_waits_for_its_end_and_sweep(fleet: Fleet) -> None:
    slow = {"heartbeat_timeout_s": 60, "stop_timeout_s": 1}
    fleet.add("a-frozen", daemon_config=slow)  # the first in every order
    for number in range(3):
        fleet.add(f"b{number}", exchange_config={"seed": number}, daemon_config={"stop_timeout_s": 60})
    fleet.start().quoting("a-frozen", "b0", "b1", "b2")
    frozen = fleet.bot("a-frozen")["pid"]
    os.kill(frozen, signal.SIGSTOP)
    done = fleet.run("stop")
    assert not is_living(frozen)
    assert (done.returncode, done.stdout.strip()) == (0, "stopped: 1 killed, 3 clean; no order is left")
    assert sorted(row["bot"] for row in events(fleet, kind="exit")) == ["a-frozen", "b0", "b1", "b2"]
    (killed,) = events(fleet, kind="killed", bot="a-frozen")
    asked = events(fleet, kind="state", to="STOPPING")
    assert {row["bot"] for row in asked if row["seq"] < killed["seq"]} == {"a-frozen", "b0", "b1", "b2"}
    (stopped,) = events(fleet, kind="daemon_stopped")
    assert stopped["seq"] > events(fleet, kind="state", bot="a-frozen", to="STOPPED")[0]["seq"]
    assert fleet.open_paper_orders() == []


def test_a_wall_clock_that_runs_back_freezes_no_timer(fleet: Fleet, tmp_path: Path) -> None:
    """An hour back with each second: a heartbeat, a dump, a kill, a sweep, a backoff and a stop all come in time."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\n"
        "wall, began = time.time_ns(), time.monotonic_ns()\n"
        "time.time_ns = lambda: wall - 3600 * (time.monotonic_ns() - began)\n"
        "time.time = lambda: time.time_ns() / 1e9\n"
    )
    fleet.add("one", daemon_config={"heartbeat_timeout_s": 2})
    fleet.start(PYTHONPATH=str(tmp_path)).quoting("one")
    os.kill(fleet.bot("one")["pid"], signal.SIGSTOP)
    fleet.until(lambda: fleet.bot("one")["restarts"] >= 1)
    fleet.quoting("one")
    assert fleet.run("stop").returncode == 0
    assert fleet.open_paper_orders() == []
    stamps = [row["ts"] for row in events(fleet)]
    assert stamps[-1] < stamps[0]  # it did run back
