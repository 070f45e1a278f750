"""Venues under one clock: whatever they do and whenever, nothing is shown too early, nor later than a window."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.replay_venue import NEVER
from core.backtest.lockstep import WINDOW_NS, Lockstep, window_ns

UNTIL = 10_000
WINDOW = 100


@dataclass
class Plan:
    """A venue whose events are known beforehand; some of them fill an order of ours, as long as one rests."""

    events: list[int]
    fills: frozenset[int]
    arrival: int = NEVER
    rests: bool = True
    played: int = 0
    fill_count: int = 0
    calls: int = field(default=0)

    def arrival_ns(self) -> int:
        return self.arrival

    def next_event_ns(self) -> int:
        at = bisect_right(self.events, self.played)
        return self.events[at] if at < len(self.events) else NEVER

    def run_ahead(self, until_ns: int) -> int:
        self.calls += 1
        while (next_ns := self.next_event_ns()) <= until_ns:
            self.played = next_ns
            if next_ns in self.fills and self.rests:
                self.fill_count += 1
                return next_ns
        self.played = max(self.played, until_ns)
        return self.played

    def look(self, now_ns: int) -> None:
        """Be brought up to a time, as by a poll."""
        while self.played < now_ns:
            self.run_ahead(now_ns)


@st.composite
def plans(draw: st.DrawFn) -> list[Plan]:
    found = []
    for _ in range(draw(st.integers(2, 4))):
        events = sorted(draw(st.sets(st.integers(1, UNTIL + 500), max_size=12)))
        fills = frozenset(draw(st.lists(st.sampled_from(events), max_size=4))) if events else frozenset()
        arrival = draw(st.just(NEVER) | st.integers(0, UNTIL + 500))
        found.append(Plan(events, fills, arrival, draw(st.booleans())))
    return found


@given(plans())
def test_nothing_is_shown_too_early_and_nothing_later_than_a_window(venues: list[Plan]) -> None:
    arrivals = [venue.arrival for venue in venues]
    fills = sorted(ns for venue in venues if venue.rests for ns in venue.fills)
    now_ns = Lockstep(venues, WINDOW).run_ahead(0, UNTIL)
    assert 0 <= now_ns <= min(UNTIL, *arrivals, UNTIL)
    assert all(venue.played <= now_ns for venue in venues)
    if fills and fills[0] < now_ns:
        assert now_ns - fills[0] <= WINDOW
    if now_ns < min(UNTIL, *arrivals, UNTIL):
        assert fills and fills[0] <= now_ns


@given(plans())
def test_a_walk_to_the_end_hears_of_every_fill_and_ends(venues: list[Plan]) -> None:
    for venue in venues:
        venue.arrival = NEVER
    lockstep, now_ns, steps = Lockstep(venues, WINDOW), 0, 0
    while now_ns < UNTIL:
        now_ns = lockstep.run_ahead(now_ns, UNTIL)
        for venue in venues:
            venue.look(now_ns)
        steps += 1
        assert steps < 100
    for venue in venues:
        assert venue.fill_count == (sum(ns <= UNTIL for ns in venue.fills) if venue.rests else 0)


def test_with_orders_on_one_leg_that_leg_is_played_to_the_moment_of_its_fill() -> None:
    quiet, busy = Plan([3, 7], frozenset(), rests=False), Plan([5, 1003, 9000], frozenset([1003]))
    assert Lockstep([quiet, busy], WINDOW).run_ahead(0, UNTIL) == 1003
    assert (quiet.calls, busy.calls) == (0, 1)


def test_an_only_venue_is_played_to_the_moment_of_its_fill_and_minds_its_messages_itself() -> None:
    alone = Plan([5, 1003, 9000], frozenset([1003]), arrival=7)
    assert Lockstep([alone], WINDOW).run_ahead(0, UNTIL) == 1003
    resting_nowhere = Plan([5], frozenset(), rests=False)
    assert Lockstep([resting_nowhere], WINDOW).run_ahead(0, UNTIL) == UNTIL
    assert (alone.calls, resting_nowhere.calls) == (1, 1)


def test_windows_in_which_nobody_has_an_event_are_skipped() -> None:
    venues = [Plan([4000, 9000], frozenset([9000])), Plan([4050], frozenset())]
    assert Lockstep(venues, WINDOW).run_ahead(0, UNTIL) == 9100
    assert [venue.calls for venue in venues] == [2, 1]


def test_a_fill_at_the_very_end_of_a_window_is_not_overlooked() -> None:
    venues = [Plan([4000, 4100], frozenset([4100])), Plan([4000], frozenset())]
    assert Lockstep(venues, WINDOW).run_ahead(0, UNTIL) == 4100


@pytest.mark.parametrize(
    ("latencies_ns", "expected"),
    [([], WINDOW_NS), ([0, 0], WINDOW_NS), ([20_000_000, 0], WINDOW_NS), ([20_000_000, 300_000], 300_000)],
)
def test_a_window_is_no_longer_than_an_order_is_under_way(latencies_ns: list[int], expected: int) -> None:
    assert window_ns(latencies_ns) == expected
