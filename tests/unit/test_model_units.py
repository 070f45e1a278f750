"""Units of price, bounds of the spread, and horizons."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.avellaneda import ModelQuote, as_quote
from core.market.blending import blended
from core.market.horizon import Horizon
from core.market.model_units import (
    base_spread_complaint,
    clamp_spread,
    lowest_spread_ticks,
    sigma_ticks,
    ticks_per_unit,
)

SECOND, HOUR, DAY = 10**9, 3600 * 10**9, 86_400 * 10**9
MONDAY = 20_000 * DAY


@pytest.mark.parametrize(("unit", "scale"), [("relative", 1_000_000.0), ("ticks", 1.0), ("quote", 10.0)])
def test_a_unit_is_so_many_ticks(unit: str, scale: float) -> None:
    assert ticks_per_unit(unit, 1_000_000.0, 0.1) == pytest.approx(scale)


def test_an_unknown_unit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="relative, ticks, quote"):
        ticks_per_unit("percent", 100.0, 0.1)


@given(st.floats(0.01, 1), st.floats(100, 2000), st.floats(1e-5, 1e-3), st.floats(-1, 1))
def test_relative_parameters_give_the_same_quote_worked_out_in_ticks(
    gamma: float, kappa: float, sigma: float, q: float
) -> None:
    mid = 97_000.5
    scale = ticks_per_unit("relative", mid, 0.1)
    in_ticks = as_quote(mid, q, gamma / scale, kappa / scale, sigma_ticks(sigma, mid), 60.0)
    relative = as_quote(1.0, q, gamma, kappa, sigma, 60.0)
    assert in_ticks.bid == pytest.approx(relative.bid * mid, rel=1e-12)
    assert in_ticks.ask == pytest.approx(relative.ask * mid, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "gamma", "kappa", "fault"),
    [
        ("relative", 1.0, 1000.0, None),
        ("relative", 0.1, 1.5, "beyond 20 %"),  # the pair of the unit `quote`
        ("quote", 0.1, 1.5, None),
        ("quote", 1.0, 1000.0, "less than one"),  # the pair of the unit `relative`
        ("ticks", 0.1, 1.5, None),
    ],
)
def test_parameters_of_another_unit_are_noticed(unit: str, gamma: float, kappa: float, fault: str | None) -> None:
    complaint = base_spread_complaint(unit, gamma, kappa, 15_000.0, 0.01)
    assert (complaint is None) if fault is None else (fault in (complaint or ""))


@given(st.floats(1, 100), st.floats(0, 50), st.floats(50, 200))
def test_clamped_spread_is_within_its_bounds_around_the_same_price(spread: float, low: float, high: float) -> None:
    quote = ModelQuote(1000 - spread / 2, 1000 + spread / 2, 1000.0, spread)
    clamped = clamp_spread(quote, low, high)
    assert clamped.spread == min(max(spread, low), high)
    assert clamped.reservation == 1000.0
    assert clamped.ask - clamped.bid == pytest.approx(clamped.spread)


def test_least_spread_is_the_wider_of_the_configured_one_and_what_fees_ask_for() -> None:
    assert lowest_spread_ticks(10_000.0, 10.0, 2.0, 1.0, 1.2) == pytest.approx(10.0)
    assert lowest_spread_ticks(10_000.0, 3.0, 2.0, 1.0, 1.2) == pytest.approx(6.0)
    assert lowest_spread_ticks(10_000.0, 3.0, -1.0, 0.0, 1.2) == pytest.approx(3.0)  # a rebate asks for nothing


def test_infinite_horizon_is_the_same_at_any_time() -> None:
    horizon = Horizon("infinite", 1800.0)
    assert horizon.tau_s(0) == horizon.tau_s(MONDAY + 7) == 1800.0
    assert horizon.left_s(MONDAY) is None


def test_finite_horizon_counts_down_to_its_least_and_ends() -> None:
    horizon = Horizon("finite", 3600.0, tau_min_s=60.0)
    began = MONDAY
    assert horizon.tau_s(began, began) == 3600.0
    assert horizon.tau_s(began + 3000 * SECOND, began) == 600.0
    assert horizon.tau_s(began + 3599 * SECOND, began) == 60.0
    assert horizon.tau_s(began + HOUR, began) is None


@pytest.mark.parametrize(
    ("start", "end", "hour", "tau_hours"),
    [
        (8, 16, 8, 8),
        (8, 16, 15, 1),
        (8, 16, 16, None),
        (8, 16, 7, None),
        (22, 2, 23, 3),
        (22, 2, 1, 1),
        (22, 2, 3, None),
    ],
)
def test_daily_session_ends_each_day_and_may_span_midnight(
    start: int, end: int, hour: int, tau_hours: int | None
) -> None:
    horizon = Horizon("daily", session_start_s=start * 3600, session_end_s=end * 3600)
    tau_s = horizon.tau_s(MONDAY + hour * HOUR)
    assert tau_s == (None if tau_hours is None else tau_hours * 3600)


def test_daily_session_of_a_whole_day_starts_anew_at_its_start() -> None:
    horizon = Horizon("daily", session_start_s=3600, session_end_s=3600)
    assert horizon.tau_s(MONDAY + HOUR) == 86_400
    assert horizon.tau_s(MONDAY + HOUR - SECOND) == 60.0


@pytest.mark.parametrize(
    "wrong", [{"kind": "weekly"}, {"horizon_s": 0.0}, {"tau_min_s": -1.0}, {"session_start_s": 86_400}]
)
def test_what_is_no_horizon_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Horizon(**wrong)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_blended_value_lies_between_both_and_within_its_factor(old: float, new: float) -> None:
    value = blended(old, new, 0.3, 2.0)
    assert min(old, new) * (1 - 1e-12) <= value <= max(old, new) * (1 + 1e-12)
    assert old * 0.85 * (1 - 1e-12) <= value <= old * 1.3 * (1 + 1e-12)
    assert blended(None, new) == new
