"""One dead-man switch for a whole account: kept alive by a guard while every bot of it is fresh or swept."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from core.process.control import call
from tests.process.fleet_parts import is_living
from tests.process.switch_parts import SwitchFleet, checkout_with_harbour


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout_with_harbour(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def fleet(tmp_path: Path, checkout: Path) -> Iterator[SwitchFleet]:
    fleet = SwitchFleet(tmp_path / "home", checkout)
    yield fleet
    for path in fleet.home.root.glob("down-*"):
        path.unlink()
    fleet.end()


def begin(fleet: SwitchFleet, heartbeat_timeout_s: float = 4) -> None:
    """Start two bots on one account and wait until they quote."""
    fleet.moor("one", "SOL-USDC", 0.1, heartbeat_timeout_s=heartbeat_timeout_s)
    fleet.moor("two", "BTC-USDT", 0.001, heartbeat_timeout_s=heartbeat_timeout_s)
    fleet.start().quoting("one", "two", seconds=60)


def test_the_switch_is_armed_before_a_bot_quotes_outlives_its_guard_and_is_disarmed_by_a_stop(
    fleet: SwitchFleet,
) -> None:
    begin(fleet)
    assert all(fleet.switch(name).startswith("account: armed") for name in ("one", "two"))
    (guard,) = fleet.guards()
    os.kill(guard, signal.SIGTERM)  # as everybody gets from a service manager: it has to outlive the bots
    before = len(fleet.said())
    fleet.until(lambda: len(fleet.said()) > before + 1)
    assert fleet.guards() == [guard]
    os.kill(guard, signal.SIGKILL)
    before = len(fleet.said())
    fleet.until(lambda: fleet.guards() not in ([], [guard]) and len(fleet.said()) > before + 1)
    assert all(fires for _, fires in fleet.said())
    done = fleet.run("stop")
    assert done.returncode == 0, done.stderr
    assert fleet.said()[-1][1] == 0, "disarmed"


def test_a_stopped_bot_lets_the_switch_lapse_until_its_sweep_is_confirmed(fleet: SwitchFleet) -> None:
    begin(fleet)
    harbour = fleet.close_harbour("two")
    os.kill(fleet.bot("two")["pid"], signal.SIGSTOP)
    fleet.until(fleet.has_fired, 60)
    lapsed = len(fleet.said())
    fleet.until(lambda: "two is SWEEPING and not swept" in fleet.switch("one"), 60)
    fleet.until(lambda: "dead_man" in fleet.bot("one")["gates"] and fleet.bot("one")["open_orders"] == 0)
    assert len(fleet.said()) == lapsed, "nothing refreshes it meanwhile"
    harbour.unlink()
    call(fleet.home, "restart", {"names": ["two"]})  # its sweep, which pauses longer each time, is tried at once
    fleet.until(lambda: len(fleet.said()) > lapsed, 60)
    fleet.quoting("one", "two", seconds=60)
    told = [json.loads(line) for line in fleet.run("events", "--kind", "dead_man", "--json").stdout.splitlines()]
    alerts = [row["reason"] for row in told if (row["to"], row["alert"]) == ("lapsed", "dead_man")]
    assert told[-1]["to"] == "armed" and any(reason.startswith("two is ") for reason in alerts), told


def test_a_killed_supervisor_takes_the_guard_along_and_the_switch_lapses(fleet: SwitchFleet) -> None:
    begin(fleet)
    (guard,) = fleet.guards()
    os.kill(fleet.daemon_pid(), signal.SIGKILL)
    fleet.until(lambda: not is_living(guard))
    fleet.until(fleet.has_fired)


def test_an_upgrade_puts_a_guard_of_the_new_code_in_place_and_the_switch_never_lapses(fleet: SwitchFleet) -> None:
    begin(fleet, heartbeat_timeout_s=30)  # a time-out of the venue that a busy machine does not miss
    guards = fleet.guards()
    done = fleet.run("upgrade")
    assert done.returncode == 0, done.stderr
    fleet.until(lambda: fleet.guards() not in ([], guards) and fleet.switch("one") == "account: armed", 60)
    fleet.quoting("one", "two", seconds=60)
    said = fleet.said()
    assert all(later_s < fires_s for (_, fires_s), (later_s, _) in pairwise(said)), said
