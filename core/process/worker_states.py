"""What the supervisor decides, without doing any of it: (record, what happened, now) -> (record, actions).

Pure: no clock, process or randomness of its own. `TABLE` lists every state with the events it answers; an event
that a state does not list is a bug in the shell and raises. The shell (`supervisor.py`) carries actions out and
wakes up at `WorkerRecord.due_ns`.

One rule stands above the policy: a worker that did not prove that it left no order is followed by a sweep, and
nothing else happens for that bot until the sweep is confirmed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.process.worker_policy import Decision, enter, exited, fork_failed, start_again, unusable, wait_for_holder
from core.process.worker_record import (
    Action,
    Close,
    Exited,
    Forked,
    ForkFailed,
    Happening,
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
from core.process.worker_requests import (
    close,
    close_after_stop,
    close_after_sweep,
    close_down,
    leave_by,
    pause,
    pause_later,
    plan_handover,
    plan_restart,
    restart_now,
    resume,
    resume_later,
    start,
    start_halted,
    start_waiting,
    stop,
    stop_waiting,
    sweep_now,
    tidy_up,
    unwant,
    unwant_in_sweep,
    unwant_while_stopping,
    want,
    want_after_stop,
    want_after_sweep,
)

DUMP_NS = 800_000_000  # how long a stuck worker may take to write its stacks
SWEEP_LIMIT_NS = 20_000_000_000  # for a sweeper that says nothing of what it needs
SWEEP_RETRY_FIRST_NS = 500_000_000
SWEEP_RETRY_MAX_NS = 30_000_000_000
SWEEP_RETRY_AUTH_NS = 60_000_000_000  # a key that is not accepted is not tried in a loop

_s = 1_000_000_000


def decide(record: WorkerRecord, happening: Happening, now_ns: int, jitter: float = 0.5) -> Decision:
    """Return the record after `happening` and what to do; `jitter` is uniform in [0, 1).

    Raises KeyError when the state does not know the event.
    """
    handler = TABLE[record.state][type(happening)]
    return handler(record, happening, now_ns, jitter)


def next_due_ns(record: WorkerRecord) -> int | None:
    """Return when the record next wants a Tick; a child that is killed is only waited for."""
    if record.killed:
        return None
    times = [record.due_ns]
    if record.state in (State.STARTING, State.RUNNING, State.STOPPING) and record.pid is not None:
        times.append(
            record.heartbeat_ns + int(record.config.heartbeat_timeout_s * _s)
            if record.dumped_ns is None
            else record.dumped_ns + DUMP_NS
        )
        times.append(
            None if record.state is State.STOPPING else record.handover_until_ns
        )  # then its own deadline counts
        if (restart_ns := _scheduled_restart_ns(record)) is not None:
            times.append(restart_ns)
    known = [time for time in times if time is not None]
    return min(known) if known else None


# ---------------------------------------------------------------- life


def _forked(record: WorkerRecord, event: Forked, now_ns: int, _jitter: float) -> Decision:
    # From here on the worker may have sent an order, whatever becomes of it.
    born = replace(record, pid=event.pid, started_ns=now_ns, heartbeat_ns=now_ns, dirty=event.has_orders)
    return born, [Action.ASK_CLOSE] if record.closing else []  # it may have been asked for before the close was


def _forked_stopping(record: WorkerRecord, event: Forked, now_ns: int, jitter: float) -> Decision:
    """A stop was asked while the fork was under way: pass it on."""
    return _forked(record, event, now_ns, jitter)[0], [Action.ASK_STOP]


def _sweeper_forked(record: WorkerRecord, event: Forked, now_ns: int, _jitter: float) -> Decision:
    return replace(record, pid=event.pid, due_ns=now_ns + SWEEP_LIMIT_NS), []


def _ready(record: WorkerRecord, _event: Ready, now_ns: int, _jitter: float) -> Decision:
    ready = replace(record, state=State.RUNNING, ready_ns=now_ns, reason="", reset=False, fresh=False)
    ready = replace(ready, held_since_ns=None)
    # Pause again: it may have been asked for after the worker was.
    return replace(ready, handover_until_ns=None), [Action.PAUSE] if record.paused else []


def _allow_opening(record: WorkerRecord, event: Needs, now_ns: int, _jitter: float) -> Decision:
    """Let a worker be silent while it opens its venues; its first heartbeat ends that."""
    return replace(record, heartbeat_ns=max(record.heartbeat_ns, now_ns + int(event.seconds * _s))), []


def _allow_sweeper(record: WorkerRecord, event: Needs, now_ns: int, _jitter: float) -> Decision:
    """Give a living sweeper the time that it says its venues may take, never less than it has."""
    if record.pid is None or record.due_ns is None or record.killed:
        return record, []
    return replace(record, due_ns=max(record.due_ns, now_ns + int(event.seconds * _s))), []


def _same(record: WorkerRecord, _event: Happening, _now_ns: int, _jitter: float) -> Decision:
    return record, []


def _watch(record: WorkerRecord, event: Tick, now_ns: int, _jitter: float) -> Decision:
    """Judge a living worker: stuck, too late to take over, due for a planned restart, or fine."""
    if record.pid is None or record.killed:
        return record, []
    if (judged := _judge_silence(record, event, now_ns)) is not None:
        return judged
    if record.handover_until_ns is not None and now_ns >= record.handover_until_ns:
        return replace(record, killed=True, reason="did not take over in time"), [Action.KILL]
    if (restart_ns := _scheduled_restart_ns(record)) is not None and now_ns >= restart_ns:
        return leave_by(replace(record, restarting=True, reason="scheduled restart"), now_ns, Action.ASK_HANDOVER)
    return record, []


def _scheduled_restart_ns(record: WorkerRecord) -> int | None:
    """Return when a bot is restarted by its config, None when it is not; a close comes first, however long it takes."""
    interval_ns = int(record.config.restart_interval_min * 60 * _s)
    if not interval_ns or record.ready_ns is None or record.state is not State.RUNNING or record.closing:
        return None
    return record.ready_ns + interval_ns


def _judge_silence(record: WorkerRecord, event: Tick, now_ns: int) -> Decision | None:
    """Take the next step against a worker that does not beat: its stacks first, where it can still write them."""
    if record.dumped_ns is not None:
        if now_ns < record.dumped_ns + DUMP_NS:
            return record, []
        return replace(record, killed=True), [Action.KILL]
    silent_ns = now_ns - record.heartbeat_ns
    if silent_ns < record.config.heartbeat_timeout_s * _s:
        return None
    reason = f"no heartbeat for {silent_ns / _s:.1f} s"
    if event.frozen:
        return replace(record, killed=True, reason=f"{reason}, stopped by a signal"), [Action.KILL]
    return replace(record, dumped_ns=now_ns, reason=reason), [Action.DUMP]


def _overweight(record: WorkerRecord, event: Overweight, now_ns: int, _jitter: float) -> Decision:
    return leave_by(replace(record, overweight=True, reason=event.reason), now_ns, Action.ASK_STOP)


def _stop_overdue(record: WorkerRecord, event: Tick, now_ns: int, _jitter: float) -> Decision:
    if record.killed or record.pid is None:
        return record, []
    if record.due_ns is not None and now_ns >= record.due_ns:
        return replace(record, killed=True, reason="did not stop in time"), [Action.KILL]
    return _judge_silence(record, event, now_ns) or (record, [])


def _backoff_over(record: WorkerRecord, _event: Tick, now_ns: int, _jitter: float) -> Decision:
    if record.restart_ns is not None and now_ns < record.restart_ns:
        return record, []
    return start_again(record, now_ns)


# ---------------------------------------------------------------- sweep


def _sweep_ended(record: WorkerRecord, event: SweepEnded, now_ns: int, _jitter: float) -> Decision:
    record = replace(record, pid=None, due_ns=None, killed=False)
    if event.confirmed:
        return enter(replace(record, dirty=False, held_by=None, held_since_ns=None), record.then, now_ns)
    if event.held_by is not None:
        return wait_for_holder(record, event.held_by, now_ns)
    attempt = record.sweep_attempt + 1
    pause_ns = min(SWEEP_RETRY_MAX_NS, SWEEP_RETRY_FIRST_NS * 2 ** min(attempt - 1, 10))
    due_ns = now_ns + (SWEEP_RETRY_AUTH_NS if event.auth else pause_ns)
    actions = [Action.ALERT] if attempt == (1 if event.auth else 3) else []
    return replace(record, sweep_attempt=attempt, due_ns=due_ns, reason=event.reason), actions


def _sweep_fork_failed(record: WorkerRecord, event: ForkFailed, now_ns: int, jitter: float) -> Decision:
    return _sweep_ended(record, SweepEnded(False, event.reason), now_ns, jitter)


def _sweep_again(record: WorkerRecord, _event: Tick, now_ns: int, _jitter: float) -> Decision:
    if record.due_ns is None or now_ns < record.due_ns or record.killed:
        return record, []  # one is asked for, or it is not time yet
    if record.pid is not None:
        return replace(record, killed=True), [Action.KILL]  # it hangs; its end is followed by another one
    return replace(record, due_ns=None), [Action.SWEEP]


Handler = Callable[[WorkerRecord, Any, int, float], Decision]  # each takes the event type it is listed under

_LIVING: dict[type, Handler] = {
    Start: want,
    Stop: stop,
    Restart: plan_restart,
    Pause: pause,
    Resume: resume,
    Close: close,
    Forked: _forked,
    ForkFailed: fork_failed,
    Ready: _ready,
    Exited: exited,
    Needs: _same,
    Tick: _watch,
    Overweight: _overweight,
    Unusable: unusable,
}
_DOWN: dict[type, Handler] = {
    Start: start,
    Stop: unwant,
    Restart: restart_now,
    Pause: pause_later,
    Resume: resume_later,
    Close: close_down,
    TidyUp: tidy_up,
    Tick: _same,
    Unusable: unusable,
    Overweight: _same,
}
TABLE: dict[State, dict[type, Handler]] = {
    State.STOPPED: _DOWN,
    State.FATAL: _DOWN,
    State.HALTED: {**_DOWN, Start: start_halted, Restart: _same},
    State.STARTING: {**_LIVING, Needs: _allow_opening},
    State.RUNNING: {**_LIVING, Ready: _same, Restart: plan_handover},
    State.STOPPING: {
        **_LIVING,
        Start: want_after_stop,
        Stop: unwant_while_stopping,
        Restart: _same,  # stopping wins
        Pause: pause_later,
        Resume: resume_later,
        Close: close_after_stop,
        Forked: _forked_stopping,
        Ready: _same,
        Tick: _stop_overdue,
        Overweight: _same,
    },
    State.BACKOFF: {**_DOWN, Start: start_waiting, Stop: stop_waiting, Tick: _backoff_over},
    State.SWEEPING: {
        Start: want_after_sweep,
        Stop: unwant_in_sweep,
        Restart: sweep_now,
        Pause: pause_later,
        Resume: resume_later,
        Close: close_after_sweep,
        Forked: _sweeper_forked,
        ForkFailed: _sweep_fork_failed,
        SweepEnded: _sweep_ended,
        Needs: _allow_sweeper,
        Tick: _sweep_again,
        Unusable: _same,
        Overweight: _same,
    },
}
