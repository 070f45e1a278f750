"""What a decision of the state table means to whoever reads the event file: rows, and which of them are alerts.

Pure, like the table itself: (before, what happened, after, actions) -> rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.process.worker_record import (
    Action,
    Exited,
    ForkFailed,
    Happening,
    State,
    SweepEnded,
    Tick,
    Unusable,
    WorkerRecord,
)
from utils import exit_statuses

GIVEN_UP = {State.FATAL: "crash_loop", State.HALTED: "halt"}


@dataclass(frozen=True, slots=True)
class Row:
    """One event. `alert` is the kind of alert that it is, `subject` what alerts of a kind are told apart by."""

    kind: str
    bot: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    alert: str | None = None
    subject: str = ""


def rows_of(
    venue: str, before: WorkerRecord, happening: Happening, after: WorkerRecord, actions: Sequence[Action]
) -> list[Row]:
    """Return the events of one decision about a bot, in order; most decisions are none."""
    frozen = isinstance(happening, Tick) and happening.frozen
    rows = [*_what_happened(venue, before, happening, after, actions), *_what_is_done(before, after, actions, frozen)]
    if after.state is not before.state:
        rows.append(_state_row(before, after))
    is_left = isinstance(happening, Exited) and _leaves_position(before, happening)
    if Action.ALERT in actions and (is_left or not any(row.alert for row in rows)):
        alert = "position_left" if is_left else "memory" if before.overweight else "crash_loop"
        rows.append(Row("alert", after.name, {"reason": after.reason}, alert, after.name))
    return rows


def _leaves_position(before: WorkerRecord, happening: Exited) -> bool:
    """Tell whether a stop was to close the position and has not: asked for here, or by a signal or a duration."""
    return happening.left_position or (before.closing_stop and not before.wanted)


def _what_happened(
    venue: str, before: WorkerRecord, happening: Happening, after: WorkerRecord, actions: Sequence[Action]
) -> Iterator[Row]:
    name = after.name
    if isinstance(happening, Exited) and happening.held_by is None:
        yield _exit_row(venue, before, happening, after)
    elif isinstance(happening, SweepEnded) and not happening.confirmed and happening.held_by is None:
        fields = {"reason": happening.reason, "attempt": after.sweep_attempt, "auth": happening.auth}
        yield Row("sweep_trouble", name, fields, "sweep_trouble" if Action.ALERT in actions else None, name)
    elif isinstance(happening, ForkFailed | Unusable):
        yield Row("not_started", name, {"reason": happening.reason})
    if after.overweight and not before.overweight:
        yield Row("memory", name, {"reason": after.reason, "pid": before.pid}, "memory", name)


def _exit_row(venue: str, before: WorkerRecord, happening: Exited, after: WorkerRecord) -> Row:
    unreachable = happening.signal is None and happening.status == exit_statuses.VENUE_UNREACHABLE
    fields = {
        "status": happening.status,
        "signal": happening.signal,
        "clean": happening.clean,
        "reason": after.reason if before.killed else happening.reason,
        "pid": before.pid,
        "venue": venue,
    }
    # A venue fails for all its bots at once: one alert, not one for each of them.
    return Row("exit", after.name, fields, "venue_down" if unreachable else None, venue)


def _what_is_done(before: WorkerRecord, after: WorkerRecord, actions: Sequence[Action], frozen: bool) -> Iterator[Row]:
    if Action.DUMP in actions or (frozen and Action.KILL in actions):  # a frozen one cannot write its stacks
        yield Row("stuck", after.name, {"reason": after.reason, "pid": before.pid}, "stuck", after.name)
    if Action.KILL in actions:
        yield Row("killed", after.name, {"reason": after.reason, "pid": before.pid})


def _state_row(before: WorkerRecord, after: WorkerRecord) -> Row:
    goal = after.then if after.state is State.SWEEPING else after.state
    # It was told when that was decided: before its sweep, or before it was closed.
    known = before.closing or before.state in (State.SWEEPING, State.FATAL, State.HALTED)
    fields = {
        "from": before.state.value,
        "to": after.state.value,
        "then": after.then.value if after.state is State.SWEEPING else None,
        "reason": after.reason,
        "pid": after.pid or before.pid,
        "restarts": after.restarts,
    }
    return Row("state", after.name, fields, None if known else GIVEN_UP.get(goal), after.name)
