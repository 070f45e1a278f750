"""Warming a kind of bot loads its code; whether a config fits its market is not the warm-up's to judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.process.build import warm_up
from core.registry.config_manager import load_file
from utils.home import CHECKOUT, Home

TEMPLATES = ("paper_grid_strategy", "paper_perp_grid_strategy")


def example(template: str, tmp_path: Path, **strategy_config: Any) -> dict[str, Any]:
    """Return what the zygote is sent for a bot like a template."""
    home = Home(tmp_path)
    config = load_file(CHECKOUT / "config" / "templates" / f"{template}.json", home, {}).to_plain()
    config["strategy_config"] = {**config["strategy_config"], **strategy_config}
    return {"config": config, "data_dirs": [str(folder) for folder in home.data_dirs]}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_grid_is_warmed_on_its_own_prices(template: str, tmp_path: Path) -> None:
    warm_up(example(template, tmp_path))


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_grid_of_a_live_venue_is_warmed_although_made_up_prices_do_not_fit_it(template: str, tmp_path: Path) -> None:
    plain = example(template, tmp_path)
    plain["config"]["exchange"] = "backpack"
    plain["config"]["legs"][0]["exchange"] = "backpack"
    plain["config"]["exchange_config"] = {"mode": "live"}
    warm_up(plain)


def test_both_legs_of_a_live_venue_are_warmed_each_on_an_embedded_venue_of_its_own(tmp_path: Path) -> None:
    plain = example("paper_maker_taker_hedge", tmp_path)
    plain["config"]["exchange"] = "backpack"
    for leg in plain["config"]["legs"]:
        leg["exchange"] = "backpack"
    for section in ("exchange_config", "hedge_exchange_config"):
        plain["config"][section] = {"mode": "live"}
    warm_up(plain)


def test_a_group_of_a_live_venue_is_warmed_with_its_instruments(tmp_path: Path) -> None:
    plain = example("paper_avellaneda_stoikov_group", tmp_path)
    plain["config"]["exchange"] = "thalex"
    for leg in plain["config"]["legs"]:
        leg["exchange"] = "thalex"
    plain["config"]["exchange_config"] = {"mode": "live"}
    warm_up(plain)


def test_a_grid_that_its_market_refuses_does_not_spoil_its_kind(tmp_path: Path) -> None:
    lines = {"auto_range": False, "lower": 60_000, "upper": 60_001, "grid_num": 500}
    warm_up(example("paper_grid_strategy", tmp_path, **lines))
