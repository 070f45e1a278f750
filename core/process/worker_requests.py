"""What people ask of a bot in each of its states: start, stop, restart, pause, resume, close.

Pure, like `worker_states.py`, whose table lists which of these answers in which state.
"""

from __future__ import annotations

from dataclasses import replace

from core.process.worker_policy import Decision, enter
from core.process.worker_record import Action, Close, Pause, Restart, Resume, Start, State, Stop, TidyUp, WorkerRecord

KILL_MARGIN_NS = 2_000_000_000  # beyond the worker's own stop time-out
SILENT_NS = 3_000_000_000  # a worker that has not beaten for so long cannot be trusted with a close

_s = 1_000_000_000


def start(record: WorkerRecord, event: Start, now_ns: int, _jitter: float) -> Decision:
    """Start a bot that rests, with its past forgiven."""
    anew = replace(record, wanted=True, reset=event.reset, attempt=0, crashes_ns=(), reason="")
    anew = replace(anew, fresh=_from_rest(record), closing=False, closed=False, rests_in=State.STOPPED)
    return enter(anew, State.STARTING, now_ns)


def _from_rest(record: WorkerRecord) -> bool:
    """Tell whether a start begins a run; one that waits to be started again goes on with its own."""
    return record.fresh or record.settled


def start_halted(record: WorkerRecord, event: Start, now_ns: int, jitter: float) -> Decision:
    if not event.reset:
        return record, []  # a latch is cleared by an operator's reset only
    return start(record, event, now_ns, jitter)


def start_waiting(record: WorkerRecord, event: Start, now_ns: int, jitter: float) -> Decision:
    """Start a bot that waits; one that is to be closed is only tried at once."""
    return enter(record, State.STARTING, now_ns) if record.closing else start(record, event, now_ns, jitter)


def tidy_up(record: WorkerRecord, _event: TidyUp, now_ns: int, _jitter: float) -> Decision:
    """Sweep what an earlier life may have left; the state stays."""
    return enter(record, record.state, now_ns)


def want(record: WorkerRecord, _event: Start, _now_ns: int, _jitter: float) -> Decision:
    """Note that a bot which is up already is wanted."""
    return replace(record, wanted=True), []  # a bot that closes goes on with that: a stop ends it


def want_after_stop(record: WorkerRecord, event: Start, _now_ns: int, _jitter: float) -> Decision:
    """Start it again once it has stopped."""
    if record.rests_in is State.HALTED and not event.reset:
        return record, []
    fresh = record.fresh or not record.wanted  # else it was to be restarted anyway
    again = replace(record, wanted=True, restarting=True, reset=event.reset, rests_in=State.STOPPED)
    return replace(again, fresh=fresh), []


def _soon(record: WorkerRecord, now_ns: int) -> WorkerRecord:
    """Have a sweep that waits for its turn begin: somebody asks, perhaps because the cause is mended."""
    return replace(record, due_ns=now_ns) if record.pid is None and record.due_ns is not None else record


def want_after_sweep(record: WorkerRecord, event: Start, now_ns: int, _jitter: float) -> Decision:
    """Start it once it is swept; a latch needs a reset."""
    record = _soon(record, now_ns)
    if State.HALTED in (record.then, record.rests_in) and not event.reset:
        return record, []
    then = record.then if record.then is State.BACKOFF else State.STARTING
    fresh = record.fresh or not record.wanted  # else it only waits to be started again
    wanted = replace(record, wanted=True, reset=event.reset or record.reset, fresh=fresh, then=then)
    return (wanted if record.closing else replace(wanted, rests_in=State.STOPPED)), []


def unwant(record: WorkerRecord, _event: Stop, _now_ns: int, _jitter: float) -> Decision:
    """Note that nobody wants it up."""
    return _stopped(record), []


def _stopped(record: WorkerRecord) -> WorkerRecord:
    return replace(record, wanted=False, restarting=False, closing=False, sell_base=False)


def unwant_while_stopping(record: WorkerRecord, event: Stop, _now_ns: int, _jitter: float) -> Decision:
    """A stop meets a worker that was to hand its orders over: it shall cancel them."""
    actions = [Action.ASK_STOP] if record.handing_over else []
    closing = _closes(record, event) and record.handing_over
    return replace(_stopped(record), handing_over=False, closing_stop=record.closing_stop or closing), actions


def sweep_now(record: WorkerRecord, _event: Restart, now_ns: int, _jitter: float) -> Decision:
    """Try a sweep that waits for its turn at once."""
    return _soon(record, now_ns), []


def unwant_in_sweep(record: WorkerRecord, _event: Stop, now_ns: int, _jitter: float) -> Decision:
    """Let the sweep lead to rest."""
    record = _soon(record, now_ns)
    then = record.then if record.then in (State.FATAL, State.HALTED) else record.rests_in
    return replace(_stopped(record), then=then), []


