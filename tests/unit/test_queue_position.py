from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.queue_position import QUEUE_MODELS, after_level, after_trade, reaching_lots
from tests.golden_parts import golden

VECTORS = golden("fills")["queue"]
SIZES = st.integers(0, 50)
EVENTS = st.lists(st.tuples(st.booleans(), SIZES), max_size=40)


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: f"{case['model']}-{case['n']}")
def test_published_queue_cases(case: dict[str, Any]) -> None:
    model, exponent = QUEUE_MODELS.index(case["model"]), float(case["n"] or 1)
    front, traded, remaining = float(case["level_qty"]), 0.0, float(case["order_qty"])
    for step in case["steps"]:
        if step["event"] == "trade":
            (size,) = step["args"]
            filled = min(float(reaching_lots(front, int(size))), remaining)
            front, traded = after_trade(front, size), traded + size
            remaining -= filled
        else:
            before, after = step["args"]
            front, traded = after_level(front, traded, before, after, model, exponent), 0.0
        assert math.isclose(front, step["front"], abs_tol=1e-9)
        assert remaining == step["remaining"]


def fronts(events: list[tuple[bool, int]], level: int, model: int, exponent: float) -> list[float]:
    """Return the front after each event: a trade that takes from the level, or a new size of it."""
    front, traded, size, found = float(level), 0.0, level, [float(level)]
    for is_trade, number in events:
        if is_trade:
            front, traded = after_trade(front, number), traded + number
        else:
            front, traded, size = after_level(front, traded, size, number, model, exponent), 0.0, number
        found.append(front)
    return found


@given(EVENTS, st.integers(0, 60), st.integers(0, len(QUEUE_MODELS) - 1), st.floats(0.5, 6))
def test_the_front_never_rises_and_is_never_negative(
    events: list[tuple[bool, int]], level: int, model: int, exponent: float
) -> None:
    found = fronts(events, level, model, exponent)
    assert all(later <= earlier for earlier, later in pairwise(found))
    assert min(found) >= 0


@given(EVENTS, st.integers(0, 60), st.integers(1, len(QUEUE_MODELS) - 1), st.floats(0.5, 6))
def test_no_model_has_more_before_us_than_the_risk_averse_one(
    events: list[tuple[bool, int]], level: int, model: int, exponent: float
) -> None:
    averse = fronts(events, level, 0, exponent)
    assert all(front <= most + 1e-9 for front, most in zip(fronts(events, level, model, exponent), averse, strict=True))


def test_what_a_print_reaches_us_with_is_rounded_to_whole_lots() -> None:
    assert [reaching_lots(front, 12) for front in (8.4, 8.5, 8.6, 11.5, 11.6, 12.0, 13.0)] == [4, 4, 3, 1, 0, 0, 0]
    assert reaching_lots(math.inf, 12) == 0


def test_a_front_that_is_a_whole_number_but_for_the_noise_of_floats_costs_no_lot() -> None:
    front = after_level(14.0, 0.0, 42.0, 15.0, QUEUE_MODELS.index("power3"), 3.0)  # exactly 13
    assert front > 13 and reaching_lots(front, 14) == 1


@given(st.floats(0, 60), SIZES)
def test_no_more_reaches_us_than_was_traded(front: float, size: int) -> None:
    assert 0 <= reaching_lots(front, size) <= size
    assert abs(reaching_lots(front, size) - max(0.0, size - front)) <= 0.5 + 1e-9
