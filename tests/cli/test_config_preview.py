"""`config preview`: what a bot would do first and could come to; nothing is sent, nothing of it is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import api.paper_client  # noqa: F401
from core.process.preview import preview as preview_of
from core.registry.config_manager import load_file
from tests.cli.config_parts import ok, refused
from tests.cli.conftest import Run
from tests.console_parts import config, write_config
from utils.home import CHECKOUT, Home

pytestmark = pytest.mark.usefixtures("recordings")
TEMPLATES = CHECKOUT / "config" / "templates"
MAKER = {"symbol": "SOL-USDC", "order_size_quote": 75, "spread_pct": 0.1, "layers": 3}


def preview(run: Run, which: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ok(run("config", "preview", which, "--json")))
    return found


def test_the_first_orders_are_those_of_each_layer(run: Run, home: Home) -> None:
    write_config(home, config(strategy_config=MAKER, exchange_config={"initial_balances": {"USDC": 5000, "SOL": 30}}))
    found = preview(run, "sol-mm")
    assert [order["side"] for order in found["orders"]] == ["buy"] * 3 + ["sell"] * 3
    assert all((order["from_mid_bps"] < 0) == (order["side"] == "buy") for order in found["orders"])
    prices = [float(order["price"]) for order in found["orders"] if order["side"] == "buy"]
    assert prices == sorted(prices, reverse=True)


def test_nothing_of_the_bot_is_touched(run: Run, home: Home) -> None:
    path = write_config(home, config())
    before = path.read_bytes()
    preview(run, "sol-mm")
    assert path.read_bytes() == before
    assert not (home.state / "sol-mm").exists()
    assert not (home.state / "paper").exists()


def test_a_position_limit_bounds_what_it_can_hold_and_a_loss_limit_what_it_can_lose(run: Run, home: Home) -> None:
    write_config(home, config(risk_config={"max_position": 2, "max_loss": 30}))
    full = preview(run, "sol-mm")["full"]["long"]
    assert float(full["size"]) == 2
    assert full["worst_loss"] == "30"
    assert float(full["loss_at_move_pct"]["10"]) == pytest.approx(float(full["value"]) / 10)


def test_a_skew_moves_the_quotes_against_what_is_held(run: Run, home: Home) -> None:
    text = (TEMPLATES / "paper_perp_market_maker.json").read_text()
    plain = json.loads(text)
    plain["strategy_config"]["inventory_skew"] = 1
    write_config(home, plain)
    full = preview(run, plain["metadata"]["name"])["full"]
    assert full["long"]["shift_bps"] < 0 < full["short"]["shift_bps"]
    assert float(full["long"]["margin"]) > 0
    assert full["short"]["liquidation_price"] is not None


@pytest.mark.parametrize("template", sorted(path.stem for path in TEMPLATES.glob("paper_*.json")))
def test_every_paper_template_can_be_looked_at(home: Home, template: str) -> None:
    found = preview_of(load_file(TEMPLATES / f"{template}.json", home, {}), home.data_dirs)
    assert {order["side"] for order in found["orders"]} == {"buy", "sell"}
    assert found["full"]["long"] is not None


def test_people_get_a_table_and_what_being_full_comes_to(run: Run) -> None:
    shown = ok(run("config", "preview", str(TEMPLATES / "paper_perp_grid_strategy.json")))
    for word in ("from mid", "full long: ", "worst case: ", "margin ", "worst_case_loss: "):
        assert word in shown


def test_a_bot_that_waits_says_that_it_would_place_nothing(run: Run, home: Home) -> None:
    write_config(home, config(risk_config={"max_spread_bps": 0.0001}))
    assert "no order now (gates: spread)" in ok(run("config", "preview", "sol-mm"))


def test_what_is_not_valid_or_no_bot_is_refused(run: Run, home: Home, tmp_path: Path) -> None:
    write_config(home, config(strategy_config={**MAKER, "layers": 0}))
    assert "expected a whole number from 1 to 50" in refused(run("config", "preview", "sol-mm"))
    assert "no bot is named" in refused(run("config", "preview", "nobody"))
    assert "is a job" in refused(run("config", "preview", str(TEMPLATES / "job_heartbeat.json")))


def test_a_hedged_maker_shows_its_quotes_and_where_they_are_hedged(run: Run, home: Home) -> None:
    write_config(home, json.loads((TEMPLATES / "paper_maker_taker_hedge.json").read_text()))
    found = preview(run, "paper-maker-taker-hedge")
    assert [order["side"] for order in found["orders"]] == ["buy", "sell"]
    assert found["hedge"] == {"exchange": "paper:b", "symbol": "SOL-USDC"}
    assert "hedged with SOL-USDC on paper:b" in ok(run("config", "preview", "paper-maker-taker-hedge"))
