"""The triple barrier: what is reached when, what comes first, and when the clock begins anew."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.barriers import Barrier, BarrierClock, BarrierLimits, judge
from tests.market_parts import SECOND

D = Decimal
LONG = BarrierClock().follow(5, 0)
ALL = BarrierLimits(
    stop_loss_quote=D(10), take_profit_quote=D(20), stop_loss_pct=D(5), take_profit_pct=D(8), time_limit_ns=60 * SECOND
)  # fmt: skip
TRAILING = BarrierLimits(trailing_start_pct=D(2), trailing_delta_pct=D("0.5"))

amounts = st.decimals(-1000, 1000, places=4)
levels = st.none() | st.decimals("0.0001", 500, places=4)
limits = st.builds(
    BarrierLimits,
    levels,
    levels,
    levels,
    levels,
    levels,
    levels,
    st.none() | st.integers(1, 1000),
)


def reached(barriers: BarrierLimits, gain: str, base: str = "1000", now_s: int = 0) -> Barrier | None:
    return judge(barriers, LONG, D(gain), D(base), now_s * SECOND)[1]


@pytest.mark.parametrize(
    ("gain", "base", "expected"),
    [
        ("-9.99", "1000", None),
        ("-10", "1000", Barrier.STOP_LOSS),
        ("-4.99", "100", None),
        ("-5", "100", Barrier.STOP_LOSS),  # 5 % of the entry value, before 10 in quote
        ("19.99", "1000", None),
        ("20", "1000", Barrier.TAKE_PROFIT),
        ("8", "100", Barrier.TAKE_PROFIT),
        ("0", "1000", None),
    ],
)
def test_a_loss_or_a_gain_reaches_its_barrier_by_amount_or_by_share(
    gain: str, base: str, expected: Barrier | None
) -> None:
    assert reached(ALL, gain, base) is expected


def test_time_is_counted_from_the_entry() -> None:
    clock = BarrierClock().follow(3, 100 * SECOND)
    assert judge(ALL, clock, D(0), D(1000), 159 * SECOND)[1] is None
    assert judge(ALL, clock, D(0), D(1000), 160 * SECOND)[1] is Barrier.TIME_LIMIT


@pytest.mark.parametrize(("gain", "first"), [("-10", Barrier.STOP_LOSS), ("20", Barrier.TIME_LIMIT)])
def test_a_stop_comes_before_time_and_time_before_profit(gain: str, first: Barrier) -> None:
    assert reached(ALL, gain, now_s=60) is first


def test_a_trailing_stop_comes_before_time() -> None:
    both = replace(TRAILING, time_limit_ns=1)
    clock = replace(LONG, peak_pct=D(3))
    assert judge(both, clock, D(20), D(1000), SECOND)[1] is Barrier.TRAILING_STOP


def test_a_trailing_stop_follows_the_gain_up_and_stays_there() -> None:
    clock, seen = LONG, []
    for gain in ("19", "5", "20", "30", "26", "25.1", "25"):
        clock, barrier = judge(TRAILING, clock, D(gain), D(1000), 0)
        seen.append((clock.peak_pct, barrier))
    assert seen == [
        (None, None),  # 1.9 %: not armed, so the fall to 0.5 % is nothing
        (None, None),
        (D(2), None),
        (D(3), None),
        (D(3), None),
        (D(3), None),
        (D(3), Barrier.TRAILING_STOP),
    ]


def test_the_clock_begins_anew_when_the_side_turns_and_not_when_more_is_added() -> None:
    clock = replace(BarrierClock().follow(5, 10), peak_pct=D(4))
    assert clock.follow(9, 20) is clock
    assert clock.follow(-1, 20) == BarrierClock(-1, 20)
    assert clock.follow(0, 20) == BarrierClock(0, 20)


def test_without_a_base_value_shares_are_not_judged() -> None:
    assert reached(BarrierLimits(stop_loss_pct=D(1), trailing_start_pct=D(1)), "-50", "0") is None
    assert reached(ALL, "-50", "0") is Barrier.STOP_LOSS


@given(limits, amounts, st.decimals(1, 1000, places=2), st.integers(0, 1000))
def test_nothing_held_reaches_nothing(barriers: BarrierLimits, gain: Decimal, base: Decimal, now_ns: int) -> None:
    assert judge(barriers, BarrierClock(), gain, base, now_ns) == (BarrierClock(), None)


@given(limits, amounts, st.decimals(0, 100, places=2), st.decimals(1, 1000, places=2), st.integers(0, 1000))
def test_a_larger_loss_or_a_later_look_never_opens_a_stop(
    barriers: BarrierLimits, gain: Decimal, more: Decimal, base: Decimal, now_ns: int
) -> None:
    clock, barrier = judge(barriers, LONG, gain, base, now_ns)
    if barrier is Barrier.STOP_LOSS:
        assert judge(barriers, clock, gain - more, base, now_ns + 1)[1] is Barrier.STOP_LOSS
    if barrier is Barrier.TIME_LIMIT:
        assert judge(barriers, clock, gain, base, now_ns + 1)[1] is Barrier.TIME_LIMIT


@given(limits, st.lists(amounts, min_size=1, max_size=20), st.decimals(1, 1000, places=2))
def test_the_peak_is_the_highest_gain_since_it_was_armed(
    barriers: BarrierLimits, gains: list[Decimal], base: Decimal
) -> None:
    clock, best = LONG, None
    for gain in gains:
        clock, barrier = judge(barriers, clock, gain, base, 0)
        share = gain * 100 / base
        start = barriers.trailing_start_pct
        if start is not None and (best is not None or share >= start):
            best = share if best is None else max(best, share)
        assert clock.peak_pct == best
        if barrier is Barrier.TRAILING_STOP:
            assert best is not None and best - share >= (barriers.trailing_delta_pct or 0)


@given(limits, amounts, st.decimals(1, 1000, places=2), st.integers(0, 1000))
def test_what_is_told_is_the_first_of_all_that_is_reached(
    barriers: BarrierLimits, gain: Decimal, base: Decimal, now_ns: int
) -> None:
    """Each barrier alone says whether it is reached; together they tell the first in their order."""
    alone = {
        Barrier.STOP_LOSS: BarrierLimits(barriers.stop_loss_quote, None, barriers.stop_loss_pct),
        Barrier.TIME_LIMIT: BarrierLimits(time_limit_ns=barriers.time_limit_ns),
        Barrier.TAKE_PROFIT: BarrierLimits(None, barriers.take_profit_quote, None, barriers.take_profit_pct),
    }
    without_trail = replace(barriers, trailing_start_pct=None)
    found = [kind for kind, one in alone.items() if judge(one, LONG, gain, base, now_ns)[1] is kind]
    assert judge(without_trail, LONG, gain, base, now_ns)[1] is (found[0] if found else None)
