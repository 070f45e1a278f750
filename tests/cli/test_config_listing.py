"""`config list` and `config schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import api.paper_client  # noqa: F401  # the child that asks the venue is forked, and has it then
from core.registry.drift import drift_of
from tests.cli.config_parts import ok, refused
from tests.cli.conftest import Run
from tests.console_parts import Daemon, config, row, write_config
from utils.home import Home


@pytest.fixture
def bot(home: Home) -> Path:
    return write_config(home, config(risk_config={"max_loss": 100}))


def entry(home: Home, run: Run, name: str) -> dict[str, Any]:
    return next(one for one in json.loads(ok(run("config", "list", "--json"))) if one["name"] == name)


def test_list_tells_what_is_valid_and_what_is_wrong(run: Run, home: Home, bot: Path) -> None:
    write_config(home, config("bad", risk_config={"max_los": 1}), "bad.json")
    assert (entry(home, run, "sol-mm")["valid"], entry(home, run, "sol-mm")["state"]) == (True, "STOPPED")
    bad = entry(home, run, "bad")
    assert bad["valid"] is False
    assert "nearest known key: max_loss" in bad["complaints"][0]
    shown = ok(run("config", "list"))
    assert "  sol-mm is in config/active/a.json" in shown
    assert "  config/active/bad.json:" in shown
    assert "paper_market_maker_synthetic" in shown


def test_list_compares_the_file_with_what_runs(run: Run, daemon: Daemon, home: Home, bot: Path) -> None:
    digest = next(one for one in _verdict(run)["bots"] if one["name"] == "sol-mm")["digest"]
    daemon.bots = [row(name="sol-mm", config_digest=digest), row(name="lost")]
    assert (entry(home, run, "sol-mm")["state"], entry(home, run, "sol-mm")["drift"]) == ("RUNNING", "none")
    assert (entry(home, run, "lost")["where"], entry(home, run, "lost")["drift"]) == ("daemon", "gone")
    ok(run("config", "set", "sol-mm", "layers=5", "--yes"))
    assert entry(home, run, "sol-mm")["drift"] == "changed"
    bot.write_text(bot.read_text().replace("5", "-5"))
    assert entry(home, run, "sol-mm")["drift"] == "invalid"


def _verdict(run: Run) -> dict[str, Any]:
    from core.door_services import DoorServices

    return DoorServices().validate(Home.find())


RUNS, RESTS = row(config_digest="d"), row(pid=None, config_digest=None)


@pytest.mark.parametrize(
    ("digest", "found", "daemon_runs", "drift"),
    [
        ("d", RUNS, True, "none"),
        ("e", RUNS, True, "changed"),
        (None, RUNS, True, "invalid"),
        ("d", row(config_digest=None), True, None),
        ("d", RESTS, True, None),
        (None, RESTS, True, None),
        ("d", None, True, "new"),
        (None, None, True, None),
        ("d", None, False, None),
    ],
)
def test_the_drift_of_a_file(digest: str | None, found: Any, daemon_runs: bool, drift: str | None) -> None:
    assert drift_of(digest, found, daemon_runs) == drift


def test_schema_prints_all_or_one_also_as_tables(run: Run) -> None:
    assert {"bot", "risk", "exchanges/paper", "daemon_file"} <= set(json.loads(ok(run("config", "schema"))))
    assert json.loads(ok(run("config", "schema", "paper")))["title"] == "paper"
    assert "## strategy_config: market_maker" in ok(run("config", "schema", "market_maker", "--markdown"))
    assert "did you mean 'risk'" in refused(run("config", "schema", "risks"))
