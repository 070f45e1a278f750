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
    Exited,
    Forked,
    ForkFailed,
    Happening,
    Needs,
    Overweight,
    Ready,
    Restart,
    Start,
    State,
    Stop,
    SweepEnded,
    Tick,
    TidyUp,
    Unusable,
    WorkerRecord,
)

DUMP_NS = 1_000_000_000  # how long a stuck worker may take to write its stacks
KILL_MARGIN_NS = 2_000_000_000  # beyond the worker's own stop time-out
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
    if record.state in (State.STARTING, State.RUNNING) and record.pid is not None:
        times.append(
            record.heartbeat_ns + int(record.config.heartbeat_timeout_s * _s)
            if record.dumped_ns is None
            else record.dumped_ns + DUMP_NS
        )
        if record.config.restart_interval_min and record.ready_ns is not None:
            times.append(record.ready_ns + int(record.config.restart_interval_min * 60 * _s))
    known = [time for time in times if time is not None]
    return min(known) if known else None


def _start(record: WorkerRecord, event: Start, now_ns: int, _jitter: float) -> Decision:
    fresh = replace(record, wanted=True, reset=event.reset, attempt=0, crashes_ns=(), reason="")
    return enter(fresh, State.STARTING, now_ns)


def _start_halted(record: WorkerRecord, event: Start, now_ns: int, jitter: float) -> Decision:
    if not event.reset:
        return record, []  # a latch is cleared by an operator's reset only
    return _start(record, event, now_ns, jitter)


def _tidy_up(record: WorkerRecord, _event: TidyUp, now_ns: int, _jitter: float) -> Decision:
    return enter(record, record.state, now_ns)


def _want(record: WorkerRecord, _event: Start, _now_ns: int, _jitter: float) -> Decision:
    return replace(record, wanted=True), []


def _want_after_stop(record: WorkerRecord, event: Start, _now_ns: int, _jitter: float) -> Decision:
    return replace(record, wanted=True, restarting=True, reset=event.reset), []


def _soon(record: WorkerRecord, now_ns: int) -> WorkerRecord:
    """Have a sweep that waits for its turn begin: somebody asks, perhaps because the cause is mended."""
    return replace(record, due_ns=now_ns) if record.pid is None and record.due_ns is not None else record


def _want_after_sweep(record: WorkerRecord, event: Start, now_ns: int, _jitter: float) -> Decision:
    record = _soon(record, now_ns)
    if record.then is State.HALTED and not event.reset:
        return record, []
    then = record.then if record.then is State.BACKOFF else State.STARTING
    return replace(record, wanted=True, reset=event.reset or record.reset, then=then), []


def _unwant(record: WorkerRecord, _event: Stop, _now_ns: int, _jitter: float) -> Decision:
    return replace(record, wanted=False, restarting=False), []


def _sweep_now(record: WorkerRecord, _event: Restart, now_ns: int, _jitter: float) -> Decision:
    return _soon(record, now_ns), []


def _unwant_in_sweep(record: WorkerRecord, _event: Stop, now_ns: int, _jitter: float) -> Decision:
    record = _soon(record, now_ns)
    then = record.then if record.then in (State.FATAL, State.HALTED) else State.STOPPED
    return replace(record, wanted=False, restarting=False, then=then), []


def _stop_waiting(record: WorkerRecord, _event: Stop, now_ns: int, _jitter: float) -> Decision:
    return enter(replace(record, wanted=False), State.STOPPED, now_ns)


def _ask_stop(record: WorkerRecord, now_ns: int) -> Decision:
    deadline = now_ns + int(record.config.stop_timeout_s * _s) + KILL_MARGIN_NS
    return replace(record, state=State.STOPPING, due_ns=deadline), [Action.ASK_STOP]


def _stop(record: WorkerRecord, _event: Stop, now_ns: int, _jitter: float) -> Decision:
    return _ask_stop(replace(record, wanted=False, restarting=False), now_ns)


def _plan_restart(record: WorkerRecord, _event: Restart, now_ns: int, _jitter: float) -> Decision:
    return _ask_stop(replace(record, wanted=True, restarting=True), now_ns)


