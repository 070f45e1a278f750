"""States of a worker that hands over, is paused or is closed."""

from __future__ import annotations

import pytest

from core.process.worker_record import (
    Action,
    Close,
    Exited,
    Forked,
    ForkFailed,
    Pause,
    Ready,
    Restart,
    Resume,
    State,
    Stop,
    SweepEnded,
)
from tests.unit.worker_history import History, S


def test_a_planned_restart_hands_the_orders_over_without_a_sweep() -> None:
    history = History().running().play(Restart())
    assert (history.record.state, history.actions) == (State.STOPPING, [Action.ASK_HANDOVER])
    history.play(Exited(0, handover=True))
    assert (history.record.state, history.actions) == (State.STARTING, [Action.SPAWN])
    assert history.record.handover_until_ns is not None
    history.play(Forked(11), Ready())
    assert (history.record.state, history.record.handover_until_ns) == (State.RUNNING, None)
    assert history.record.restarts == 1


def test_a_successor_that_is_not_ready_in_time_is_killed_and_swept() -> None:
    history = History(stop_timeout_s=5.0, heartbeat_timeout_s=1000).running()
    history.play(Restart(), Exited(0, handover=True), Forked(11))
    assert history.after(6).actions == []
    assert history.after(2).actions == [Action.KILL]
    assert history.play(Exited(None, 9)).actions == [Action.SWEEP]


@pytest.mark.parametrize("end", [Exited(0, clean=True), Exited(75, clean=True), Exited(70), ForkFailed("x")])
def test_whatever_becomes_of_a_successor_before_it_is_ready_is_swept(end: object) -> None:
    history = History().running().play(Restart(), Exited(0, handover=True))
    if not isinstance(end, ForkFailed):
        history.play(Forked(11))
    assert history.play(end).actions == [Action.SWEEP]


def test_a_worker_that_hands_over_unasked_is_swept() -> None:
    assert History().running().play(Exited(0, handover=True)).actions == [Action.SWEEP]


def test_a_stop_during_a_handover_has_the_orders_cancelled() -> None:
    history = History().running().play(Restart(), Stop())
    assert history.actions == [Action.ASK_STOP]
    assert history.play(Exited(0, handover=True)).actions == [Action.SWEEP]
    assert history.play(Forked(12), SweepEnded(True)).record.state is State.STOPPED


def test_a_changed_market_is_not_handed_over() -> None:
    assert History().running().play(Restart(handover=False)).actions == [Action.ASK_STOP]


def test_a_pause_is_repeated_to_the_next_worker_until_somebody_resumes() -> None:
    history = History(backoff_initial_s=0).running()
    assert history.play(Pause()).actions == [Action.PAUSE]
    history.play(Exited(70, clean=True)).after(1).play(Forked(11))
    assert history.play(Ready()).actions == [Action.PAUSE]
    assert history.play(Resume()).actions == [Action.RESUME]
    assert not history.record.paused


def test_a_running_bot_is_closed_by_its_own_worker_and_then_rests() -> None:
    history = History().running().play(Close())
    assert (history.record.state, history.actions) == (State.RUNNING, [Action.ASK_CLOSE])
    history.play(Exited(0, clean=True, closed=True))
    assert (history.record.state, history.record.closing, history.record.wanted) == (State.STOPPED, False, False)


@pytest.mark.parametrize(("status", "state"), [(77, State.HALTED), (78, State.FATAL), (0, State.STOPPED)])
def test_a_bot_that_rests_is_closed_by_a_worker_of_its_own_and_comes_back_to_its_state(
    status: int, state: State
) -> None:
    history = History().running().play(Exited(status, clean=True))
    history.play(Close())
    assert (history.record.state, history.actions, history.record.closing) == (State.STARTING, [Action.SPAWN], True)
    history.play(Forked(12), Ready(), Exited(0, clean=True, closed=True))
    assert (history.record.state, history.record.closing) == (state, False)


def test_a_dead_bot_is_swept_before_it_is_closed() -> None:
    history = History().running().play(Exited(None, 9))
    history.play(Close(), Forked(12), SweepEnded(True))
    assert (history.record.state, history.actions, history.record.closing) == (State.STARTING, [Action.SPAWN], True)


def test_a_stuck_bot_is_killed_swept_and_closed() -> None:
    history = History(heartbeat_timeout_s=600).running()
    history.now_ns += 4 * S
    assert history.play(Close()).actions == [Action.DUMP]
    assert history.after(1).actions == [Action.KILL]
    history.play(Exited(None, 9), Forked(12), SweepEnded(True)).after(2)
    assert (history.record.state, history.record.closing) == (State.STARTING, True)


def test_a_closing_that_fails_is_tried_again_and_again() -> None:
    history = History(max_restarts=1, backoff_initial_s=1, backoff_max_s=1).running().play(Close())
    for _ in range(10):
        history.play(Exited(70, clean=True))
        assert history.record.state is State.BACKOFF
        history.after(1.3).play(Forked(13))
        assert history.actions == [Action.ASK_CLOSE]


def test_a_stop_ends_a_closing() -> None:
    history = History().running().play(Close(), Stop(), Exited(0, clean=True))
    assert (history.record.state, history.record.closing) == (State.STOPPED, False)


def test_a_limit_that_trips_during_a_closing_leaves_the_bot_halted() -> None:
    history = History().running().play(Close(), Exited(77, clean=True)).after(2)
    assert history.record.closing
    history.play(Forked(12), Exited(0, clean=True, closed=True))
    assert history.record.state is State.HALTED
