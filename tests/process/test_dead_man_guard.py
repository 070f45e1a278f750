"""One dead-man switch for a whole account: kept alive by a guard while every bot of it is fresh or swept."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
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
    fleet.moor("one", "SOL-USDC", 0.1, heartbeat_timeout_s=4)
    fleet.moor("two", "BTC-USDT", 0.001, heartbeat_timeout_s=4)
    fleet.start()
    yield fleet
    for path in fleet.home.root.glob("down-*"):
        path.unlink()
    fleet.end()


def test_the_switch_is_armed_before_a_bot_quotes_outlives_its_guard_and_is_disarmed_by_a_stop(
    fleet: SwitchFleet,
) -> None:
    fleet.quoting("one", "two")
    assert fleet.switch("one") == fleet.switch("two") == "account: armed"
    (guard,) = fleet.guards()
    os.kill(guard, signal.SIGKILL)
    before = len(fleet.said())
    fleet.until(lambda: fleet.guards() not in ([], [guard]) and len(fleet.said()) > before + 1)
    assert all(fires for _, fires in fleet.said())
    done = fleet.run("stop")
    assert done.returncode == 0, done.stderr
    assert fleet.said()[-1][1] == 0, "disarmed"


def test_a_stopped_bot_lets_the_switch_lapse_until_its_sweep_is_confirmed(fleet: SwitchFleet) -> None:
    fleet.quoting("one", "two")
    harbour = fleet.close_harbour("two")
    os.kill(fleet.bot("two")["pid"], signal.SIGSTOP)
    fleet.until(fleet.has_fired, 60)
    lapsed = len(fleet.said())
    fleet.until(lambda: "two is SWEEPING and not swept" in fleet.switch("one"), 60)
    fleet.until(lambda: fleet.bot("one")["gates"] == ["dead_man"] and fleet.bot("one")["open_orders"] == 0)
    assert len(fleet.said()) == lapsed, "nothing refreshes it meanwhile"
    harbour.unlink()
    call(fleet.home, "restart", {"names": ["two"]})  # its sweep, which pauses longer each time, is tried at once
    fleet.until(lambda: len(fleet.said()) > lapsed, 60)
    fleet.quoting("one", "two", seconds=60)
    told = [json.loads(line) for line in fleet.run("events", "--kind", "dead_man", "--json").stdout.splitlines()]
    assert [(row["to"], row["alert"]) for row in told] == [("armed", None), ("lapsed", "dead_man"), ("armed", None)]
    assert told[1]["reason"] == "two is SWEEPING and not swept"


def test_a_killed_supervisor_takes_the_guard_along_and_the_switch_lapses(fleet: SwitchFleet) -> None:
    fleet.quoting("one", "two")
    (guard,) = fleet.guards()
    os.kill(fleet.daemon_pid(), signal.SIGKILL)
    fleet.until(lambda: not is_living(guard))
    fleet.until(fleet.has_fired)
