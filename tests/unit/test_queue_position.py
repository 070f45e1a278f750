"""Where an order stands in its queue: the golden sequences, and the laws of every model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.queue_position import QUEUE_MODELS, QueueModel, QueuePosition
from tests.golden_parts import golden

QUEUES = golden("fills")["queue"]
models = st.builds(QueueModel, st.sampled_from(sorted(QUEUE_MODELS)), st.floats(0.5, 5))
events = st.lists(st.tuples(st.sampled_from(["trade", "depth"]), st.integers(0, 30)), max_size=30)


def model_of(row: dict[str, Any]) -> QueueModel:
    return QueueModel(row["model"], row["n"] or 1.0)


@pytest.mark.parametrize("row", QUEUES, ids=lambda row: f"{row['model']}-{row['n']}")
def test_golden_queue_is_met_after_each_event(row: dict[str, Any]) -> None:
    model, position, remaining = model_of(row), QueuePosition(row["level_qty"]), row["order_qty"]
    for step in row["steps"]:
        filled = 0.0
        if step["event"] == "trade":
            position, filled = position.after_trade(step["args"][0], remaining)
            remaining -= filled
        else:
            position = position.after_level(*step["args"], model)
        assert position.front == pytest.approx(step["front"], rel=1e-12, abs=1e-12)
        assert (filled, remaining) == pytest.approx((step["filled"], step["remaining"]), abs=1e-12)


def test_every_model_has_a_golden_queue() -> None:
    assert {row["model"] for row in QUEUES} == set(QUEUE_MODELS)


@given(st.integers(0, 40), events, models)
def test_front_never_rises_or_goes_below_nought_and_risk_averse_is_the_last_to_move(
    level: int, rows: list[tuple[str, int]], model: QueueModel
) -> None:
    careful = QueueModel("risk_averse")
    position = worst = QueuePosition(float(level))
    for kind, size in rows:
        before = position.front
        if kind == "trade":
            position, worst = position.after_trade(size, 5.0)[0], worst.after_trade(size, 5.0)[0]
        else:
            position, worst = position.after_level(level, size, model), worst.after_level(level, size, careful)
            level = size
        assert 0 <= position.front <= before
        assert worst.front >= position.front - 1e-9


@given(st.floats(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 20), models)
def test_position_is_that_of_the_whole_formula(
    front: float, before: int, now: int, traded: int, model: QueueModel
) -> None:
    left, back = before - now - traded, max(before - front, 0.0)
    share = model.behind(front, back)
    whole = front - (1 - share) * left + min(back - share * left, 0.0) if left >= 0 else front
    found = QueuePosition(front, traded).after_level(before, now, model)
    assert found.front == pytest.approx(max(0.0, min(whole, now)), abs=1e-9)
    assert found.traded == 0


@given(st.floats(0, 50), st.floats(0, 50), models)
def test_share_behind_us_is_a_share(front: float, back: float, model: QueueModel) -> None:
    assert 0 <= model.behind(front, back) <= 1


@given(st.floats(0, 30), st.floats(0, 60), st.floats(0, 10))
def test_a_trade_fills_what_it_has_beyond_the_front_and_no_more_than_is_left(
    front: float, size: float, remaining: float
) -> None:
    _, filled = QueuePosition(front).after_trade(size, remaining)
    assert 0 <= filled <= remaining
    assert filled == 0 or filled <= size - front


@pytest.mark.parametrize(("name", "n"), [("magic", 1.0), ("power", 0.0), ("power", -1.0)])
def test_a_model_that_is_none_is_refused(name: str, n: float) -> None:
    with pytest.raises(ValueError):
        QueueModel(name, n)
