"""Volatility per bar: the golden columns, bar by bar, and the laws of the estimators."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.bars import Bar, BarBuilder
from core.market.sigma_sampler import SigmaSampler, SigmaSettings
from core.market.volatility import (
    EwmaVolatility,
    ParkinsonVolatility,
    RealisedVolatility,
    Volatility,
    YangZhangVolatility,
)
from tests.golden_parts import golden, golden_bars, golden_rows

SECOND = 10**9
PARAMS = golden("ohlcv_params")
WINDOW = PARAMS["vol_period"]
MAKERS: dict[str, Callable[[], Volatility]] = {
    "ewma_vol": lambda: EwmaVolatility(PARAMS["ewma_lambda"]),
    "realised_vol": lambda: RealisedVolatility(WINDOW),
    "parkinson": lambda: ParkinsonVolatility(WINDOW),
    "yang_zhang": lambda: YangZhangVolatility(WINDOW),
}
bar_lists = st.lists(
    st.tuples(st.floats(50, 150), st.floats(0, 5), st.floats(0, 5), st.floats(0, 1)), min_size=30, max_size=60
)


def made_bars(rows: list[tuple[float, float, float, float]]) -> list[Bar]:
    bars = []
    for opened, up, down, at in rows:
        low, high = opened - down, opened + up
        bars.append(Bar(opened, high, low, max(low, min(high, low + at * (high - low)))))
    return bars


@pytest.mark.parametrize("column", list(MAKERS))
def test_golden_column_is_met_bar_by_bar(column: str) -> None:
    estimator = MAKERS[column]()
    for number, (bar, row) in enumerate(zip(golden_bars(), golden_rows("ohlcv_indicators"), strict=True)):
        estimator.update(bar)
        if row[column] == "":
            assert estimator.value is None, number
        else:
            assert estimator.value == pytest.approx(float(row[column]), rel=PARAMS["relative_tolerance"]), number


@pytest.mark.parametrize("column", list(MAKERS))
@given(bar_lists, st.floats(0.001, 1000))
def test_volatility_does_not_hang_on_the_unit_of_price(
    column: str, rows: list[tuple[float, float, float, float]], scale: float
) -> None:
    one, other = MAKERS[column](), MAKERS[column]()
    for bar in made_bars(rows):
        one.update(bar)
        other.update(Bar(*(price * scale for price in bar[:4])))
    assert one.value is not None
    assert other.value == pytest.approx(one.value, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("column", list(MAKERS))
@pytest.mark.parametrize("wrong", [math.nan, math.inf, 0.0, -1.0])
def test_a_bar_that_is_none_changes_nothing(column: str, wrong: float) -> None:
    estimator = MAKERS[column]()
    for bar in golden_bars()[:40]:
        estimator.update(bar)
    before = estimator.value
    estimator.update(Bar(wrong, wrong, wrong, wrong))
    assert estimator.value == before


@pytest.mark.parametrize("column", list(MAKERS))
def test_bars_that_do_not_move_have_no_volatility(column: str) -> None:
    estimator = MAKERS[column]()
    for _ in range(50):
        estimator.update(Bar(100.0, 100.0, 100.0, 100.0))
    assert estimator.value == 0


def test_halflife_is_what_it_says() -> None:
    estimator = EwmaVolatility.with_halflife(10)
    for close in [100.0, 110.0] + [110.0] * 10:
        estimator.update(Bar(close, close, close, close))
    assert estimator.value == pytest.approx(math.log(1.1) * math.sqrt(0.5))


@pytest.mark.parametrize(
    "make",
    [
        lambda: EwmaVolatility(1.0),
        lambda: EwmaVolatility.with_halflife(0),
        lambda: RealisedVolatility(0),
        lambda: YangZhangVolatility(1),
    ],
)
def test_windows_that_hold_nothing_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        make()


# bars made of prices


@given(st.lists(st.tuples(st.integers(0, 20 * SECOND), st.floats(1, 100)), min_size=1, max_size=40))
def test_bars_hold_their_prices_and_start_at_whole_intervals(steps: list[tuple[int, float]]) -> None:
    builder, now_ns, bars, taken = BarBuilder(60), 0, [], {}
    for wait_ns, price in steps:
        now_ns += wait_ns
        finished = builder.update(now_ns, price)
        taken.setdefault(now_ns // (60 * SECOND), []).append(price)
        bars += [finished] if finished else []
    last = builder.finish(now_ns + 60 * SECOND)
    assert last is not None
    for bar, (minute, prices) in zip([*bars, last], taken.items(), strict=True):
        assert bar == Bar(prices[0], max(prices), min(prices), prices[-1], 0.0, minute * 60 * SECOND)


def test_bar_builder_leaves_out_what_is_no_price() -> None:
    builder = BarBuilder(60)
    assert builder.update(0, math.nan) is None
    assert builder.open_bar is None


# sigma from the mid


def sampled(prices: list[float], **settings: float) -> SigmaSampler:
    sampler = SigmaSampler(SigmaSettings(**{"min_samples": 2, "floor": 1e-9, **settings}))  # type: ignore[arg-type]
    for number, price in enumerate(prices):
        sampler.update(number * SECOND, price)
    return sampler


def test_sigma_is_the_spread_of_the_steps_returns() -> None:
    prices = [100.0, 100.1, 100.0, 100.2, 100.1]
    sampler = sampled(prices)
    assert sampler.value == pytest.approx(float(np.std(np.diff(np.log(prices)))), rel=1e-12)


def test_sigma_of_longer_steps_is_per_square_root_of_a_second() -> None:
    sampler = SigmaSampler(SigmaSettings(step_s=4.0, min_samples=2, floor=1e-9))
    for number, price in enumerate([100.0, 101.0, 100.0, 101.0]):
        sampler.update(number * 4 * SECOND, price)
    assert sampler.value == pytest.approx(float(np.std([1.0, -1.0, 1.0])) * math.log(1.01) / 2, rel=1e-9)


def test_a_mid_that_does_not_move_gives_the_floor_and_a_wild_one_the_cap() -> None:
    assert sampled([100.0] * 5, floor=1e-6).value == 1e-6
    assert sampled([100.0, 200.0, 100.0, 200.0], cap=1e-2).value == 1e-2


def test_no_return_spans_a_gap() -> None:
    sampler = SigmaSampler(SigmaSettings(min_samples=2))
    assert sampler.update(0, 100.0) is False
    assert sampler.update(SECOND, 100.0) is True
    assert sampler.update(5 * SECOND, 150.0) is False
    assert sampler.update(6 * SECOND, 150.0) is True
    assert list(sampler.returns) == [0.0, 0.0]


def test_looks_within_a_step_are_not_samples() -> None:
    sampler = SigmaSampler(SigmaSettings(min_samples=2))
    for number in range(10):
        sampler.update(number * SECOND // 10, 100.0 + number)
    assert list(sampler.returns) == []
    assert sampler.value is None


@pytest.mark.parametrize("price", [math.nan, 0.0, -5.0, math.inf])
def test_what_is_no_price_is_not_sampled(price: float) -> None:
    sampler = sampled([100.0, 101.0, 100.0])
    assert sampler.update(3 * SECOND, price) is False
    assert len(sampler.returns) == 2


def test_ewma_weighs_the_newest_return_most() -> None:
    calm_last = sampled([100.0, 101.0, *[101.0] * 200], method="ewma", halflife_s=10.0)  # type: ignore[arg-type]
    assert calm_last.value is not None
    assert calm_last.value < 1e-5


@pytest.mark.parametrize("wrong", [{"method": "magic"}, {"step_s": 0.0}, {"floor": 0.0}, {"min_samples": 1}])
def test_settings_that_measure_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        SigmaSettings(**wrong)  # type: ignore[arg-type]
