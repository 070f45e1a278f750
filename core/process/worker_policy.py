"""Where the end of a worker leads: the restart policy by cause, and the way into a state by way of a sweep.

Pure, like `worker_states.py`, whose table calls it.
"""

from __future__ import annotations

from dataclasses import replace

from core.bot_config import DaemonConfig
from core.process.identity import Identity
from core.process.worker_record import NEXT_RUN, Action, Exited, ForkFailed, State, Unusable, WorkerRecord
from utils import exit_statuses

CLAIM_RETRY_NS = 250_000_000
FORK_RETRY_NS = 250_000_000
SLOW_LEAK_NS = 600_000_000_000  # too heavy only after that long: the next restart is a first one again

HOPELESS = (exit_statuses.CONFIG, exit_statuses.AUTH, exit_statuses.USAGE)  # to start it again would change nothing

Decision = tuple[WorkerRecord, list[Action]]
_s = 1_000_000_000


def backoff_ns(config: DaemonConfig, attempt: int, jitter: float) -> int:
    """Return the pause before restart number `attempt` (1 is the first): exponential, capped, +-20 % jitter."""
    base = min(config.backoff_max_s, config.backoff_initial_s * 2 ** min(attempt - 1, 30))
    return int(base * (0.8 + 0.4 * jitter) * _s)


def enter(record: WorkerRecord, target: State, now_ns: int) -> Decision:
    """Go to `target`, by way of a sweep when orders may be left."""
    record = _without_child(record)
    if record.dirty:
        sweeping = replace(record, state=State.SWEEPING, then=target, sweep_attempt=0, held_since_ns=None, due_ns=None)
        return sweeping, [Action.SWEEP]
    if target is State.STARTING:
        return _spawn(record, now_ns)
    if target is State.BACKOFF:
        if record.restart_ns is None or record.restart_ns <= now_ns:
            return start_again(record, now_ns)
        return replace(record, state=target, due_ns=record.restart_ns), []
    return replace(record, state=target, due_ns=None, restarting=False), []


def _without_child(record: WorkerRecord) -> WorkerRecord:
    fresh = replace(record, pid=None, dumped_ns=None, killed=False, overweight=False, ready_ns=None)
    return replace(fresh, handing_over=False, handover_until_ns=None, closing_stop=False)


def _spawn(record: WorkerRecord, now_ns: int) -> Decision:
    starting = replace(record, state=State.STARTING, due_ns=None, started_ns=now_ns, heartbeat_ns=now_ns)
    return replace(starting, restarting=False), [Action.SPAWN]


def start_again(record: WorkerRecord, now_ns: int) -> Decision:
    """Start it once more, and count it."""
    return enter(replace(record, restarts=record.restarts + 1), State.STARTING, now_ns)


def exited(record: WorkerRecord, event: Exited, now_ns: int, jitter: float) -> Decision:
    """Decide what follows the end of a worker."""
    record = replace(record, reason=record.reason if record.killed else event.reason)
    if event.held_by is not None and record.dirty:
        return _claim_refused(record, event, now_ns)
    ended_well = record.killed or event.status == exit_statuses.DONE
    if event.handover and record.handing_over and record.wanted and event.status == exit_statuses.DONE:
        return _hand_over(record, now_ns)
    # A successor that was never READY proves nothing of the orders that it was to take over.
    record = replace(record, dirty=record.dirty and (not event.clean or record.handover_until_ns is not None))
    if record.closing:
        return _closing_ended(record, event, now_ns, jitter)
    if not record.wanted:
        return _stop_ended(record, event, now_ns)
    if record.restarting and ended_well:
        return start_again(record, now_ns)
    if record.overweight and ended_well:
        return _too_heavy(record, now_ns, jitter)
    return _by_cause(record, event, now_ns, jitter)


def _hand_over(record: WorkerRecord, now_ns: int) -> Decision:
    """Start the successor at once, the orders still resting: the only way in which they outlive a worker."""
    until_ns = record.due_ns if record.due_ns is not None else now_ns
    heir = replace(_without_child(record), handover_until_ns=until_ns, dirty=True, restarts=record.restarts + 1)
    return _spawn(heir, now_ns)


def _stop_ended(record: WorkerRecord, event: Exited, now_ns: int) -> Decision:
    """Come to rest; that a stop was to close the position, and has not, a person should know."""
    if not record.closing_stop:
        return _told_if_left(enter(record, record.rests_in, now_ns), event.left_position)
    rested = enter(replace(record, closed=event.closed), record.rests_in, now_ns)
    return _told_if_left(rested, not event.closed)


def _told_if_left(rested: Decision, is_left: bool) -> Decision:
    record, actions = rested
    return record, [*actions, Action.ALERT] if is_left else actions


def _closing_ended(record: WorkerRecord, event: Exited, now_ns: int, jitter: float) -> Decision:
    """Come to rest once the position is flat; else try again for as long as it takes, unless no try can help."""
    if event.status == exit_statuses.RISK_HALT:
        record = replace(record, rests_in=State.HALTED)  # a limit tripped meanwhile
    if event.closed and event.clean:
        flat = replace(record, closing=False, sell_base=False, closed=True, wanted=False)
        return enter(flat, record.rests_in, now_ns)
    if event.status in HOPELESS and event.signal is None:
        return _settle(replace(record, closing=False), State.FATAL, now_ns)
    return back_off(replace(record, wanted=True, restarting=False), now_ns, jitter)


