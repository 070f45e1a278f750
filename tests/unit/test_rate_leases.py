"""Rate leases: never more than four fifths are lent, everybody comes to an equal share, garbage is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.base_client import RateScope
from core.process.lease_keeper import RENEW_NS, LeaseKeeper
from core.process.rate_leases import LEASE_NS, MAX_SCOPES, RateLeases

S = 1_000_000_000


def shares(leases: RateLeases, holders: str, now_ns: int) -> list[float]:
    return [round(leases.ask(holder, "k", 10, 100, now_ns).per_s, 6) for holder in holders]


def test_one_holder_is_lent_four_fifths_for_fifteen_seconds() -> None:
    lease = RateLeases().ask("a", "k", 10, 100, 5 * S)
    assert (lease.per_s, lease.burst, lease.until_ns) == (8, 80, 5 * S + LEASE_NS)


def test_a_newcomer_gets_what_is_free_now_and_its_share_when_the_others_have_renewed() -> None:
    leases = RateLeases()
    assert shares(leases, "ab", 0) == [8, 0]
    assert shares(leases, "ab", 5 * S) == [4, 4]
    assert shares(leases, "c", 6 * S) == [0]
    assert shares(leases, "abc", 10 * S) == [2.666667, 2.666667, 2.666667]


def test_the_share_of_a_dead_holder_is_free_at_once() -> None:
    leases = RateLeases()
    shares(leases, "ab", 0)
    shares(leases, "ab", 5 * S)
    leases.drop("a")
    assert shares(leases, "b", 6 * S) == [8]
    leases.drop("b")
    assert len(leases) == 0


def test_a_lease_that_was_not_renewed_ends() -> None:
    leases = RateLeases()
    shares(leases, "a", 0)
    assert shares(leases, "b", LEASE_NS - 1) == [0]
    assert shares(leases, "b", LEASE_NS) == [8]


def test_the_smallest_capacity_that_a_living_holder_names_counts() -> None:
    leases = RateLeases()
    leases.ask("a", "k", 10, 100, 0)
    leases.ask("b", "k", 5, 100, 0)
    assert leases.ask("a", "k", 10, 100, 1).per_s == 2
    leases.drop("b")
    assert leases.ask("a", "k", 10, 100, 2).per_s == 8


def test_budgets_do_not_mix() -> None:
    leases = RateLeases()
    leases.ask("a", "one", 10, 100, 0)
    assert leases.ask("b", "two", 10, 100, 0).per_s == 8


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "ask", "drop"]), st.sampled_from("abcdefgh"), st.integers(0, 9 * S)),
    max_size=80,
)


@given(STEPS)
def test_never_more_than_four_fifths_are_lent_at_a_time(steps: list[tuple[str, str, int]]) -> None:
    leases, now_ns = RateLeases(), 0
    for what, holder, later_ns in steps:
        now_ns += later_ns
        if what == "drop":
            leases.drop(holder)
        else:
            lease = leases.ask(holder, "k", 10, 70, now_ns)
            assert lease.per_s >= 0 and lease.burst >= 0
        per_s, burst = leases.lent("k", now_ns)
        assert per_s <= 8 * (1 + 1e-9)
        assert burst <= 56 * (1 + 1e-9)


@given(STEPS, st.integers(1, 8))
def test_after_two_rounds_of_renewals_all_have_the_same(steps: list[tuple[str, str, int]], living: int) -> None:
    leases, now_ns = RateLeases(), 0
    for _, holder, later_ns in steps:
        now_ns += later_ns
        leases.ask(holder, "k", 10, 70, now_ns)
    now_ns += LEASE_NS
    holders = "abcdefgh"[:living]
    for _ in range(2):
        now_ns += RENEW_NS
        got = shares(leases, holders, now_ns)
    assert got == [pytest.approx(8 / living, abs=1e-5)] * living


GOOD = {"key": "v:ip:1", "per_s": 10, "burst": 20}


@pytest.mark.parametrize(
    "scopes",
    [
        None,
        "x",
        [5],
        ["key"],
        [{}],
        [{**GOOD, "key": ""}],
        [{**GOOD, "key": "x" * 201}],
        [{**GOOD, "key": 5}],
        [{**GOOD, "per_s": 0}],
        [{**GOOD, "per_s": -1}],
        [{**GOOD, "per_s": float("nan")}],
        [{**GOOD, "per_s": float("inf")}],
        [{**GOOD, "per_s": "10"}],
        [{**GOOD, "burst": True}],
        [{**GOOD, "burst": 10**400}],
        [GOOD] * (MAX_SCOPES + 1),
        [GOOD, {**GOOD, "burst": None}],
    ],
)
def test_garbage_is_refused_whole_and_nothing_is_kept_of_it(scopes: object) -> None:
    leases = RateLeases()
    with pytest.raises((KeyError, TypeError, ValueError)):
        leases.answer("a", {"t": "lease", "scopes": scopes}, 0)
    assert len(leases) == 0


def test_a_worker_that_makes_up_ever_new_budgets_holds_only_those_of_its_last_packet() -> None:
    leases = RateLeases()
    for number in range(1000):
        leases.answer("a", {"scopes": [{**GOOD, "key": f"k{number}"}]}, number)
    assert len(leases) == 1


class Drawing:
    """A client as far as a keeper sees it."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.leased: list[tuple[str, float, float, int]] = []

    def rate_scopes(self) -> tuple[RateScope, ...]:
        return tuple(RateScope(key, 10.0, 20.0) for key in self.keys)

    def lease(self, key: str, per_s: float, burst: float, until_ns: int) -> None:
        self.leased.append((key, per_s, burst, until_ns))


def test_a_worker_asks_for_all_its_legs_at_once_and_again_after_five_seconds() -> None:
    keeper = LeaseKeeper([Drawing("a", "b"), Drawing("b")])  # type: ignore[list-item]
    asked = keeper.request(7)
    assert asked is not None
    assert [scope["key"] for scope in asked["scopes"]] == ["a", "b"]
    assert keeper.request(7 + RENEW_NS - 1) is None
    assert keeper.request(7 + RENEW_NS) == asked


def test_a_worker_without_budgets_asks_nothing() -> None:
    assert LeaseKeeper([Drawing()]).request(0) is None  # type: ignore[list-item]


def test_two_legs_on_one_budget_share_what_is_lent() -> None:
    first, second = Drawing("a", "b"), Drawing("b")
    keeper = LeaseKeeper([first, second])  # type: ignore[list-item]
    asked = keeper.request(0)
    assert asked is not None
    keeper.hear(RateLeases().answer("bot", asked, 3))
    assert first.leased == [("a", 8.0, 16.0, 3 + LEASE_NS), ("b", 4.0, 8.0, 3 + LEASE_NS)]
    assert second.leased == [("b", 4.0, 8.0, 3 + LEASE_NS)]


def test_an_empty_grant_is_not_passed_on_so_that_the_client_keeps_its_own_small_share() -> None:
    client = Drawing("a")
    keeper = LeaseKeeper([client])  # type: ignore[list-item]
    keeper.hear({"grants": [{"key": "a", "per_s": 0.0, "burst": 0.0, "until_ns": 9}]})
    assert client.leased == []
