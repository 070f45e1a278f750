from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.backtest.charts import thinned
from core.backtest.report import report_of
from tests.backtest.backtest_parts import backtested
from tests.backtest.made_events import made_rows, span_of


def page_of(seed: int, steps: int, **facts: Any) -> tuple[str, Any]:
    result = backtested(span_of(made_rows(seed, steps)), {"touch_prob": 0.5})
    plain = {"bot": "a<b>", "symbol": "SYN-PERP", **result.to_plain(), **facts}
    return report_of(result, plain), result


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page, _ = page_of(3, 1200)
    assert not re.search(r"https?://|<script|<link|<img|src=|@import|url\(", page)


def test_every_chart_is_well_formed_and_each_fill_has_a_mark() -> None:
    page, result = page_of(3, 1200)
    charts = [ElementTree.fromstring(chart) for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert len(charts) == 4
    marks = [path for path in charts[0].iter("path") if path.get("class") in ("buy", "sell")]
    assert len(marks) == len(result.only.record.fills) > 5
    assert "a&lt;b&gt;" in page and "<b>" not in page


def test_what_is_told_of_the_profit_is_in_the_page_and_nothing_depends_on_the_hour() -> None:
    page, result = page_of(3, 1200)
    assert str(result.summary["net_pnl"]) in page
    again, _ = page_of(3, 1200)
    assert again == page


def test_a_run_without_a_fill_has_a_page_too() -> None:
    page, result = page_of(4, 3)
    assert not result.only.record.fills
    assert page.count("<svg") == 4


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=400), st.integers(4, 60))
def test_a_thinned_line_keeps_its_lows_and_highs(values: list[float], most: int) -> None:
    line = np.array(values)
    times, kept = thinned(np.arange(len(line)), line, most)
    assert len(times) <= max(2 * most + 2, len(line) if len(line) <= most else 0)
    if not np.isnan(line).all():
        assert np.nanmin(kept) == np.nanmin(line)
        assert np.nanmax(kept) == np.nanmax(line)
