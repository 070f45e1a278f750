"""The supervisor's decisions, as a table and as histories; time is a number."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bot_config import DaemonConfig
from core.process.identity import Identity
from core.process.worker_policy import CLAIM_RETRY_NS, backoff_ns
from core.process.worker_record import (
    Action,
    Close,
    Exited,
    Forked,
    ForkFailed,
    Needs,
    Overweight,
    Pause,
    Ready,
    Restart,
    Resume,
    Start,
    State,
    Stop,
    SweepEnded,
    Tick,
    TidyUp,
    Unusable,
    WorkerRecord,
)
from core.process.worker_states import DUMP_NS, TABLE, decide, next_due_ns
from tests.unit.worker_history import History, S

HOLDER = Identity(99, 7, "boot")


def test_a_start_forks_and_readiness_makes_it_running() -> None:
    history = History().play(Start())
    assert (history.record.state, history.actions) == (State.STARTING, [Action.SPAWN])
    assert history.play(Forked(10), Ready()).record.state is State.RUNNING


def test_a_bot_that_left_orders_is_swept_before_it_starts() -> None:
    history = History()
    history.record = WorkerRecord("bot", dirty=True)
    history.play(Start())
    assert (history.record.state, history.actions) == (State.SWEEPING, [Action.SWEEP])
    history.play(Forked(11), SweepEnded(True))
    assert (history.record.state, history.actions) == (State.STARTING, [Action.SPAWN])


def test_a_killed_worker_is_swept_then_waits_its_backoff_then_restarts() -> None:
    history = History(backoff_initial_s=1.0).running()
    history.play(Exited(None, 9))
    assert (history.record.state, history.actions) == (State.SWEEPING, [Action.SWEEP])
    history.play(Forked(11), SweepEnded(True))
    assert history.record.state is State.BACKOFF
    assert history.after(0.5).record.state is State.BACKOFF
    history.after(0.6)
    assert (history.record.state, history.actions, history.record.restarts) == (State.STARTING, [Action.SPAWN], 1)


def test_a_long_sweep_uses_up_the_backoff() -> None:
    history = History(backoff_initial_s=1.0).running().play(Exited(70))
    history.now_ns += 5 * S
    assert history.play(Forked(11), SweepEnded(True)).record.state is State.STARTING


@pytest.mark.parametrize(
    ("status", "state"),
    [(0, State.STOPPED), (64, State.FATAL), (76, State.FATAL), (77, State.HALTED), (78, State.FATAL)],
)
def test_the_cause_decides_where_a_clean_exit_leads(status: int, state: State) -> None:
    assert History().running().play(Exited(status, clean=True)).record.state is state


@pytest.mark.parametrize("status", [70, 75, 1, 139])
def test_crashes_and_unreachable_venues_are_tried_again(status: int) -> None:
    assert History().running().play(Exited(status, clean=True)).record.state is State.BACKOFF


def test_restart_never_narrows_the_policy() -> None:
    assert History(restart="never").running().play(Exited(70, clean=True)).record.state is State.STOPPED


def test_too_many_crashes_in_the_window_are_fatal() -> None:
    history = History(max_restarts=3, backoff_initial_s=0.1, backoff_max_s=0.1).play(Start())
    for _ in range(3):
        history.play(Forked(1), Exited(70, clean=True))
        assert history.record.state is State.BACKOFF
        history.after(0.2)
    history.play(Forked(1), Exited(70, clean=True))
    assert (history.record.state, history.actions) == (State.FATAL, [Action.ALERT])


def test_an_unreachable_venue_is_never_fatal() -> None:
    history = History(max_restarts=1, backoff_initial_s=0.1, backoff_max_s=0.1).play(Start())
    for _ in range(50):
        history.play(Forked(1), Exited(75, clean=True)).after(0.2)
    assert history.record.state is State.STARTING


def test_a_healthy_period_forgives_the_backoff() -> None:
    history = History(backoff_initial_s=1.0, min_uptime_s=10).play(Start())
    for _ in range(3):
        history.play(Forked(1), Exited(70, clean=True)).after(30)
    history.play(Forked(1), Ready())
    history.now_ns += 11 * S
    assert history.play(Exited(70, clean=True)).record.attempt == 1


def test_backoff_doubles_up_to_its_cap_with_a_fifth_of_jitter() -> None:
    config = DaemonConfig(backoff_initial_s=1, backoff_max_s=5)
    assert [backoff_ns(config, attempt, 0.5) / S for attempt in (1, 2, 3, 4, 400)] == [1, 2, 4, 5, 5]
    assert backoff_ns(config, 1, 0.0) == 0.8 * S


def test_a_silent_worker_is_dumped_then_killed_then_swept() -> None:
    history = History(heartbeat_timeout_s=3.0).running()
    assert history.after(2.9).actions == []
    assert history.after(0.2).actions == [Action.DUMP]
    assert history.after(0.5).actions == []
    assert history.after(0.4).actions == [Action.KILL]
    assert history.after(5).actions == []
    assert history.play(Exited(None, 9)).actions == [Action.SWEEP]


def test_a_stop_asks_then_kills_at_the_deadline_then_sweeps() -> None:
    history = History(stop_timeout_s=5.0).running().play(Stop())
    assert (history.record.state, history.actions) == (State.STOPPING, [Action.ASK_STOP])
    assert history.after(6.9).actions == []
    assert history.after(0.2).actions == [Action.KILL]
    history.play(Exited(None, 9), Forked(12), SweepEnded(True))
    assert history.record.state is State.STOPPED


def test_a_stop_during_the_fork_reaches_the_newborn() -> None:
    history = History().play(Start(), Stop())
    assert history.play(Forked(10)).actions == [Action.ASK_STOP]


def test_stopping_wins_over_restarting() -> None:
    history = History().running().play(Restart(), Stop(), Exited(0, clean=True))
    assert history.record.state is State.STOPPED


def test_a_start_during_a_stop_is_remembered() -> None:
    history = History().running().play(Stop(), Start(), Exited(0, clean=True))
    assert (history.record.state, history.actions) == (State.STARTING, [Action.SPAWN])


def test_a_planned_restart_that_had_to_be_killed_still_restarts_after_its_sweep() -> None:
    history = History(stop_timeout_s=1.0).running().play(Restart())
    history.after(4).play(Exited(None, 9), Forked(12), SweepEnded(True))
    assert history.record.state is State.STARTING


def test_a_planned_restart_of_a_bot_that_halts_stays_halted() -> None:
    assert History().running().play(Restart(), Exited(77, clean=True)).record.state is State.HALTED


def test_a_scheduled_restart_comes_at_its_time() -> None:
    history = History(restart_interval_min=1, heartbeat_timeout_s=1000).running()
    assert history.after(59).actions == []
    assert history.after(1.5).actions == [Action.ASK_HANDOVER]


def test_a_close_comes_before_a_scheduled_restart_and_keeps_nobody_busy() -> None:
    history = History(restart_interval_min=1, heartbeat_timeout_s=1000).running().play(Close()).after(90)
    assert (history.actions, history.record.state) == ([], State.RUNNING)
    due_ns = next_due_ns(history.record)
    assert due_ns is not None and due_ns > history.now_ns, "it would be looked at without a pause"


def test_a_successor_that_is_stopped_keeps_nobody_busy_when_its_handover_is_over() -> None:
    history = History(heartbeat_timeout_s=1000).running().play(Restart(), Exited(0, handover=True), Forked(11))
    until_ns = history.record.handover_until_ns
    assert until_ns is not None
    history.after(5).play(Stop())
    history.now_ns = until_ns
    history.play(Tick())
    due_ns = next_due_ns(history.record)
    assert history.record.state is State.STOPPING and due_ns is not None and due_ns > until_ns


def test_a_worker_past_its_memory_limit_is_restarted() -> None:
    history = History().running().play(Overweight("300 MB"))
    assert history.actions == [Action.ASK_STOP]
    history.play(Exited(0, clean=True))
    assert (history.record.state, history.record.restarts) == (State.BACKOFF, 0)
    assert history.after(1.1).record.state is State.STARTING


def test_a_worker_that_is_always_too_heavy_waits_longer_each_time_and_alerts() -> None:
    history, pauses = History(backoff_initial_s=1.0, min_uptime_s=1), []
    history.play(Start())
    for _ in range(4):
        history.play(Forked(10), Ready())
        history.now_ns += 20 * S
        history.play(Overweight("300 MB"), Exited(0, clean=True))
        assert (Action.ALERT in history.actions) == (len(pauses) == 2)
        pauses.append(((history.record.due_ns or 0) - history.now_ns) / S)
        history.now_ns = history.record.due_ns or 0
        history.play(Tick())
    assert pauses == [1, 2, 4, 8]


def test_a_slow_leak_is_restarted_after_the_first_pause_every_time() -> None:
    history = History(backoff_initial_s=1.0, heartbeat_timeout_s=1e6).play(Start())
    for _ in range(3):
        history.play(Forked(10), Ready())
        history.now_ns += 700 * S
        history.play(Overweight("300 MB"), Exited(0, clean=True))
        assert history.record.attempt == 1
        history.after(1.1)


def test_a_halt_needs_a_reset_not_a_start() -> None:
    history = History().running().play(Exited(77, clean=True), Start())
    assert history.record.state is State.HALTED
    assert history.play(Start(reset=True)).record.reset


def test_a_reload_does_not_revive_a_halted_bot() -> None:
    assert History().running().play(Exited(77, clean=True), Restart()).record.state is State.HALTED


def test_a_worker_refused_by_an_earlier_self_waits_then_ends_it() -> None:
    history = History(stop_timeout_s=2.0).play(Start(), Forked(10), Exited(75, held_by=HOLDER))
    assert history.record.state is State.SWEEPING
    kills = 0
    for _ in range(20):
        history.after(CLAIM_RETRY_NS / S)
        assert history.actions == [Action.SWEEP]
        history.play(Forked(11), SweepEnded(False, held_by=HOLDER))
        kills += history.actions.count(Action.KILL_HOLDER)
    assert kills > 0
    history.after(1).play(Forked(11), SweepEnded(True))
    assert history.record.state is State.STARTING


def test_a_bot_whose_imports_fail_is_fatal_alone() -> None:
    history = History().play(Start(), Unusable("ImportError: x"))
    assert (history.record.state, history.record.reason) == (State.FATAL, "ImportError: x")


def test_a_failed_fork_backs_off() -> None:
    history = History().play(Start(), ForkFailed("fork: EAGAIN"))
    assert history.record.state is State.BACKOFF
    assert history.after(2).record.state is State.STARTING


def test_tidying_up_sweeps_a_stopped_bot_and_leaves_it_stopped() -> None:
    history = History()
    history.record = WorkerRecord("bot", dirty=True)
    history.play(TidyUp(), Forked(3), SweepEnded(True))
    assert (history.record.state, history.record.dirty) == (State.STOPPED, False)


def test_every_state_has_a_row() -> None:
    assert set(TABLE) == set(State)


def test_a_worker_stopped_by_a_signal_is_killed_without_waiting_for_its_stacks() -> None:
    history = History(heartbeat_timeout_s=3.0).running()
    history.now_ns += 4 * S
    assert history.play(Tick(frozen=True)).actions == [Action.KILL]
    assert "signal" in history.record.reason


def test_a_worker_that_hangs_while_it_stops_does_not_get_its_whole_deadline() -> None:
    history = History(heartbeat_timeout_s=3.0, stop_timeout_s=600).running().play(Stop())
    assert history.after(3.1).actions == [Action.DUMP]
    assert history.after(1).actions == [Action.KILL]


EVENTS = st.sampled_from(
    [
        Start(),
        Start(reset=True),
        Stop(),
        Restart(),
        Forked(5),
        ForkFailed("x"),
        Ready(),
        Exited(0, clean=True),
        Exited(0),
        Exited(70),
        Exited(75, clean=True),
        Exited(77, clean=True),
        Exited(78, clean=True),
        Exited(None, 9),
        Exited(75, held_by=HOLDER),
        SweepEnded(True),
        SweepEnded(False),
        SweepEnded(False, held_by=HOLDER),
        SweepEnded(False, auth=True),
        Needs(50),
        Overweight("x"),
        Tick(),
        Tick(frozen=True),
        Pause("x"),
        Resume(),
        Close(),
        Close(sell_base=True),
        Restart(handover=False),
        Exited(0, handover=True),
        Exited(0, clean=True, closed=True),
    ]
)


@settings(max_examples=400)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 40)), max_size=60), st.booleans(), st.sampled_from([0.0, 1.0]))
def test_no_history_starts_a_worker_that_may_have_left_orders(
    steps: list[tuple[object, int]], dirty: bool, restart_interval_min: float
) -> None:
    """Whatever happens in any order: at most one child, a spawn only when nothing can be left, no busy loop."""
    config = DaemonConfig(restart_interval_min=restart_interval_min)
    record, now_ns, alive = WorkerRecord("bot", config, dirty=dirty), 0, None  # alive: the child that exists
    for event, seconds in steps:
        now_ns += seconds * S
        if not _possible(record, event, alive):
            continue
        if isinstance(event, Forked):
            alive = "sweeper" if record.state is State.SWEEPING else "worker"
        elif isinstance(event, (Exited, SweepEnded, ForkFailed)):
            alive = None
        record, actions = decide(record, event, now_ns)  # type: ignore[arg-type]
        if Action.SPAWN in actions:
            assert not record.dirty or (record.handover_until_ns is not None and event == Exited(0, handover=True))
            assert alive is None
            alive = "asked worker"
        if Action.SWEEP in actions:
            assert alive is None
            alive = "asked sweeper"
        due = next_due_ns(record)
        if due is not None and due <= now_ns and not record.killed:
            again, _ = decide(record, Tick(), now_ns)
            later = next_due_ns(again)
            assert again != record or (later is not None and later > now_ns) or record.pid is None
    if record.settled and alive is None:
        assert not record.dirty or record.state is State.STOPPED or dirty


def _possible(record: WorkerRecord, event: object, alive: str | None) -> bool:
    """Only what the world can do: children are born when asked for and die when alive."""
    if type(event) not in TABLE[record.state]:
        return False
    if isinstance(event, Forked):
        return alive in ("asked worker", "asked sweeper")
    if isinstance(event, ForkFailed):
        return alive in ("asked worker", "asked sweeper")
    if isinstance(event, Exited):
        return alive == "worker"
    if isinstance(event, SweepEnded):
        return alive == "sweeper"
    if isinstance(event, Ready):
        return alive == "worker"
    return True


def test_the_dump_gets_at_most_a_second() -> None:
    assert 0 < DUMP_NS <= S
