"""A position over a stop and a start, on real processes and the paper venue: closed as the config says, else kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.process.command_parts import BUSY
from tests.process.fleet_parts import Fleet

# Quotes far away: what is flat stays flat.
FAR = {**BUSY["strategy_config"], "spread_pct": 4, "price_tolerance_pct": 50}
SECTIONS = {name: BUSY[name] for name in ("exchange_config", "risk_config")}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A daemon with a bot that closes when it is stopped, and one that does not."""
    fleet = Fleet(tmp_path_factory.mktemp("pair") / "home")
    fleet.add("closes", **SECTIONS, strategy_config={**BUSY["strategy_config"], "on_stop": "close_position"})
    fleet.add("keeps", **SECTIONS, strategy_config=BUSY["strategy_config"])
    try:
        yield fleet.start()
    finally:
        fleet.end()


def position(fleet: Fleet, name: str) -> Decimal:
    return Decimal(fleet.bot(name)["position"])


def is_dust(held: Decimal) -> bool:
    """Tell whether a position is flat, or worth less than the smallest order."""
    return abs(held) * 150 < 6


def holding(fleet: Fleet, name: str) -> None:
    fleet.until(lambda: fleet.bot(name)["state"] == "RUNNING" and not is_dust(position(fleet, name)), 60)


def log_of(fleet: Fleet, name: str) -> str:
    return (fleet.home.log / f"{name}.log").read_text()


def closes_told(fleet: Fleet, name: str) -> list[bool]:
    """Return of each worker that has ended whether it ended flat, as it was to."""
    lines = map(json.loads, log_of(fleet, name).splitlines())
    return [line["closed"] for line in lines if line["event"] == "worker_ended"]


def test_a_bot_that_closes_when_it_is_stopped_keeps_its_position_over_a_restart_and_closes_it_at_the_stop(
    pair: Fleet,
) -> None:
    holding(pair, "closes")
    pid = pair.bot("closes")["pid"]
    assert pair.run("restart", "closes").returncode == 0
    pair.until(lambda: pair.bot("closes")["pid"] not in (None, pid) and pair.bot("closes")["state"] == "RUNNING")
    assert closes_told(pair, "closes") == [False]
    holding(pair, "closes")
    assert pair.run("bot", "stop", "closes").returncode == 0
    row: dict[str, Any] = pair.until(lambda: (row := pair.bot("closes"))["state"] == "STOPPED" and row)
    assert (row["closed"], row["open_orders"], is_dust(Decimal(row["position"]))) == (True, 0, True)
    assert closes_told(pair, "closes") == [False, True]


def test_a_position_that_was_kept_is_closed_by_a_start_that_is_to_and_the_bot_goes_on(pair: Fleet) -> None:
    holding(pair, "keeps")
    assert pair.run("bot", "stop", "keeps").returncode == 0
    row: dict[str, Any] = pair.until(lambda: (row := pair.bot("keeps"))["state"] == "STOPPED" and row)
    while is_dust(Decimal(row["position"])):  # it was just on its way through zero
        assert pair.run("bot", "start", "keeps").returncode == 0
        holding(pair, "keeps")
        assert pair.run("bot", "stop", "keeps").returncode == 0
        row = pair.until(lambda: (row := pair.bot("keeps"))["state"] == "STOPPED" and row)
    assert (pair.bot("keeps")["closed"], "startup_close" in log_of(pair, "keeps")) == (False, False)
    pair.add("keeps", **SECTIONS, strategy_config={**FAR, "startup_position": "close_all"})
    assert pair.run("reload").returncode == 0
    assert pair.run("bot", "start", "keeps").returncode == 0
    pair.quoting("keeps", seconds=60)
    assert is_dust(position(pair, "keeps"))
    assert "startup_close" in log_of(pair, "keeps")