def stop_waiting(record: WorkerRecord, _event: Stop, now_ns: int, _jitter: float) -> Decision:
    """End a backoff."""
    return enter(_stopped(record), record.rests_in, now_ns)


def leave_by(record: WorkerRecord, now_ns: int, action: Action) -> Decision:
    """Ask a worker to leave in one way or the other, with a deadline."""
    deadline = now_ns + int(record.config.stop_timeout_s * _s) + KILL_MARGIN_NS
    handing_over = action is Action.ASK_HANDOVER
    return replace(record, state=State.STOPPING, due_ns=deadline, handing_over=handing_over), [action]


def stop(record: WorkerRecord, event: Stop, now_ns: int, _jitter: float) -> Decision:
    """Have it cancel everything and leave, closing its position before where that is wanted."""
    return leave_by(replace(_stopped(record), closing_stop=_closes(record, event)), now_ns, Action.ASK_STOP)


def _closes(record: WorkerRecord, event: Stop) -> bool:
    """Tell whether a stop closes the position: of a worker that has not reconciled it is not known."""
    return event.close and record.ready_ns is not None


def plan_restart(record: WorkerRecord, _event: Restart, now_ns: int, _jitter: float) -> Decision:
    """Restart a worker that has not reconciled yet: it has nothing to hand over."""
    if record.closing:
        return record, []
    return leave_by(replace(record, wanted=True, restarting=True), now_ns, Action.ASK_STOP)


def plan_handover(record: WorkerRecord, event: Restart, now_ns: int, _jitter: float) -> Decision:
    """Restart a worker whose successor takes its orders over, unless it must not."""
    if record.closing:
        return record, []
    how = Action.ASK_HANDOVER if event.handover else Action.ASK_STOP
    return leave_by(replace(record, wanted=True, restarting=True), now_ns, how)


def restart_now(record: WorkerRecord, _event: Restart, now_ns: int, _jitter: float) -> Decision:
    """Start a bot that rests."""
    if record.closing:
        return record, []
    anew = replace(record, wanted=True, attempt=0, reason="", closed=False, rests_in=State.STOPPED)
    return enter(replace(anew, fresh=_from_rest(record)), State.STARTING, now_ns)


def pause(record: WorkerRecord, event: Pause, _now_ns: int, _jitter: float) -> Decision:
    """Take the quotes off."""
    return replace(record, paused=True, reason=event.reason or record.reason), [Action.PAUSE]


def resume(record: WorkerRecord, _event: Resume, _now_ns: int, _jitter: float) -> Decision:
    """Quote again."""
    return replace(record, paused=False, reason=""), [Action.RESUME]


def pause_later(record: WorkerRecord, _event: Pause, _now_ns: int, _jitter: float) -> Decision:
    """Have the next worker begin without quotes."""
    return replace(record, paused=True), []


def resume_later(record: WorkerRecord, _event: Resume, _now_ns: int, _jitter: float) -> Decision:
    """Have the next worker quote."""
    return replace(record, paused=False), []


def _to_close(record: WorkerRecord, event: Close, rests_in: State) -> WorkerRecord:
    rests_in = rests_in if rests_in in (State.FATAL, State.HALTED) else record.rests_in
    closing = replace(record, closing=True, sell_base=record.sell_base or event.sell_base, rests_in=rests_in)
    return replace(closing, wanted=True, reset=False, closed=False)


def close(record: WorkerRecord, event: Close, now_ns: int, _jitter: float) -> Decision:
    """Have a living worker close; one that has been silent for a while is not waited for."""
    record = _to_close(record, event, record.rests_in)
    if record.pid is None or record.dumped_ns is not None or record.killed:
        return record, []
    if record.state is State.RUNNING and now_ns - record.heartbeat_ns > SILENT_NS:
        return replace(record, dumped_ns=now_ns, reason="silent when it had to close"), [Action.DUMP]
    return record, [Action.ASK_CLOSE]


def close_after_stop(record: WorkerRecord, event: Close, _now_ns: int, _jitter: float) -> Decision:
    """Close once the worker has left."""
    actions = [Action.ASK_STOP] if record.handing_over else []
    return replace(_to_close(record, event, record.rests_in), restarting=False, handing_over=False), actions


def close_after_sweep(record: WorkerRecord, event: Close, now_ns: int, _jitter: float) -> Decision:
    """Close once it is swept."""
    return replace(_to_close(_soon(record, now_ns), event, record.then), then=State.STARTING), []


def close_down(record: WorkerRecord, event: Close, now_ns: int, _jitter: float) -> Decision:
    """Start a worker that does nothing but close; a latch stays, and the bot comes back to where it was."""
    return enter(replace(_to_close(record, event, record.state), attempt=0), State.STARTING, now_ns)
