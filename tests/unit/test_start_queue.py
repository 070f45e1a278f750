"""Whose turn it is to start: bounded, in order, none at a venue that is down; and who must be told of many deaths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.process.escalation import Escalation, is_death
from core.process.start_queue import StartQueue, Wish
from core.process.venue_guard import VenueGuard
from core.process.worker_record import Exited

S = 1_000_000_000


def queue(parallel: int = 2) -> StartQueue:
    return StartQueue(parallel, 5 * S, 60 * S)


def asked(starts: StartQueue, *names: str, venue: str | None = "v", urgent: bool = False) -> StartQueue:
    for name in names:
        starts.ask(Wish(name, venue, urgent))
    return starts


def test_bots_start_in_their_order_a_few_at_a_time() -> None:
    starts = asked(queue(), "a", "b", "c", "d")
    assert starts.admit(0) == ["a", "b"]
    assert starts.admit(0) == []
    starts.ready("a")
    assert starts.admit(0) == ["c"]
    starts.ended("b", "v", False, 0, 0.5)
    assert starts.admit(0) == ["d"]


def test_a_venue_that_is_slow_to_open_does_not_take_the_turns_of_another() -> None:
    starts = asked(queue(1), "a", "b", venue="slow")
    asked(starts, "c", venue="fast")
    assert starts.admit(0) == ["a", "c"]


def test_a_successor_waits_for_nobody() -> None:
    starts = asked(queue(1), "a")
    starts.admit(0)
    asked(starts, "heir", urgent=True)
    assert starts.admit(0) == ["heir"]


def test_a_bot_that_is_blocked_keeps_its_place_and_holds_up_nobody() -> None:
    starts = asked(queue(1), "a", "b")
    assert starts.admit(0, lambda name: name == "a") == ["b"]
    starts.ready("b")
    assert starts.admit(0) == ["a"]


def test_a_bot_that_nobody_wants_any_more_leaves_the_queue() -> None:
    starts = asked(queue(1), "a", "b")
    starts.admit(0)
    assert starts.withdraw("b") and not starts.withdraw("b")
    starts.ready("a")
    assert starts.admit(0) == []


def test_after_an_unreachable_venue_one_bot_tries_and_the_others_follow_when_it_is_ready() -> None:
    starts = queue(8)
    starts.ended("a", "v", True, 0, 0.5)
    asked(starts, "a", "b", "c")
    assert starts.admit(4 * S) == []
    assert "unreachable" in starts.why("a", 4 * S)
    assert starts.due_ns(0) == 5 * S
    assert starts.admit(5 * S) == ["a"]
    assert starts.admit(50 * S) == []
    assert starts.why("b", 50 * S) == "waits until a has reached v"
    starts.ready("a")
    assert starts.admit(50 * S) == ["b", "c"]


def test_fifty_bots_that_lose_a_venue_together_count_once() -> None:
    starts = queue()
    for number in range(50):
        starts.ended(f"bot-{number}", "v", True, 0, 0.5)
    assert starts.due_ns(0) is None
    asked(starts, "a")
    assert starts.due_ns(0) == 5 * S


def test_each_probe_that_fails_doubles_the_pause_up_to_its_limit() -> None:
    guard, now_ns, pauses = VenueGuard(5 * S, 30 * S), 0, []
    guard.failed("a", 0, 0.5)
    for _ in range(5):
        pauses.append((guard.shut_until_ns - now_ns) // S)
        now_ns = guard.shut_until_ns
        assert not guard.admits("a", now_ns - 1) and guard.admits("a", now_ns) and not guard.admits("b", now_ns)
        guard.failed("a", now_ns, 0.5)
    assert pauses == [5, 10, 20, 30, 30]


def test_a_probe_that_ends_for_another_reason_lets_the_next_one_try() -> None:
    starts = queue()
    starts.ended("a", "v", True, 0, 0.5)
    asked(starts, "a", "b")
    assert starts.admit(9 * S) == ["a"]
    starts.ended("a", "v", False, 9 * S, 0.5)
    assert starts.admit(9 * S) == ["b"]


def test_a_venue_that_is_down_is_nothing_to_the_others() -> None:
    starts = queue()
    starts.ended("a", "down", True, 0, 0.5)
    asked(starts, "b", venue="up")
    asked(starts, "c", venue=None)
    assert starts.admit(0) == ["b", "c"]


EVENTS = st.sampled_from(["ask", "admit", "ready", "unreachable", "crash"])


@given(st.lists(st.tuples(EVENTS, st.sampled_from("abcdef"), st.integers(0, 9)), max_size=80), st.integers(1, 3))
def test_never_more_than_allowed_start_and_everybody_gets_a_turn(
    steps: list[tuple[str, str, int]], parallel: int
) -> None:
    starts, now_ns, starting, waiting = queue(parallel), 0, set(), set()
    for what, name, seconds in steps:
        now_ns += seconds * S
        if what == "ask" and name not in starting:
            starts.ask(Wish(name, "v"))
            waiting.add(name)
        elif what == "ready" and name in starting:
            starts.ready(name)
            starting.discard(name)
        elif what in ("unreachable", "crash") and name in starting:
            starts.ended(name, "v", what == "unreachable", now_ns, 0.5)
            starting.discard(name)
        admitted = set(starts.admit(now_ns))
        assert admitted <= waiting
        waiting -= admitted
        starting |= admitted
        assert len(starting) <= parallel
    for _ in range(200):
        now_ns += 100 * S
        for name in list(starting):
            starts.ready(name)
        starting = set(starts.admit(now_ns))
        waiting -= starting
    assert not waiting


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Exited(None, 9), True),
        (Exited(70), True),
        (Exited(1), True),
        (Exited(0, clean=True), False),
        (Exited(75), False),
        (Exited(77), False),
    ],
)
def test_only_a_crash_or_a_signal_is_a_death(event: Exited, expected: bool) -> None:
    assert is_death(event) is expected


def test_two_deaths_on_an_account_within_a_minute_are_told_once() -> None:
    escalation = Escalation(2, 60 * S)
    assert escalation.died("acc", "a", 0) == []
    assert escalation.died("other", "x", 1 * S) == []
    assert escalation.died("acc", "b", 59 * S) == ["a", "b"]
    assert escalation.died("acc", "c", 60 * S) == []


def test_deaths_far_apart_are_nobody_elses_affair() -> None:
    escalation = Escalation(2, 60 * S)
    assert [escalation.died("acc", "a", at * S) for at in (0, 61, 122)] == [[], [], []]
