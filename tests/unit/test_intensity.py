"""A and kappa from the tape: the golden estimates, recovery of known ones, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.intensity import BurstMeter, IntensityEstimator, IntensitySettings, most_likely, regress
from core.market.order import Side
from tests.golden_parts import golden, golden_rows

SECOND = 10**9
GOLDEN = golden("intensity_expected")
DEPTHS = [float(row["depth"]) for row in golden_rows("intensity_arrivals")]
WATCHED_S = GOLDEN["window_s"]


def arrivals(intensity: float, kappa: float, watched_s: float, seed: int) -> list[tuple[int, float]]:
    dice = np.random.default_rng(seed)
    count = int(dice.poisson(intensity * watched_s))
    times = np.sort(dice.uniform(0, watched_s, count))
    return [(round(t * 1e9), float(d)) for t, d in zip(times, dice.exponential(1 / kappa, count), strict=True)]


def fed(bursts: list[tuple[int, float]], **settings: float) -> IntensityEstimator:
    estimator = IntensityEstimator(IntensitySettings(**settings))  # type: ignore[arg-type]
    estimator.watch(0)
    for at_ns, depth in bursts:
        estimator.update(at_ns, depth)
    return estimator


def test_golden_estimate_of_greatest_likelihood_is_met() -> None:
    found, expected = most_likely(math.fsum(DEPTHS), len(DEPTHS), WATCHED_S), GOLDEN["mle"]
    assert found is not None
    assert found.bursts == GOLDEN["arrivals"]
    assert found.intensity == pytest.approx(expected["A"], rel=1e-9)
    assert found.kappa == pytest.approx(expected["k"], rel=1e-9)
    # The golden errors are those of the true parameters at the expected number of bursts; ours are of the estimate.
    assert found.kappa_error == pytest.approx(found.kappa / math.sqrt(found.bursts), rel=1e-12)
    assert found.kappa_error == pytest.approx(expected["se_k"], rel=0.02)
    assert found.intensity_error == pytest.approx(expected["se_A"], rel=0.02)


def test_golden_regression_is_met() -> None:
    expected = GOLDEN["regression"]
    found = regress(DEPTHS, WATCHED_S, expected["grid"], expected["min_count"])
    assert found is not None
    assert found.intensity == pytest.approx(expected["A"], rel=1e-9)
    assert found.kappa == pytest.approx(expected["k"], rel=1e-9)
    assert found.points == expected["points"]


def test_streamed_bursts_give_the_golden_estimate() -> None:
    bursts = [(round(float(row["time_s"]) * 1e9), float(row["depth"])) for row in golden_rows("intensity_arrivals")]
    found = fed(bursts).estimate(round(WATCHED_S * 1e9))
    assert found is not None
    assert found.intensity == pytest.approx(GOLDEN["mle"]["A"], rel=1e-9)
    assert found.kappa == pytest.approx(GOLDEN["mle"]["k"], rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("intensity", "kappa"), [(2.0, 0.8), (0.5, 40.0)])
def test_known_parameters_are_recovered(intensity: float, kappa: float, seed: int) -> None:
    watched_s = 3600 / intensity
    bursts = arrivals(intensity, kappa, watched_s, seed)
    depths = [depth for _, depth in bursts]
    found = most_likely(sum(depths), len(depths), watched_s)
    line = regress(depths, watched_s, [step / 4 / kappa for step in range(11)])
    assert found is not None
    assert line is not None
    assert abs(found.intensity - intensity) < 5 * found.intensity_error
    assert abs(found.kappa - kappa) < 5 * found.kappa_error
    assert (line.intensity, line.kappa) == pytest.approx((intensity, kappa), rel=0.15)


def test_a_floor_leaves_out_the_near_depths_and_finds_the_same_decay() -> None:
    bursts = arrivals(2.0, 0.8, 5000.0, 3)
    found = fed(bursts, floor=0.5, window_s=5000.0).estimate(5000 * SECOND)
    assert found is not None
    assert found.intensity == pytest.approx(2.0, rel=0.1)
    assert found.kappa == pytest.approx(0.8, rel=0.1)


def test_pooled_sides_give_the_intensity_of_one() -> None:
    bursts = arrivals(2.0, 0.8, 1000.0, 1)
    one, pooled = fed(bursts, window_s=1000.0), fed(bursts, window_s=1000.0, sides=2)
    alone, of_both = one.estimate(1000 * SECOND), pooled.estimate(1000 * SECOND)
    assert alone is not None
    assert of_both is not None
    assert of_both.intensity == pytest.approx(alone.intensity / 2)
    assert of_both.kappa == pytest.approx(alone.kappa)


@pytest.mark.parametrize(
    ("bursts", "reason"),
    [
        (arrivals(2.0, 0.8, 1000.0, 1)[:199], "fewer than 200"),
        ([(number * SECOND, 1.0) for number in range(300)], "same depth"),
        ([(number * SECOND, float(number % 2)) for number in range(300)], "R2"),
        ([(number * SECOND, math.nan) for number in range(300)], "0 bursts"),
    ],
)
def test_what_is_no_decay_is_refused_with_its_reason(bursts: list[tuple[int, float]], reason: str) -> None:
    estimator = fed(bursts)
    assert estimator.estimate(1000 * SECOND) is None
    assert reason in estimator.refusal


def test_refused_estimate_keeps_the_last_good_one() -> None:
    estimator = fed(arrivals(2.0, 0.8, 1000.0, 1), window_s=1000.0)
    good = estimator.estimate(1000 * SECOND)
    assert good is not None
    assert estimator.estimate(9000 * SECOND) == good
    assert "fewer than" in estimator.refusal
    assert estimator.bursts == 0


def test_a_new_estimate_moves_the_old_one_by_a_bounded_share() -> None:
    estimator = fed(arrivals(2.0, 0.8, 1000.0, 1), window_s=1000.0)
    first = estimator.estimate(1000 * SECOND)
    assert first is not None
    for at_ns, depth in arrivals(2.0, 80.0, 1000.0, 2):
        estimator.update(2001 * SECOND + at_ns, depth)
    second = estimator.estimate(3001 * SECOND)
    assert second is not None
    assert second.kappa == pytest.approx(first.kappa * 1.3)


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 10)), max_size=60), st.integers(1, 20))
def test_memory_is_bounded_and_sums_follow_what_is_forgotten(rows: list[tuple[int, float]], most: int) -> None:
    estimator = IntensityEstimator(IntensitySettings(window_s=50.0, most_bursts=most, min_bursts=1))
    now_s = 0
    for wait_s, depth in rows:
        now_s += wait_s
        estimator.update(now_s * SECOND, depth)
        kept = list(estimator._bursts)
        assert len(kept) <= most
        assert all(at_ns >= (now_s - 50) * SECOND for at_ns, _ in kept)
        assert estimator._excess == pytest.approx(sum(depth for _, depth in kept), abs=1e-9)


def test_prints_of_one_side_and_interval_are_one_burst_at_their_furthest() -> None:
    meter = BurstMeter(0.1)
    assert meter.update(0, 100.5, 100.0, Side.BUY) is None
    assert meter.update(SECOND // 20, 102.0, 100.0, Side.BUY) is None
    assert meter.update(SECOND // 20, 101.0, 100.0, Side.BUY) is None
    assert meter.update(SECOND // 20, 99.0, 100.0, Side.SELL) is None
    assert meter.update(SECOND // 5, 100.1, 100.0, Side.BUY) == (Side.BUY, 2.0)
    assert meter.update(SECOND // 5, 100.4, 100.0, Side.SELL) == (Side.SELL, 1.0)


def test_a_print_on_the_other_side_of_the_mid_has_depth_nought() -> None:
    meter = BurstMeter(0.1)
    meter.update(0, 101.0, 100.0, Side.SELL)
    assert meter.update(SECOND, 101.0, 100.0, Side.SELL) == (Side.SELL, 0.0)
    assert meter.update(SECOND, math.nan, 100.0, Side.SELL) is None
