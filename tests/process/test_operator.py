"""What an operator can do with single bots and with all of them, on real processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.process.control import call
from tests.process.fleet_parts import Fleet, kill_all

CALM = {"interval_s": 60, "requote_bps": 0, "price_tolerance_pct": 50, "spread_pct": 4}  # far from any fill


SHARED = {"strategy_config": {"symbol": "BTC-USDT"}, "exchange_config": {"account": "shared"}}
CREW: dict[str, dict[str, Any]] = {
    "paused": {},
    "restarted": {"strategy_config": CALM},
    "changed": {"strategy_config": CALM},
    "reloaded": {"strategy_config": CALM},
    "closed": {},
    "frozen": {"daemon_config": {"heartbeat_timeout_s": 2, "backoff_initial_s": 0}},
    "old": SHARED,
}


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A daemon with a bot for each test that asks something of its own one only."""
    fleet = Fleet(tmp_path_factory.mktemp("crew") / "home")
    for name, sections in CREW.items():
        fleet.add(name, **sections)
    try:
        yield fleet.start().quoting(*CREW, seconds=60)
    finally:
        fleet.end()


def test_a_paused_bot_rests_nothing_until_it_is_resumed_and_a_crash_does_not_resume_it(crew: Fleet) -> None:
    assert crew.run("bot", "pause", "paused").returncode == 0
    crew.until(lambda: crew.bot("paused")["phase"] == "PAUSED" and crew.bot("paused")["open_orders"] == 0)
    pid = crew.bot("paused")["pid"]
    os.kill(pid, signal.SIGKILL)
    row = crew.until(lambda: (row := crew.bot("paused"))["state"] == "RUNNING" and row["pid"] != pid and row)
    assert row["paused"] and row["open_orders"] == 0 and row["phase"] != "QUOTING"
    assert crew.run("bot", "resume", "paused").returncode == 0
    crew.quoting("paused")


def test_a_restart_keeps_every_order_that_still_matches(crew: Fleet) -> None:
    before, pid = crew.ledger_orders("restarted"), crew.bot("restarted")["pid"]
    assert crew.run("restart", "restarted").returncode == 0
    row = crew.until(
        lambda: (row := crew.bot("restarted"))["pid"] not in (None, pid) and row["state"] == "RUNNING" and row
    )
    assert row["restarts"] == 1
    crew.quoting("restarted")
    assert crew.ledger_orders("restarted") == before


def test_a_reload_of_a_live_key_keeps_worker_and_orders(crew: Fleet) -> None:
    pid, orders = crew.bot("changed")["pid"], crew.ledger_orders("changed")
    crew.add("changed", strategy_config={**CALM, "interval_s": 61})
    assert crew.run("reload").returncode == 0
    record = crew.home.bot_state("changed") / "run.json"
    crew.until(lambda: json.loads(record.read_text())["config"]["strategy_config"]["interval_s"] == 61)
    row = crew.bot("changed")
    assert (row["pid"], row["restarts"], row["state"]) == (pid, 0, "RUNNING")
    assert crew.ledger_orders("changed") == orders


def test_a_reload_of_a_restart_key_hands_the_orders_over(crew: Fleet) -> None:
    before, pid = crew.ledger_orders("reloaded"), crew.bot("reloaded")["pid"]
    crew.add("reloaded", strategy_config=CALM, daemon_config={"nice": 1})
    assert crew.run("reload").returncode == 0
    crew.until(lambda: crew.bot("reloaded")["pid"] not in (None, pid) and crew.bot("reloaded")["state"] == "RUNNING")
    crew.quoting("reloaded")
    assert crew.ledger_orders("reloaded") == before


def test_a_closed_bot_rests_without_orders_and_stays_down(crew: Fleet) -> None:
    done = crew.run("bot", "close", "closed", "--json")
    assert done.returncode == 0, done.stderr
    row = crew.until(lambda: (row := crew.bot("closed"))["state"] == "STOPPED" and row)
    assert (row["open_orders"], row["closed"]) == (0, True)
    assert crew.bot("changed")["state"] == "RUNNING"
    assert crew.run("reload").returncode == 0
    assert crew.bot("closed")["state"] == "STOPPED"


