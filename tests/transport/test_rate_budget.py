"""A budget never gives more than its share, and keeps a fifth for cancels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from api.base_client import RateScope
from api.rate_budget import NS, Lane, RateBudget

FOREVER = 10**15


def leased(per_s: float = 10, burst: float = 20, until_ns: int = FOREVER) -> RateBudget:
    budget = RateBudget(RateScope("test", 1000, 1000), 0)
    budget.lease(per_s, burst, until_ns)
    budget.wait_ns(1, Lane.READ, NS * 100)  # filled up
    return budget


def taken_at_once(budget: RateBudget, lane: Lane, now_ns: int) -> int:
    count = 0
    while budget.wait_ns(1, lane, now_ns) == 0:
        budget.take(1, lane, now_ns)
        count += 1
    return count


steps = some.lists(
    some.tuples(some.integers(0, 2 * NS), some.sampled_from(Lane), some.integers(1, 5)), min_size=1, max_size=80
)


@given(steps, some.floats(0.5, 50), some.floats(5, 50))
def test_no_window_holds_more_than_burst_and_rate_allow(
    asked: list[tuple[int, Lane, int]], per_s: float, burst: float
) -> None:
    budget = RateBudget(RateScope("test", 1000, 1000), 0)
    budget.lease(per_s, burst, FOREVER)
    now_ns, taken = 0, list[tuple[int, int]]()
    for passed_ns, lane, cost in asked:
        now_ns += passed_ns
        if budget.wait_ns(cost, lane, now_ns) == 0:
            budget.take(cost, lane, now_ns)
            taken.append((now_ns, cost))
    for index, (start_ns, _) in enumerate(taken):
        total = 0
        for end_ns, cost in taken[index:]:
            total += cost
            assert total <= burst + per_s * (end_ns - start_ns) / NS + 1e-6


@given(some.sampled_from(Lane), some.integers(1, 4), some.floats(1, 100))
def test_after_the_wait_it_may_go(lane: Lane, cost: int, per_s: float) -> None:
    budget = leased(per_s)
    now_ns = 100 * NS
    taken_at_once(budget, Lane.CANCEL, now_ns)
    wait_ns = budget.wait_ns(cost, lane, now_ns)
    assert wait_ns > 0
    assert budget.wait_ns(cost, lane, now_ns + wait_ns) == 0


def test_a_fifth_is_kept_for_cancels() -> None:
    budget = leased(burst=20)
    assert taken_at_once(budget, Lane.CREATE, 100 * NS) == 16
    assert budget.wait_ns(1, Lane.READ, 100 * NS) > 0
    assert taken_at_once(budget, Lane.CANCEL, 100 * NS) == 4


@pytest.mark.parametrize(("per_s", "share"), [(1000, 20), (10, 1)])
def test_without_a_lease_it_keeps_to_a_fiftieth_but_at_least_one_a_second(per_s: float, share: int) -> None:
    budget = RateBudget(RateScope("test", per_s, 10), 0)
    taken_at_once(budget, Lane.CANCEL, 0)
    second = sum(taken_at_once(budget, Lane.CANCEL, step * NS // 100) for step in range(1, 101))
    assert second == share


def test_an_ended_lease_falls_back_to_the_small_share() -> None:
    budget = leased(per_s=100, burst=200, until_ns=200 * NS)
    taken_at_once(budget, Lane.CANCEL, 199 * NS)
    later = sum(taken_at_once(budget, Lane.CANCEL, 300 * NS + step * NS // 10) for step in range(11))
    assert later <= 20 + 20  # a second at 20/s and the burst of 20, where the lease would have given 300


def test_a_small_burst_still_lets_creates_go() -> None:
    budget = RateBudget(RateScope("test", 1, 1), 0)
    assert taken_at_once(budget, Lane.CREATE, 0) == 1
    assert taken_at_once(budget, Lane.CANCEL, 0) == 1


def test_what_costs_more_than_the_bucket_goes_when_it_is_full_and_is_paid_later() -> None:
    budget = leased(per_s=10, burst=20)
    assert budget.wait_ns(50, Lane.READ, 100 * NS) == 0
    budget.take(50, Lane.READ, 100 * NS)
    assert budget.wait_ns(1, Lane.CANCEL, 100 * NS) == pytest.approx(3.1 * NS)


def test_a_block_holds_every_lane_and_lets_cancels_go_first_when_it_ends() -> None:
    budget = leased()
    budget.block(110 * NS)
    assert [budget.wait_ns(1, lane, 105 * NS) >= 5 * NS for lane in Lane] == [True] * 3
    assert budget.wait_ns(1, Lane.CREATE, 109 * NS) >= NS
    assert budget.wait_ns(1, Lane.CREATE, 110 * NS) > 0
    assert budget.wait_ns(1, Lane.CANCEL, 110 * NS) == 0


def test_a_block_of_one_lane_leaves_the_others() -> None:
    budget = leased()
    budget.block(110 * NS, Lane.CREATE)
    assert [budget.wait_ns(1, lane, 105 * NS) for lane in Lane] == [0, 5 * NS, 0]


def test_a_shorter_block_does_not_end_a_longer_one() -> None:
    budget = leased()
    budget.block(110 * NS)
    budget.block(103 * NS)
    assert budget.wait_ns(1, Lane.CANCEL, 105 * NS) == 5 * NS