def _restart_now(record: WorkerRecord, _event: Restart, now_ns: int, _jitter: float) -> Decision:
    return enter(replace(record, wanted=True, attempt=0, reason=""), State.STARTING, now_ns)


# ---------------------------------------------------------------- life


def _forked(record: WorkerRecord, event: Forked, now_ns: int, _jitter: float) -> Decision:
    # From here on the worker may have sent an order, whatever becomes of it.
    return replace(record, pid=event.pid, heartbeat_ns=now_ns, dirty=event.has_orders), []


def _forked_stopping(record: WorkerRecord, event: Forked, now_ns: int, jitter: float) -> Decision:
    """A stop was asked while the fork was under way: pass it on."""
    return _forked(record, event, now_ns, jitter)[0], [Action.ASK_STOP]


def _sweeper_forked(record: WorkerRecord, event: Forked, now_ns: int, _jitter: float) -> Decision:
    return replace(record, pid=event.pid, due_ns=now_ns + SWEEP_LIMIT_NS), []


def _ready(record: WorkerRecord, _event: Ready, now_ns: int, _jitter: float) -> Decision:
    return replace(record, state=State.RUNNING, ready_ns=now_ns, reason="", reset=False, held_since_ns=None), []


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


def _watch(record: WorkerRecord, _event: Tick, now_ns: int, _jitter: float) -> Decision:
    """Judge a living worker: stuck, due for a planned restart, or fine."""
    if record.pid is None or record.killed:
        return record, []
    if record.dumped_ns is not None:
        if now_ns < record.dumped_ns + DUMP_NS:
            return record, []
        return replace(record, killed=True), [Action.KILL]
    silent_ns = now_ns - record.heartbeat_ns
    if silent_ns >= record.config.heartbeat_timeout_s * _s:
        reason = f"no heartbeat for {silent_ns / _s:.1f} s"
        return replace(record, dumped_ns=now_ns, reason=reason), [Action.DUMP]
    interval_ns = int(record.config.restart_interval_min * 60 * _s)
    if interval_ns and record.ready_ns is not None and now_ns >= record.ready_ns + interval_ns:
        return _ask_stop(replace(record, restarting=True, reason="scheduled restart"), now_ns)
    return record, []


def _overweight(record: WorkerRecord, event: Overweight, now_ns: int, _jitter: float) -> Decision:
    return _ask_stop(replace(record, overweight=True, reason=event.reason), now_ns)


def _stop_overdue(record: WorkerRecord, _event: Tick, now_ns: int, _jitter: float) -> Decision:
    if record.killed or record.pid is None or record.due_ns is None or now_ns < record.due_ns:
        return record, []
    return replace(record, killed=True, reason="did not stop in time"), [Action.KILL]


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
    Start: _want,
    Stop: _stop,
    Restart: _plan_restart,
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
    Start: _start,
    Stop: _unwant,
    Restart: _restart_now,
    TidyUp: _tidy_up,
    Tick: _same,
    Unusable: unusable,
    Overweight: _same,
}
TABLE: dict[State, dict[type, Handler]] = {
    State.STOPPED: _DOWN,
    State.FATAL: _DOWN,
    State.HALTED: {**_DOWN, Start: _start_halted, Restart: _same},
    State.STARTING: {**_LIVING, Needs: _allow_opening},
    State.RUNNING: {**_LIVING, Ready: _same},
    State.STOPPING: {
        **_LIVING,
        Start: _want_after_stop,
        Stop: _unwant,
        Restart: _same,  # stopping wins
        Forked: _forked_stopping,
        Ready: _same,
        Tick: _stop_overdue,
        Overweight: _same,
    },
    State.BACKOFF: {**_DOWN, Stop: _stop_waiting, Tick: _backoff_over},
    State.SWEEPING: {
        Start: _want_after_sweep,
        Stop: _unwant_in_sweep,
        Restart: _sweep_now,
        Forked: _sweeper_forked,
        ForkFailed: _sweep_fork_failed,
        SweepEnded: _sweep_ended,
        Needs: _allow_sweeper,
        Tick: _sweep_again,
        Unusable: _same,
        Overweight: _same,
    },
}
