"""The bot's own traffic against its limits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.churn import ChurnLimits, ChurnMeter, with_missing
from core.market.order import Side
from core.market.order_diff import DiffTolerance, diff_orders
from tests.market_parts import NOW, SECOND, order, quote

TEN_A_MINUTE = ChurnLimits(orders_per_min=10)


@pytest.mark.parametrize(
    ("sent", "times", "is_over"),
    [(0, 1, False), (4, 1, False), (5, 2, False), (7, 4, False), (8, 8, False), (9, 8, False), (10, 8, True)],
)
def test_patience_grows_with_what_was_sent_within_a_minute(sent: int, times: int, is_over: bool) -> None:
    meter = ChurnMeter(TEN_A_MINUTE)
    meter.placed(sent, NOW)
    assert (meter.widening(NOW), meter.is_over(NOW), meter.orders_left(NOW)) == (times, is_over, 10 - sent)
    later = NOW + 60 * SECOND
    assert (meter.widening(later), meter.is_over(later), meter.orders_left(later)) == (1, False, 10)


def test_quotes_that_went_off_come_back_when_a_fifth_is_free_again() -> None:
    meter = ChurnMeter(TEN_A_MINUTE)
    for second in range(10):
        meter.placed(1, NOW + second * SECOND)
    assert [meter.is_over(NOW + second * SECOND) for second in (9, 60, 61, 62)] == [True, True, True, False]


@pytest.mark.parametrize(("fills", "cancels", "is_over"), [(0, 4, False), (0, 5, True), (2, 9, False), (2, 10, True)])
def test_cancels_are_counted_for_each_fill_within_the_window(fills: int, cancels: int, is_over: bool) -> None:
    meter = ChurnMeter(ChurnLimits(cancels_per_fill=5, cancel_fill_window_ns=100 * SECOND))
    meter.cancelled(cancels, NOW)
    for _ in range(fills):
        meter.filled(NOW)
    assert meter.is_over(NOW) == is_over
    assert not meter.is_over(NOW + 100 * SECOND)


def test_without_limits_nothing_is_counted_and_nothing_held_back() -> None:
    meter = ChurnMeter(ChurnLimits())
    meter.placed(1_000_000, NOW)
    assert (meter.widening(NOW), meter.is_over(NOW)) == (1, False)
    assert meter.orders_left(NOW) > 1_000_000_000


STEPS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=60)


@given(STEPS, st.integers(1, 20))
def test_no_minute_has_more_orders_than_the_limit_when_it_is_asked_each_time(
    steps: list[tuple[int, int]], most: int
) -> None:
    meter, now, sent = ChurnMeter(ChurnLimits(orders_per_min=most)), NOW, []
    for pause_s, wanted in steps:
        now += pause_s * SECOND
        count = min(wanted, meter.orders_left(now))
        meter.placed(count, now)
        sent += [now] * count
    assert all(sum(at - 60 * SECOND < one <= at for one in sent) <= most for at in sent)


@pytest.mark.parametrize(
    ("sent", "count", "expected"),
    [
        ([], 0, []),
        ([1, 3], 2, [1, 3]),
        ([1, 3], 4, [1, 3, 5, 5]),  # two rows were taken by later sendings
        ([1, 7], 2, [1, 5, 7]),  # sent after it was counted
        ([1, 2, 3], 2, [1, 2, 3]),
    ],
)
def test_what_has_no_row_of_its_own_was_sent_when_it_was_counted(
    sent: list[int], count: int, expected: list[int]
) -> None:
    assert with_missing(sent, count, 5) == expected


@pytest.mark.parametrize(
    ("own", "times", "wide"),
    [("0.1", 8, "0.8"), ("10", 8, "80"), ("20", 8, "100"), ("-1", 8, "-1"), ("0", 8, "0"), ("100", 2, "100")],
)
def test_a_tolerance_is_widened_to_everything_at_the_most(own: str, times: int, wide: str) -> None:
    widened = DiffTolerance(Decimal(own), Decimal(own), 7, 3).widened(times)
    assert widened == DiffTolerance(Decimal(wide), Decimal(wide), 7, 3)


@pytest.mark.parametrize(
    ("age_s", "wanted_lots", "stays"),
    [(0, 10, True), (29, 10, True), (30, 10, False), (29, 11, True), (29, 9, False), (-1, 10, False)],
)
def test_a_young_order_is_not_moved_but_never_stays_larger_than_wanted(
    age_s: int, wanted_lots: int, stays: bool
) -> None:
    resting = order(Side.BUY, 1400, 10, "buy.0", sent_ns=NOW - age_s * SECOND)
    tolerance = DiffTolerance(0, 0, min_order_age_ns=30 * SECOND)
    diff = diff_orders([quote(Side.BUY, 1500, wanted_lots)], [resting], tolerance, NOW)
    assert bool(diff.keep) == stays
    assert diff_orders([], [resting], tolerance, NOW).cancel == (resting.client_order_id,)
    assert tolerance.oldest_until_ns([resting]) <= NOW  # it is looked at again


def test_an_order_that_only_reduces_follows_the_market_at_any_age() -> None:
    resting = order(Side.BUY, 1400, 10, "reduce", sent_ns=NOW, reduce_only=True)
    tolerance = DiffTolerance(0, 0, min_order_age_ns=30 * SECOND)
    wanted = quote(Side.BUY, 1500, 10, slot="reduce", reduce_only=True)
    assert diff_orders([wanted], [resting], tolerance, NOW).keep == ()