def test_flatten_closes_running_stuck_and_halted_bots_and_leaves_the_latch(fleet: Fleet) -> None:
    for number, name in enumerate(("running", "stuck", "halted")):
        fleet.add(name, exchange_config={"seed": number}, daemon_config={"heartbeat_timeout_s": 60})
    latch = fleet.home.bot_state("halted") / "latches.json"
    latch.parent.mkdir(parents=True)
    tripped = {"action": "cancel", "reason": "a test", "at_utc_ns": 1, "done": True}
    latch.write_text(json.dumps({"latches": {"max_loss": tripped}, "reset_utc_ns": 0}))
    fleet.start().quoting("running", "stuck")
    fleet.until(lambda: fleet.bot("halted")["state"] == "HALTED")
    os.kill(fleet.bot("stuck")["pid"], signal.SIGSTOP)
    fleet.until(lambda: (fleet.bot("stuck")["heartbeat_age_s"] or 0) > 4)
    done = fleet.run("flatten", "--all", "--json", timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    states = {row["name"]: (row["state"], row["closed"]) for row in json.loads(done.stdout)["bots"]}
    assert states == {"running": ("STOPPED", True), "stuck": ("STOPPED", True), "halted": ("HALTED", True)}
    assert fleet.open_paper_orders() == []
    assert json.loads(latch.read_text())["latches"]["max_loss"]["reason"] == "a test"


def test_flatten_works_with_the_daemon_down(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two", exchange_config={"seed": 2})
    fleet.start().quoting("one", "two")
    kill_all(fleet.remember())
    fleet.until(lambda: not fleet.living())
    assert fleet.open_paper_orders()
    done = fleet.run("flatten", "--all", timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one closed" in done.stdout and "two closed" in done.stdout
    assert fleet.open_paper_orders() == []


def test_a_job_is_neither_closed_nor_paused_and_does_not_keep_flatten_from_its_end(fleet: Fleet) -> None:
    fleet.add("one")
    job = {"kind": "job", "metadata": {"name": "beats"}, "daemon_config": {}, "job_config": {"job": "heartbeat"}}
    (fleet.home.active / "beats.json").write_text(json.dumps(job))
    fleet.start().quoting("one")
    fleet.until(lambda: fleet.bot("beats")["state"] == "RUNNING")
    assert fleet.run("bot", "close", "beats").returncode == 1
    assert fleet.run("bot", "pause", "beats").returncode == 1
    pid = fleet.bot("beats")["pid"]
    assert fleet.run("restart", "beats").returncode == 0
    fleet.until(lambda: fleet.bot("beats")["pid"] not in (None, pid) and fleet.bot("beats")["state"] == "RUNNING", 10)
    assert fleet.run("flatten", "--all", timeout=100).returncode == 0
    assert (fleet.bot("one")["state"], fleet.bot("beats")["state"]) == ("STOPPED", "RUNNING")


def test_flatten_needs_names_or_all(crew: Fleet) -> None:
    assert crew.run("flatten").returncode == 2
    assert crew.run("flatten", "--all", "closed").returncode == 2


def test_a_worker_stopped_by_a_signal_is_replaced_without_a_second_for_its_stacks(crew: Fleet) -> None:
    pid = crew.bot("frozen")["pid"]
    os.kill(pid, signal.SIGSTOP)
    row = crew.until(lambda: (row := crew.bot("frozen"))["pid"] not in (None, pid) and row)
    assert "stopped by a signal" in row["last_exit"]["reason"]
    crew.quoting("frozen")


def test_a_renamed_bot_waits_until_its_old_self_has_stopped(crew: Fleet) -> None:
    (crew.home.active / "old.json").unlink()
    crew.add("new", **SHARED)
    assert crew.run("reload").returncode == 0
    crew.quoting("new")
    assert {row["name"] for row in crew.status()["bots"]} == {"new", *CREW} - {"old"}
    assert call(crew.home, "ping") == {}
    assert Path(crew.home.log / "new.log").exists()
