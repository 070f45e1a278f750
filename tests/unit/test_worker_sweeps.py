"""States of a worker whose orders are swept: not confirmed, slow, refused, waited for."""

from __future__ import annotations

import pytest

from core.process.worker_record import (
    Action,
    Exited,
    Forked,
    Needs,
    Restart,
    Start,
    State,
    Stop,
    SweepEnded,
    Tick,
)
from core.process.worker_states import next_due_ns
from tests.unit.worker_history import History


def test_an_unconfirmed_sweep_is_repeated_and_alerts() -> None:
    history = History().running().play(Exited(None, 9))
    seen = []
    for _ in range(3):
        history.play(Forked(12), SweepEnded(False, "venue down"))
        seen.append(list(history.actions))
        assert history.record.state is State.SWEEPING
        assert history.after(31).actions == [Action.SWEEP]
    assert seen[-1] == [Action.ALERT]
    assert history.record.reason == "venue down"


def test_a_sweeper_that_hangs_is_killed_and_followed_by_another() -> None:
    history = History().running().play(Exited(None, 9), Forked(12))
    assert history.after(19).actions == []
    assert history.after(2).actions == [Action.KILL]
    assert next_due_ns(history.record) is None
    history.play(SweepEnded(False, "killed")).after(31)
    assert history.actions == [Action.SWEEP]


def test_a_worker_that_opens_a_slow_venue_is_not_taken_for_stuck_until_its_time_is_over() -> None:
    history = History(heartbeat_timeout_s=3.0).play(Start(), Forked(10), Needs(60))
    assert history.after(62).actions == []
    assert history.after(2).actions == [Action.DUMP]


def test_a_running_worker_cannot_excuse_its_silence() -> None:
    history = History(heartbeat_timeout_s=3.0).running().play(Needs(60))
    assert history.after(3.1).actions == [Action.DUMP]


def test_a_sweeper_gets_the_time_that_its_venue_may_take() -> None:
    history = History().running().play(Exited(None, 9), Forked(12), Needs(60), Needs(5))
    assert history.after(59).actions == []
    assert history.after(2).actions == [Action.KILL]
    assert history.play(Needs(60)).after(1).actions == []


def test_a_sweep_with_a_key_that_is_not_accepted_alerts_at_once_and_is_tried_again_after_a_minute() -> None:
    history = History().running().play(Exited(76), Forked(12), SweepEnded(False, "key", auth=True))
    assert (history.record.state, history.actions) == (State.SWEEPING, [Action.ALERT])
    assert history.after(59).actions == []
    assert history.after(2).actions == [Action.SWEEP]


@pytest.mark.parametrize("event", [Start(), Restart(), Stop()])
def test_a_sweep_that_waits_for_its_turn_is_tried_at_once_when_a_person_asks(event: object) -> None:
    history = History().running().play(Exited(76), Forked(12), SweepEnded(False, "key", auth=True))
    assert history.after(5).play(event, Tick()).actions == [Action.SWEEP]
    assert history.play(event, Tick()).actions == []


def test_a_worker_that_could_not_open_its_venue_left_nothing_and_is_not_swept() -> None:
    assert History().play(Start(), Forked(10), Exited(76, clean=True)).record.state is State.FATAL
    assert History().play(Start(), Forked(10), Exited(75, clean=True)).record.state is State.BACKOFF
