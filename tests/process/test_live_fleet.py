"""A daemon whose bots trade on a venue behind real sockets: what is left there after deaths of every kind."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.process.fleet_parts import kill_all
from tests.process.live_fleet import SECRET_KEYS, SYMBOLS, VENUES, Crew, LiveFleet

pytestmark = pytest.mark.timeout(300)  # some waits are long on a busy machine
# What the supervisor does is the same for every venue; where a client has a say, both are tried.

BUSY = {"interval_s": 0.2, "min_cycle_s": 0.1, "requote_bps": 0.1, "price_tolerance_pct": 0.001}
NO_SKEW = {"inventory_skew_enabled": False}
EXPIRING = {"backpack": "SOL_USDC_PERP", "thalex": "BTC-27DEC30"}
CREW: dict[tuple[str, str], dict[str, Any]] = {
    **{("wrong-key", venue): {} for venue in SYMBOLS},
    **{("not-listed", venue): {"strategy_config": {"symbol": "DOGE-EUR"}} for venue in SYMBOLS},
    ("left", "backpack"): {},
    **{("revoked", venue): {} for venue in SYMBOLS},
    **{("delisted", venue): {"strategy_config": {"symbol": EXPIRING[venue], **NO_SKEW}} for venue in SYMBOLS},
    ("lent", "backpack"): {"exchange_config": {"request_rate_per_s": 50}, "strategy_config": {**BUSY, **NO_SKEW}},
}


@VENUES
def test_a_killed_live_worker_is_swept_and_replaced_and_a_stop_leaves_nothing(live: LiveFleet) -> None:
    live.add("one")
    live.fleet.start().quoting("one", seconds=40)
    before = {order["order_id"] for order in live.open_orders()}
    assert before
    row = live.fleet.bot("one")
    assert abs(row["legs"][0]["clock_offset_ms"]) < 5_000
    assert row["symbol"] == {"backpack": "SOL-USDC", "thalex": "BTC-PERP"}[live.venue]
    zygote = Path(f"/proc/{live.fleet.zygote_pid()}/fd")
    assert [os.readlink(entry).partition(":")[0] for entry in zygote.iterdir()].count("socket") == 1  # no venue's
    pid = live.fleet.bot("one")["pid"]
    os.kill(pid, signal.SIGKILL)
    live.fleet.until(lambda: live.fleet.bot("one")["pid"] not in (None, pid), 60)
    assert not before & {order["order_id"] for order in live.open_orders()}
    live.fleet.quoting("one", seconds=40)
    done = live.fleet.run("stop", timeout=90)
    assert done.returncode == 0, done.stderr
    assert live.open_orders() == []
    assert live.violations() == {}


@VENUES
def test_when_everything_was_killed_the_next_start_sweeps_first(live: LiveFleet) -> None:
    live.add("one")
    live.fleet.start().quoting("one", seconds=40)
    before = {order["order_id"] for order in live.open_orders()}
    kill_all(live.fleet.remember())
    live.fleet.until(lambda: not live.fleet.living())
    live.fleet.start().quoting("one", seconds=60)
    assert not before & {order["order_id"] for order in live.open_orders()}


@VENUES
def test_a_bot_with_a_wrong_key_is_fatal_after_one_try(live_crew: Crew, venue: str) -> None:
    live = live_crew["wrong-key", venue]
    live.give_wrong_secret()
    name = live.start()
    row = live.comes_to(name, "FATAL")
    assert (row["last_exit"]["status"], row["restarts"]) == (76, 0)


@VENUES
def test_a_symbol_that_the_venue_does_not_list_is_fatal(live_crew: Crew, venue: str) -> None:
    live = live_crew["not-listed", venue]
    name = live.start()
    row = live.comes_to(name, "FATAL")
    assert row["last_exit"]["status"] == 78
    assert "DOGE-EUR" in row["last_exit"]["reason"]


def test_two_labels_for_one_key_are_one_account(live_crew: Crew) -> None:
    live = live_crew["left", "backpack"]
    left = live.start()
    live.fleet.quoting(left, seconds=40)
    live.add("right", account="right")
    live.fleet.run("reload")
    row = live.comes_to("right", "FATAL")
    assert row["last_exit"]["status"] == 78
    assert f"'{left}'" in row["last_exit"]["reason"]
    assert live.fleet.quoting(left, seconds=40).bot(left)["restarts"] == 0
    live.stop()


@pytest.mark.parametrize("venue", ["thalex"])
def test_a_sweep_without_its_secret_waits_for_it_and_says_so(live: LiveFleet) -> None:
    live.add("one")
    live.fleet.start().quoting("one", seconds=40)
    kill_all(live.fleet.remember())
    live.fleet.until(lambda: not live.fleet.living())
    live.fleet.home.env_file.unlink()
    live.fleet.run("start", "--daemon")
    name = SECRET_KEYS[live.venue][0].upper()
    live.fleet.until(lambda: name in (row := live.fleet.bot("one"))["reason"] and row["state"] == "SWEEPING")
    live.give_secrets()
    live.fleet.until(lambda: live.open_orders() == [], 60)


@VENUES
def test_a_key_that_is_revoked_is_not_tried_in_a_loop_and_the_sweep_goes_on_with_the_new_one(
    live_crew: Crew, venue: str
) -> None:
    live = live_crew["revoked", venue]
    name = live.start()
    live.fleet.quoting(name, seconds=40)
    before = {order["order_id"] for order in live.open_orders()}
    live.give_wrong_secret()
    os.kill(live.fleet.bot(name)["pid"], signal.SIGKILL)
    live.fleet.until(lambda: live.told(name, "alert"))
    assert live.fleet.bot(name)["state"] == "SWEEPING"
    live.give_secrets()
    live.fleet.run("bot", "start", name)
    live.fleet.quoting(name, seconds=60)
    assert not before & {order["order_id"] for order in live.open_orders()}
    assert len(live.told(name, "sweep_not_confirmed")) == 1
    live.stop()


@pytest.mark.parametrize("venue", ["backpack"])
def test_a_stop_says_what_a_refused_key_leaves_and_does_not_wait_for_it(live: LiveFleet) -> None:
    live.add("one")
    live.fleet.start().quoting("one", seconds=40)
    live.give_wrong_secret()
    os.kill(live.fleet.bot("one")["pid"], signal.SIGKILL)
    live.fleet.until(lambda: live.told("one", "alert"))
    assert live.fleet.bot("one")["open_orders"] > 0
    since = time.monotonic()
    done = live.fleet.run("stop", timeout=90)
    assert done.returncode == 1
    assert "orders may be left" in done.stderr
    assert time.monotonic() - since < 30


@VENUES
def test_what_a_bot_left_on_a_market_that_is_not_listed_any_more_is_swept(live_crew: Crew, venue: str) -> None:
    live = live_crew["delisted", venue]
    name = live.start()
    live.fleet.quoting(name, seconds=40)
    pid = live.fleet.bot(name)["pid"]
    os.kill(pid, signal.SIGSTOP)  # it may not do anything about it any more
    live.sim.delist(EXPIRING[venue])
    os.kill(pid, signal.SIGKILL)
    row = live.comes_to(name, "FATAL", 120)
    assert row["last_exit"]["status"] == 78 and EXPIRING[venue] in row["last_exit"]["reason"]
    assert live.open_orders() == []
    assert json.loads((live.fleet.home.bot_state(name) / "run.json").read_text())["clean"] is True


def test_a_worker_is_lent_its_share_of_the_keys_budget_by_the_supervisor(live_crew: Crew) -> None:
    live = live_crew["lent", "backpack"]
    name = live.start()
    violations = live.violations()
    live.fleet.quoting(name, seconds=40)
    began = time.time_ns()

    def more_than_its_own() -> bool:
        """Tell whether it asked for more than the 18 at once and 1 a second that a process has without a lease."""
        asked = [one for one in live.sim.requests(live.account) if one["at_ns"] >= began]
        return len(asked) > 2 * (18 + (time.time_ns() - began) / 10**9)

    live.fleet.until(more_than_its_own, 90)
    assert live.violations().get("rate_limited") == violations.get("rate_limited")
    live.stop()
