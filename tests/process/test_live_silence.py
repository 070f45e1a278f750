"""A daemon whose bots trade on a venue that refuses connections, or accepts them and says nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.process.fleet_parts import Fleet
from tests.process.live_fleet import SYMBOLS, VENUES, Crew, LiveFleet

pytestmark = pytest.mark.timeout(300)  # some waits are long on a busy machine


CLOSED = {"exchange_config": {"base_url": "http://127.0.0.1:9", "ws_url": "ws://127.0.0.1:9/"}}
CREW: dict[tuple[str, str], dict[str, Any]] = {
    ("on-paper", "backpack"): {"exchange_config": {"mode": "paper"}},
    **{("refused", venue): CLOSED for venue in SYMBOLS},
    **{("unheard", venue): {} for venue in SYMBOLS},
    **{("swept", venue): {} for venue in SYMBOLS},
}


@contextmanager
def silence(live: LiveFleet) -> Iterator[None]:
    """Let the venue accept connections and say nothing."""
    os.kill(live.sim.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(live.sim.process.pid, signal.SIGCONT)


def test_a_paper_bot_on_a_silent_venue_is_not_stuck_and_quotes_once_it_speaks(live_crew: Crew) -> None:
    live = live_crew["on-paper", "backpack"]
    with silence(live):
        name = live.start()
        row = live.fleet.until(lambda: (row := live.fleet.bot(name))["last_exit"] and row, 120)
        assert (row["last_exit"]["status"], row["last_exit"]["signal"]) == (75, None)
    live.fleet.quoting(name, seconds=90)
    assert live.open_orders() == []
    live.stop()


@VENUES
def test_a_venue_that_refuses_connections_is_tried_again_and_never_fatal(live_crew: Crew, venue: str) -> None:
    live = live_crew["refused", venue]
    name = live.start()
    live.fleet.until(lambda: live.fleet.bot(name)["restarts"] >= 1, 60)
    row = live.fleet.bot(name)
    assert row["last_exit"]["status"] == 75
    assert row["state"] in ("BACKOFF", "STARTING")
    live.stop()


@VENUES
def test_a_venue_that_accepts_connections_and_says_nothing_is_unreachable_and_no_stuck_worker(
    live_crew: Crew, venue: str
) -> None:
    live = live_crew["unheard", venue]
    with silence(live):
        name = live.start()
        row = live.fleet.until(lambda: (row := live.fleet.bot(name))["last_exit"] and row, 120)
        assert (row["last_exit"]["status"], row["last_exit"]["signal"]) == (75, None)
    live.fleet.quoting(name, seconds=90)
    live.stop()


@VENUES
def test_a_sweep_of_a_silent_venue_waits_and_is_done_when_it_speaks_again(live_crew: Crew, venue: str) -> None:
    live = live_crew["swept", venue]
    name = live.start()
    live.fleet.quoting(name, seconds=40)
    before = {order["order_id"] for order in live.open_orders()}
    with silence(live):
        os.kill(live.fleet.bot(name)["pid"], signal.SIGKILL)
        live.comes_to(name, "SWEEPING")
        live.fleet.until(lambda: "killed" not in live.fleet.bot(name)["reason"], 120)  # the first sweep gave up
        assert live.fleet.bot(name)["state"] == "SWEEPING"
    live.fleet.quoting(name, seconds=120)
    assert not before & {order["order_id"] for order in live.open_orders()}
    live.stop()


@pytest.mark.parametrize("venue", ["thalex"])
def test_a_stop_does_not_wait_for_a_venue_that_was_not_open_yet(live: LiveFleet) -> None:
    live.add("one")
    with silence(live):
        live.fleet.start()
        live.fleet.until(lambda: "worker_started" in _log(live.fleet, "one"))
        began = time.monotonic()
        live.fleet.run("bot", "stop", "one")
        row = live.comes_to("one", "STOPPED")
        assert time.monotonic() - began < 20  # the venue would be waited for a minute
        assert row["last_exit"]["status"] == 0


def _log(fleet: Fleet, name: str) -> str:
    path = fleet.home.log / f"{name}.log"
    return path.read_text() if path.exists() else ""
