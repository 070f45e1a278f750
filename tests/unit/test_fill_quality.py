"""What fills were worth by the mids of then and later: numbers worked out by hand, and bounds that always hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.fill_quality import (
    HORIZONS_S,
    NEVER_NS,
    FillQuality,
    Mean,
    mean_of,
    percentile,
    wear_rate,
)

S = 1_000_000_000


def markouts(quality: FillQuality) -> list[float | None]:
    return [mean.value for mean in quality.markouts]


def test_a_buy_below_the_mid_captures_the_spread_and_loses_it_when_the_mid_falls() -> None:
    quality = FillQuality()
    quality.fill(0, 1, 100.0, 2.0, 100.05, 0.02)
    assert quality.captured.value == pytest.approx(5.0)  # 0.05 / 100
    assert quality.due_ns == S
    quality.see(S, 99.9)
    assert markouts(quality) == [pytest.approx(-10.0), None, None, None]
    assert quality.due_ns == 5 * S
    quality.see(5 * S, 100.2)
    assert markouts(quality)[:2] == [pytest.approx(-10.0), pytest.approx(20.0)]
    assert (quality.gain_quote, quality.volume_quote) == (pytest.approx(0.1), 200.0)
    assert wear_rate([quality]) == pytest.approx((0.02 - 0.1) / 200)


def test_a_sell_is_the_other_way_round_and_means_are_by_size() -> None:
    quality = FillQuality()
    quality.fill(0, -1, 100.0, 1.0, 99.9, 0.0)  # 10 bps
    quality.fill(0, -1, 100.0, 3.0, 99.7, 0.0)  # 30 bps
    assert quality.captured.value == pytest.approx(25.0)
    quality.see(S, 101.0)
    assert markouts(quality)[0] == pytest.approx(-100.0)


def test_a_mid_that_is_missing_or_late_judges_nothing() -> None:
    quality = FillQuality()
    quality.fill(0, 1, 100.0, 1.0, 100.0, 0.0)
    quality.see(S, None)
    quality.see(5 * S + 1_500_000_000, 101.0)
    assert markouts(quality) == [None, None, None, None]
    quality.see(30 * S + 2_900_000_000, 101.0)  # a tenth of half a minute is near enough
    assert markouts(quality)[2] == pytest.approx(100.0)


def test_a_fill_that_met_no_known_mid_counts_nowhere() -> None:
    quality = FillQuality()
    quality.fill(0, 1, 100.0, 1.0, None, 1.0)
    assert (quality.volume_quote, quality.fees_quote, quality.due_ns) == (0.0, 0.0, NEVER_NS)
    assert wear_rate([quality]) is None


@given(st.lists(st.tuples(st.integers(0, 3 * S), st.sampled_from((1, -1)), st.floats(1, 1e6)), max_size=40))
def test_whatever_comes_every_fill_is_judged_once_at_each_horizon(
    fills: list[tuple[int, int, float]],
) -> None:
    quality, now_ns = FillQuality(), 0
    for gap_ns, sign, size in fills:
        now_ns += gap_ns
        quality.see(now_ns, 100.0)
        quality.fill(now_ns, sign, 100.0, size, 100.0, 0.0)
    while quality.due_ns != NEVER_NS:
        quality.see(quality.due_ns, 100.0)
    total = sum(size for _, _, size in fills)
    late_possible = [mean.weight for mean in quality.markouts]
    assert all(weight <= total * (1 + 1e-9) for weight in late_possible)
    assert all(mean.value in (None, 0.0) for mean in quality.markouts)


def test_ten_thousand_fills_at_once_need_bounded_memory() -> None:
    quality = FillQuality()
    for _ in range(10_000):
        quality.fill(0, 1, 100.0, 1.0, 100.0, 0.0)
    assert [len(waiting) for _, waiting in quality._waiting] == [512] * len(HORIZONS_S)
    quality.see(S, 99.0)
    assert markouts(quality)[0] == pytest.approx(-100.0)


def test_the_mean_of_several_legs_is_by_size() -> None:
    assert mean_of([Mean(10.0, 1.0), Mean(90.0, 3.0)]) == 25.0
    assert mean_of([]) is None


@pytest.mark.parametrize(
    ("numbers", "share", "found"),
    [([], 0.5, None), ([7], 0.99, 7), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 101)), 0.99, 99), ([1, 2, 3], 0.99, 3)],
)
def test_percentiles_are_by_nearest_rank(numbers: list[int], share: float, found: int | None) -> None:
    assert percentile(numbers, share) == found
