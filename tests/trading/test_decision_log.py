"""The log of decisions: which ones, what is in a line, and that nothing is noted while it is off."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.commands import Quote
from core.market.order import Side
from core.trading.decision_log import is_sampled
from tests.trading.scripted_venue import ScriptedVenue
from tests.trading.workbench import BOTH, Bench


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "makerd.strategy")


def decisions(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    records = [record for record in caplog.records if record.message == "decision"]
    assert {record.name for record in records} <= {"makerd.strategy"}
    return [vars(record)["fields"] for record in records]


def test_a_line_tells_what_was_seen_wanted_and_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path, decision_log="all")
    bench.run(1)
    first = decisions(caplog)[0]
    ids = {order.slot: key for key, order in bench.venue.open_orders.items()}
    to_price, to_size = bench.venue.instrument.to_price, bench.venue.instrument.to_size
    assert first["legs"] == [
        {
            "leg": "main",
            "bid": str(to_price(9_999)),
            "ask": str(to_price(10_001)),
            "mid": str(to_price(10_000)),
            "position": str(to_size(0)),
            "open_orders": 0,
            "wanted": [
                [f"{q.side.value}.0", q.side.value, str(to_price(q.price_ticks)), str(to_size(10))] for q in BOTH
            ],
            "denied": [],
        }
    ]
    assert (first["cycle"], first["cause"], first["gates"]) == (1, "own", [])
    assert sorted(first["placed"]) == sorted(ids.values())
    assert first["cancelled"] == []


def test_every_order_is_placed_and_cancelled_in_one_line_whenever_it_was_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, decision_log="all", interval_s=5.0)
    for step in range(4):  # each move cancels both, and the freed slots are filled between two decisions
        bench.strategy.wanted = tuple(dataclasses.replace(q, price_ticks=q.price_ticks - 50 * step) for q in BOTH)
        bench.run(5)
    bench.run(10)
    lines = decisions(caplog)
    placed = [key for line in lines for key in (*line["placed_before"], *line["placed"])]
    cancelled = [key for line in lines for key in (*line["cancelled_before"], *line["cancelled"])]
    assert len(placed) == len(set(placed)) == 8
    assert set(placed) - set(cancelled) == set(bench.venue.open_orders)
    assert any(line["placed_before"] for line in lines)


def test_what_the_limits_deny_and_the_gates_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path, decision_log="all", risk={"price_ceiling": 0.01, "price_floor": 10**9})
    bench.run(3)
    assert decisions(caplog)[-1]["legs"][0]["denied"] == ["price_ceiling", "price_floor"]
    assert decisions(caplog)[-1]["gates"] == ["withheld"]


def test_by_default_nothing_is_logged_or_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path)
    bench.run(5)
    assert decisions(caplog) == []
    assert bench.loop._bot.sent_ids is None


def test_the_mode_can_change_while_the_bot_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path, decision_log="all")
    bench.run(2)
    bench.loop._bot.settings = dataclasses.replace(bench.settings, decision_log="off")
    logged = len(decisions(caplog))
    bench.run(5)
    assert len(decisions(caplog)) == logged > 0
    assert bench.loop._bot.sent_ids is None


def test_the_sample_is_the_same_in_every_run_and_is_what_the_cycle_numbers_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name, decision_log="sampled")
        bench.run(100)
        runs.append([line["cycle"] for line in decisions(caplog)])
        caplog.clear()
        leg = bench.loop._bot.legs[0].leg
    seed = f"{leg.exchange}/{leg.account}/{leg.symbol}"
    assert runs[0] == runs[1] == [cycle for cycle in range(1, 101) if is_sampled(seed, cycle, 0.05)]
    assert 0 < len(runs[0]) < 20


@given(st.text(max_size=20), st.integers(min_value=0, max_value=10**12))
def test_a_larger_rate_only_adds_to_the_sample(seed: str, cycle: int) -> None:
    picked = [is_sampled(seed, cycle, rate) for rate in (0.0, 0.05, 0.5, 1.0)]
    assert picked == sorted(picked)
    assert picked[0] is False
    assert picked[3] is True


def test_one_decision_in_twenty_is_sampled() -> None:
    assert 900 < sum(is_sampled("paper/a/SOL-USDC", cycle, 0.05) for cycle in range(20_000)) < 1100


def test_the_hash_of_a_view_changes_with_touch_position_and_orders_and_with_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, ScriptedVenue(), decision_log="all")
    bench.run(4)
    bench.venue.fill(bench.order_id("buy.0"), 4)
    bench.run(4)
    bench.feed = (9_998, 10_002)
    bench.run(4)
    views = [line["view"] for line in decisions(caplog)]
    assert all(len(view) == 8 for view in views)
    distinct = list(dict.fromkeys(views))
    assert len(distinct) >= 4  # nothing rests yet; both rest; one is partly filled; the touch moved
    assert views[2] == views[3] == distinct[1]


def test_the_hash_is_the_same_in_another_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path, decision_log="all")
    bench.strategy.wanted = (Quote(Side.BUY, 9_990, 10),)
    bench.run(1)
    assert decisions(caplog)[0]["view"] == "f816c412"
