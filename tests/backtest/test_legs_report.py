"""What is told of a backtest with several legs: page, sums, table for people."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

from cli.backtest_table import table_of
from core.backtest.legs_report import legs_report_of
from core.backtest.result import BacktestResult
from core.backtest.together import held_open
from tests.backtest.legs_parts import hedged


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return hedged(5, {}, 1500)


def facts_of(result: BacktestResult) -> dict[str, Any]:
    return {"bot": "a<b>", "symbol": "SYN-USDT + SYN-PERP", **result.to_plain()}


def test_the_page_has_a_section_for_each_leg_and_the_sum_and_needs_nothing_from_elsewhere(
    result: BacktestResult,
) -> None:
    page = legs_report_of(result, facts_of(result))
    assert not re.search(r"https?://|<script|<link|<img|src=|@import|url\(", page)
    charts = [ElementTree.fromstring(chart) for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert len(charts) == 3 + 4 * 2
    titles = [chart.get("aria-label") for chart in charts]
    assert titles[:3] == ["Net profit of all legs, USDT", "Exposure, SYN", "Drawdown of all legs, USDT"]
    for leg, chart in zip(result.legs, (charts[3], charts[7]), strict=True):
        assert chart.get("aria-label") == f"{leg.leg.leg}: Price, our best quotes and fills"
        marks = [path for path in chart.iter("path") if path.get("class") in ("buy", "sell")]
        assert len(marks) == len(leg.record.fills) > 5
        assert f"{leg.leg.leg}: {leg.leg.symbol} on {leg.leg.exchange}" in page
    assert str(result.summary["net_pnl"]) in page
    assert "hedge latency ms p50" in page and "{&#" not in page
    assert "a&lt;b&gt;" in page and "<b>" not in page
    assert page == legs_report_of(result, facts_of(result))


def test_people_are_told_of_each_leg_of_all_together_and_what_the_strategy_counted(result: BacktestResult) -> None:
    facts = {**facts_of(result), "ended": "why"}
    lines = table_of(facts)
    assert "ended before the data: why" in lines[1]
    assert lines[2].split() == ["maker", "hedge", "all"]
    fills = next(line for line in lines if line.startswith("  fills "))
    assert fills.split()[1:] == [*(str(leg["fills"]) for leg in facts["legs"]), str(facts["fills"])]
    assert any(line.startswith("  exposure, SYN") for line in lines)
    assert any(line.startswith("  hedges ") for line in lines)


def test_what_is_held_for_no_time_is_not_open_and_the_mean_is_by_time() -> None:
    times = np.array([0, 10, 10, 40, 50], dtype=np.int64)
    assert held_open(times, np.array([0.0, 99.0, -2.0, 1.0, 7.0])) == (2.0, (2 * 30 + 1 * 10) / 50)
    assert held_open(times[:1], np.array([5.0])) == (0.0, 0.0)
    assert held_open(times[:0], np.array([])) == (0.0, 0.0)


def test_figures_in_groups_of_groups_have_lines_of_their_own(result: BacktestResult) -> None:
    nested = {"net_delta": 1, "legs": {"main": {"sigma": 2, "why": None}, "leg2": {"sigma": 3}}}
    facts = {**facts_of(result), "strategy": nested}
    lines = [" ".join(line.split()) for line in table_of(facts)]
    assert {"net delta 1", "legs main sigma 2, why -", "legs leg2 sigma 3"} <= set(lines)
    assert "<th>legs leg2 sigma</th><td>3</td>" in legs_report_of(result, facts)