def back_off(record: WorkerRecord, now_ns: int, jitter: float, least_ns: int = 0) -> Decision:
    """Try again after a pause that grows; the third in a row is an alert."""
    attempt = record.attempt + 1
    restart_ns = now_ns + max(least_ns, backoff_ns(record.config, attempt, jitter))
    record, actions = enter(replace(record, attempt=attempt, restart_ns=restart_ns), State.BACKOFF, now_ns)
    return record, [*actions, Action.ALERT] if attempt == 3 else actions


def _too_heavy(record: WorkerRecord, now_ns: int, jitter: float) -> Decision:
    """Start it again after a pause that grows: a limit below what the bot needs would restart it without end."""
    if record.config.restart == "never":
        return enter(replace(record, wanted=False), State.STOPPED, now_ns)
    slow = record.ready_ns is not None and now_ns - record.ready_ns >= SLOW_LEAK_NS
    return back_off(replace(record, attempt=0) if slow else record, now_ns, jitter)


def _by_cause(record: WorkerRecord, event: Exited, now_ns: int, jitter: float) -> Decision:
    """The restart policy: what ended the worker decides, the config may only narrow it."""
    status = event.status if event.signal is None else None
    if status == exit_statuses.RISK_HALT:
        return _settle(record, State.HALTED, now_ns)
    if status in HOPELESS:
        return _settle(record, State.FATAL, now_ns)
    if status == exit_statuses.DONE and record.config.schedule_s is not None:
        return _next_run(record, record.config.schedule_s, now_ns)
    if status == exit_statuses.DONE or record.config.restart == "never":
        rested = enter(replace(record, wanted=False, closed=event.closed), State.STOPPED, now_ns)
        return _told_if_left(rested, event.left_position)
    healthy = record.ready_ns is not None and now_ns - record.ready_ns >= record.config.min_uptime_s * _s
    attempt = 1 if healthy else record.attempt + 1
    if status == exit_statuses.VENUE_UNREACHABLE:
        crashes = record.crashes_ns  # the venue's fault is not counted against the bot
    else:
        window_ns = int(record.config.restart_window_s * _s)
        before = () if healthy else record.crashes_ns
        crashes = (*(at for at in before if now_ns - at < window_ns), now_ns)
        if len(crashes) > record.config.max_restarts:
            record = replace(record, reason=f"{record.reason} ({len(crashes)} crashes in {window_ns / _s:.0f} s)")
            return _settle(replace(record, crashes_ns=crashes), State.FATAL, now_ns)
    restart_ns = now_ns + backoff_ns(record.config, attempt, jitter)
    record = replace(record, attempt=attempt, crashes_ns=crashes, restart_ns=restart_ns, restarting=False)
    return enter(record, State.BACKOFF, now_ns)


def _next_run(record: WorkerRecord, schedule_s: float, now_ns: int) -> Decision:
    """Run a job again by the clock: counted from its start, at once when it took longer; it is forgiven everything."""
    restart_ns = max(now_ns, record.started_ns + int(schedule_s * _s))
    well = replace(record, attempt=0, crashes_ns=(), restarting=False, reason=NEXT_RUN, restart_ns=restart_ns)
    return enter(well, State.BACKOFF, now_ns)


def _settle(record: WorkerRecord, target: State, now_ns: int) -> Decision:
    record, actions = enter(replace(record, wanted=False), target, now_ns)
    return record, [*actions, Action.ALERT]


def _claim_refused(record: WorkerRecord, event: Exited, now_ns: int) -> Decision:
    """A worker of a dead supervisor still owns the bot: give it time to leave, then end it, then try again."""
    if not record.wanted:
        return enter(replace(record, dirty=True), record.rests_in, now_ns)
    # It never ran: what it left is judged by the sweep that follows the holder.
    waiting, _ = enter(replace(record, dirty=True), State.STARTING, now_ns)
    return wait_for_holder(waiting, event.held_by, now_ns)


def wait_for_holder(record: WorkerRecord, held_by: Identity | None, now_ns: int) -> Decision:
    """Give the process that still owns the bot time to leave, then end it."""
    since = record.held_since_ns if record.held_by == held_by and record.held_since_ns is not None else now_ns
    actions = []
    if held_by is not None and now_ns - since >= record.config.stop_timeout_s * _s:
        actions.append(Action.KILL_HOLDER)
    pid = held_by.pid if held_by else "?"
    reason = f"waits for pid {pid}, which still owns the bot"
    return replace(
        record, pid=None, held_by=held_by, held_since_ns=since, due_ns=now_ns + CLAIM_RETRY_NS, reason=reason
    ), actions


def fork_failed(record: WorkerRecord, event: ForkFailed, now_ns: int, jitter: float) -> Decision:
    """Decide what follows a fork that did not come about."""
    record = replace(record, reason=event.reason)
    if not record.wanted:
        return enter(record, record.rests_in, now_ns)
    return back_off(record, now_ns, jitter, least_ns=FORK_RETRY_NS)  # whatever a config says: no storm of forks


def unusable(record: WorkerRecord, event: Unusable, now_ns: int, _jitter: float) -> Decision:
    """Give a bot up that cannot run at all."""
    return _settle(replace(record, reason=event.reason), State.FATAL, now_ns)
