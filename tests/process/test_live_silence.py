"""A daemon whose bots trade on a venue that refuses connections, or accepts them and says nothing."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.process.fleet_parts import Fleet
from tests.process.live_fleet import VENUES, LiveFleet

pytestmark = pytest.mark.timeout(300)  # some waits are long on a busy machine


@pytest.mark.parametrize("venue", ["backpack"])
def test_a_paper_bot_on_a_silent_venue_is_not_stuck_and_quotes_once_it_speaks(live: LiveFleet) -> None:
    live.add("one", mode="paper")
    os.kill(live.sim.process.pid, signal.SIGSTOP)
    try:
        live.fleet.start()
        row = live.fleet.until(lambda: (row := live.fleet.bot("one"))["last_exit"] and row, 120)
        assert (row["last_exit"]["status"], row["last_exit"]["signal"]) == (75, None)
    finally:
        os.kill(live.sim.process.pid, signal.SIGCONT)
    live.fleet.quoting("one", seconds=90)
    assert live.open_orders() == []


@VENUES
def test_a_venue_that_refuses_connections_is_tried_again_and_never_fatal(live: LiveFleet) -> None:
    live.add("one", base_url="http://127.0.0.1:9", ws_url="ws://127.0.0.1:9/")
    live.fleet.start()
    live.fleet.until(lambda: live.fleet.bot("one")["restarts"] >= 1, 60)
    row = live.fleet.bot("one")
    assert row["last_exit"]["status"] == 75
    assert row["state"] in ("BACKOFF", "STARTING")


@VENUES
def test_a_venue_that_accepts_connections_and_says_nothing_is_unreachable_and_no_stuck_worker(live: LiveFleet) -> None:
    live.add("one")
    os.kill(live.sim.process.pid, signal.SIGSTOP)
    try:
        live.fleet.start()
        row = live.fleet.until(lambda: (row := live.fleet.bot("one"))["last_exit"] and row, 120)
        assert (row["last_exit"]["status"], row["last_exit"]["signal"]) == (75, None)
    finally:
        os.kill(live.sim.process.pid, signal.SIGCONT)
    live.fleet.quoting("one", seconds=90)


@VENUES
def test_a_sweep_of_a_silent_venue_waits_and_is_done_when_it_speaks_again(live: LiveFleet) -> None:
    live.add("one")
    live.fleet.start().quoting("one", seconds=40)
    before = {order["order_id"] for order in live.open_orders()}
    row = live.fleet.bot("one")
    os.kill(live.sim.process.pid, signal.SIGSTOP)
    try:
        os.kill(row["pid"], signal.SIGKILL)
        live.comes_to("one", "SWEEPING")
        live.fleet.until(lambda: "killed" not in live.fleet.bot("one")["reason"], 120)  # the first sweep gave up
        assert live.fleet.bot("one")["state"] == "SWEEPING"
    finally:
        os.kill(live.sim.process.pid, signal.SIGCONT)
    live.fleet.quoting("one", seconds=120)
    assert not before & {order["order_id"] for order in live.open_orders()}


@pytest.mark.parametrize("venue", ["thalex"])
def test_a_stop_does_not_wait_for_a_venue_that_was_not_open_yet(live: LiveFleet) -> None:
    live.add("one")
    os.kill(live.sim.process.pid, signal.SIGSTOP)
    try:
        live.fleet.start()
        live.fleet.until(lambda: "worker_started" in _log(live.fleet, "one"))
        began = time.monotonic()
        live.fleet.run("bot", "stop", "one")
        row = live.comes_to("one", "STOPPED")
        assert time.monotonic() - began < 20  # the venue would be waited for a minute
        assert row["last_exit"]["status"] == 0
    finally:
        os.kill(live.sim.process.pid, signal.SIGCONT)


def _log(fleet: Fleet, name: str) -> str:
    path = fleet.home.log / f"{name}.log"
    return path.read_text() if path.exists() else ""
