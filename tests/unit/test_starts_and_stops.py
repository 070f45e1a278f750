"""Which start begins a run, and which stop closes a position: the supervisor's table, played."""

from __future__ import annotations

import socket

import pytest

from core.process.child import Child, ending_of
from core.process.event_rows import rows_of
from core.process.worker_record import (
    Action,
    Close,
    Exited,
    Forked,
    Overweight,
    Ready,
    Restart,
    Start,
    State,
    Stop,
    SweepEnded,
    WorkerRecord,
)
from core.process.worker_states import decide
from tests.unit.worker_history import History

CLOSING = Stop(close=True)


def test_a_start_from_rest_begins_a_run_until_a_worker_is_ready() -> None:
    history = History().play(Start())
    assert history.record.fresh
    history.play(Forked(1), Exited(70, clean=True))
    assert (history.record.state, history.record.fresh) == (State.BACKOFF, True)  # nobody has taken it up
    history.after(600).play(Forked(2), Ready())
    assert not history.record.fresh


def test_a_crash_a_planned_restart_and_a_handover_begin_no_run() -> None:
    crashed = History().running().play(Exited(70, clean=True)).after(600)
    assert (crashed.record.state, crashed.record.fresh) == (State.STARTING, False)
    restarted = History().running().play(Restart(handover=False), Exited(0, clean=True))
    assert (restarted.record.state, restarted.record.fresh) == (State.STARTING, False)
    handed = History().running().play(Restart(), Exited(0, handover=True))
    assert (handed.record.state, handed.record.fresh) == (State.STARTING, False)


@pytest.mark.parametrize("event", [Start(), Restart()])
def test_who_asks_for_a_bot_that_waits_after_a_crash_begins_no_run(event: object) -> None:
    history = History().running().play(Exited(70, clean=True), event)
    assert (history.record.state, history.record.fresh) == (State.STARTING, False)


@pytest.mark.parametrize("event", [Start(), Restart()])
def test_a_bot_at_rest_begins_a_run_however_it_is_started(event: object) -> None:
    history = History().running().play(Stop(), Exited(0, clean=True), event)
    assert (history.record.state, history.record.fresh) == (State.STARTING, True)


def test_a_start_that_meets_a_stop_begins_a_run_and_one_that_meets_a_restart_does_not() -> None:
    stopped = History().running().play(Stop(), Start(), Exited(0, clean=True))
    assert (stopped.record.state, stopped.record.fresh) == (State.STARTING, True)
    restarted = History().running().play(Restart(), Start(), Exited(0, clean=True))
    assert (restarted.record.state, restarted.record.fresh) == (State.STARTING, False)


def test_a_start_in_a_sweep_begins_a_run_unless_it_was_to_be_started_again() -> None:
    stopped = History().running().play(Stop(), Exited(None, 9), Start(), Forked(2), SweepEnded(True))
    assert (stopped.record.state, stopped.record.fresh) == (State.STARTING, True)
    crashed = History().running().play(Exited(None, 9), Start(), Forked(2), SweepEnded(True)).after(600)
    assert (crashed.record.state, crashed.record.fresh) == (State.STARTING, False)


def test_a_stop_of_a_running_bot_closes_and_says_how_it_went() -> None:
    history = History().running().play(CLOSING)
    assert (history.record.closing_stop, history.actions) == (True, [Action.ASK_STOP])
    history.play(Exited(0, clean=True, closed=True))
    assert (history.record.state, history.record.closed, history.record.closing_stop) == (State.STOPPED, True, False)
    assert history.actions == []


@pytest.mark.parametrize("end", [Exited(0, clean=True, reason="not closed"), Exited(None, 9, reason="killed")])
def test_a_position_that_is_left_is_an_alert_of_its_own(end: Exited) -> None:
    history = History().running().play(CLOSING)
    before = history.record
    history.play(end)
    assert Action.ALERT in history.actions
    assert not history.record.closed
    rows = rows_of("paper", before, end, history.record, history.actions)
    assert [row.alert for row in rows if row.alert] == ["position_left"]


@pytest.mark.parametrize("events", [(Restart(),), (Restart(handover=False),), (Overweight("too heavy"),)])
def test_what_is_no_stop_closes_nothing(events: tuple[object, ...]) -> None:
    assert not History().running().play(*events).record.closing_stop


def test_a_bot_that_is_not_ready_is_stopped_without_a_close() -> None:
    assert not History().play(Start(), Forked(1), CLOSING).record.closing_stop
    assert not History().running().play(Exited(70, clean=True), CLOSING).record.closing_stop


def test_a_stop_that_meets_a_handover_closes_and_one_that_meets_a_stop_for_a_restart_does_not() -> None:
    handing = History().running().play(Restart(), CLOSING)
    assert (handing.record.closing_stop, handing.actions) == (True, [Action.ASK_STOP])
    assert not History().running().play(Restart(handover=False), CLOSING).record.closing_stop


def test_a_close_that_follows_such_a_stop_goes_on_until_it_is_flat() -> None:
    history = History().running().play(CLOSING, Close(), Exited(0, clean=True, closed=False))
    assert (history.record.state, history.record.closing) == (State.BACKOFF, True)


def test_a_record_of_a_version_without_these_fields_is_read() -> None:
    plain = WorkerRecord("bot").to_plain()
    del plain["fresh"], plain["closing_stop"]
    assert WorkerRecord.from_plain(plain) == WorkerRecord("bot")
    assert decide(WorkerRecord("bot"), Stop(), 1)[0].state is State.STOPPED


@pytest.mark.parametrize("asked", [(), (Stop(),)])
def test_a_position_that_a_worker_left_is_an_alert_whoever_asked_it_to_close(asked: tuple[object, ...]) -> None:
    history = History().running().play(*asked)
    before, end = history.record, Exited(0, clean=True, reason="asked to stop (not closed: ...)", left_position=True)
    history.play(end)
    assert (history.record.state, history.record.closed) == (State.STOPPED, False)
    rows = rows_of("paper", before, end, history.record, history.actions)
    assert [(row.alert, row.fields["reason"]) for row in rows if row.alert] == [("position_left", end.reason)]


def test_a_position_that_was_left_is_no_alert_of_a_bot_that_goes_on() -> None:
    history = History().running().play(CLOSING, Start(), Exited(0, clean=True, left_position=True))
    assert (history.record.state, history.actions) == (State.STARTING, [Action.SPAWN])


def test_a_limit_that_trips_while_a_signal_has_the_position_closed_hides_nothing() -> None:
    history = History().running()
    before, end = history.record, Exited(77, clean=True, reason="max_loss", left_position=True)
    history.play(end)
    rows = rows_of("paper", before, end, history.record, history.actions)
    assert [row.alert for row in rows if row.alert] == ["halt", "position_left"]


def test_what_a_worker_says_of_its_position_counts_only_with_the_status_that_it_ended_with() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = Child("worker", "bot", ours, 1, last_words={"t": "exit", "status": 0, "left_position": True})
        ends = [ending_of(child, status << 8) for status in (0, 70)]
    assert [isinstance(end, Exited) and end.left_position for end in ends] == [True, False]
