"""A bad parameter file is told to a person once, for as long as it is bad."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.alert_parts import hook, lines
from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT

NAME = "by-file"
GOOD = {"version": 1, "symbol": "BTC-PERP", "unit": "relative", "kappa": 30_000}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "home")
    config = json.loads((CHECKOUT / "config" / "templates" / "paper_avellaneda_stoikov.json").read_text())
    config["metadata"]["name"] = NAME
    config["strategy_config"] |= {"params_file": "params.json", "params_refresh_s": 0.1}
    (made.home.active / f"{NAME}.json").write_text(json.dumps(config))
    yield made
    made.end()


def turns(fleet: Fleet) -> list[tuple[str, str | None, str]]:
    """Return how the file turned so far: into what, which alert, why."""
    text = (fleet.home.log / "events.jsonl").read_text()
    rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    found = [row for row in rows if (row["kind"], row["bot"]) == ("file", NAME)]
    assert {row["key"] for row in found} <= {"params_file"}
    return [(row["to"], row["alert"], row["reason"]) for row in found]


def test_a_bad_parameter_file_is_one_alert_until_it_is_good_again(fleet: Fleet, tmp_path: Path) -> None:
    told = tmp_path / "told"
    alerts = {"hook": hook(tmp_path, f"cat >> {told}"), "min_interval_s": 0}
    fleet.home.daemon_file.write_text(json.dumps({"alerts": alerts}))
    file = fleet.home.bot_state(NAME) / "params.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    fleet.start().until(lambda: turns(fleet))
    file.write_text("{{")  # bad in another way: no news
    fleet.until(lambda: fleet.bot(NAME)["stats"].get("cycles", 0) > 3)
    assert [turn[:2] for turn in turns(fleet)] == [("bad", "bad_file")]
    assert "JSON" in turns(fleet)[0][2]
    file.write_text(json.dumps(GOOD | {"generated_at": time.time()}))
    fleet.until(lambda: len(turns(fleet)) == 2)
    file.unlink()
    fleet.until(lambda: len(turns(fleet)) == 3)
    assert [turn[:2] for turn in turns(fleet)] == [("bad", "bad_file"), ("good", None), ("bad", "bad_file")]
    fleet.until(lambda: len(lines(told)) == 2)
    assert [row["alert"] for row in lines(told)] == ["bad_file", "bad_file"]
