"""Backtests of a group: the shipped perpetual and a future that is made from it, on one clock."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.backtest.run import run_backtest
from tests.unit.test_docs import ROOT, load
from utils.home import Home

PERP = "slice20s_binance_usdm_btcusdt_20240808.csv.gz"
TEMPLATE = ROOT / "config" / "templates" / "paper_avellaneda_stoikov_group.json"
LIMITS = {"main": Decimal("0.02"), "leg2": Decimal("0.02")}
GROUP_LIMIT = Decimal("0.02")  # of ten times as much 0.03 would be used
# A small group that is soon full, whose orders are often met.
TIGHT = {
    "instruments": [
        {"symbol": "BTC-PERP", "max_position": float(LIMITS["main"])},
        {"symbol": "BTC-27DEC30", "max_position": float(LIMITS["leg2"]), "weight": 0.5},
    ],
    "group_max_position": float(GROUP_LIMIT), "order_size": 0.02, "interval_s": 0.25, "rebalance_cooldown_s": 5,
}  # fmt: skip
SIGN = {"buy": 1, "sell": -1}
Run = Callable[[], tuple[dict[str, Any], list[dict[str, str]]]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what plays the group over data of both legs, and gives statistics and fills."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.make_folders()
    load("make_future_events").make_future(ROOT / "data" / "recordings" / PERP, "BTC-27DEC30", home.data / "f.events")

    def play() -> tuple[dict[str, Any], list[dict[str, str]]]:
        plain = json.loads(TEMPLATE.read_text())
        plain["strategy_config"] |= TIGHT
        plain["exchange_config"] |= {"fill_model": "queue"}
        told = home.data / "fills.csv"
        span = {"files": [f"main={PERP}", "leg2=f.events"], "engine": "python", "fills": str(told)}
        return run_backtest(home, plain, "the test", span, None), list(csv.DictReader(told.read_text().splitlines()))

    return play


@pytest.fixture(scope="module")
def once(run: Run) -> tuple[dict[str, Any], list[dict[str, str]]]:
    return run()


def held_after(fills: list[dict[str, str]]) -> list[dict[str, Decimal]]:
    """Return what each leg held after each fill, in base."""
    found = [{leg: Decimal(0) for leg in LIMITS}]
    for one in fills:
        now = dict(found[-1])
        now[one["leg"]] += SIGN[one["side"]] * Decimal(one["size"])
        found.append(now)
    return found


def test_both_legs_trade_on_one_clock_and_no_limit_is_ever_passed(once: Any) -> None:
    told, fills = once
    moments = held_after(fills)
    assert all(leg["fills"] > 5 for leg in told["legs"])
    stamps = [int(one["venue_ns"]) for one in fills]
    assert stamps == sorted(stamps)
    assert all(abs(one[leg]) <= limit for one in moments for leg, limit in LIMITS.items())
    deltas = [abs(sum(one.values())) for one in moments]
    assert GROUP_LIMIT / 2 <= max(deltas) <= GROUP_LIMIT
    assert Decimal(str(told["strategy"]["net_delta"])) == sum(moments[-1].values())
    assert Decimal(told["net_pnl"]) == sum(Decimal(leg["net_pnl"]) for leg in told["legs"])


def test_the_same_data_give_the_same_fills(once: Any, run: Run) -> None:
    again = run()
    assert again[1] == once[1]
    assert again[0]["fills_sha256"] == once[0]["fills_sha256"]


def test_the_future_that_is_made_follows_the_perpetual_at_its_basis(once: Any) -> None:
    perp, future = (once[0]["strategy"]["legs"][leg] for leg in LIMITS)
    assert (perp["source"], future["source"]) == ("as", "as")
    assert float(future["reference_ticks"]) == pytest.approx(float(perp["reference_ticks"]) * 1.0025, rel=1e-4)
