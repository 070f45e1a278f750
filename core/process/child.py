"""One child of the supervisor, and how its end is read."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass, field
from typing import Any

from core.process.identity import Identity
from core.process.worker_record import Exited, Happening, SweepEnded

_CARRIED = ("kind", "name", "request_id", "pid", "deaf", "calm", "last_words", "bad_packets", "needs_said", "is_fresh")


@dataclass(slots=True)
class Child:
    """A child of kind worker, job, sweep or dead_man_guard, from the wish for it to its reaping."""

    kind: str
    name: str
    end: socket.socket
    request_id: int
    pid: int | None = None
    deaf: bool = False  # its end of the channel is closed
    calm: bool = False  # it is up: nothing that it says is urgent
    last_words: dict[str, Any] = field(default_factory=dict)
    held_by: Identity | None = None
    bad_packets: int = 0
    needs_said: int = 0
    is_fresh: bool = False  # an interpreter of its own, not a fork of the zygote

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data; the descriptor of its end, -1 when that is closed, goes with it."""
        said = {key: getattr(self, key) for key in _CARRIED}
        held_by = self.held_by.to_plain() if self.held_by else None
        return {**said, "held_by": held_by, "fd": -1 if self.deaf else self.end.fileno()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any], end: socket.socket) -> Child:
        """Rebuild from `to_plain` data."""
        child = cls(end=end, **{key: plain[key] for key in _CARRIED})
        child.held_by = Identity.from_plain(plain["held_by"]) if plain["held_by"] else None
        return child


def ending_of(child: Child, wait_status: int) -> Happening:
    """Return what the end of a child means, by its last words and its wait status."""
    code = os.waitstatus_to_exitcode(wait_status)
    said, by_signal = child.last_words, -code if code < 0 else None
    if child.kind == "sweep":
        reason = str(said.get("reason", "")) or (f"the sweeper ended with {code}" if not said else "")
        confirmed = bool(said.get("confirmed")) and code == 0
        return SweepEnded(confirmed, reason, child.held_by, said.get("auth") is True)
    if by_signal is not None:
        return Exited(None, by_signal, child.kind == "job", f"killed by {_signal_name(by_signal)}")
    # Clean is believed only from a worker that said so and then left by itself.
    clean = child.kind == "job" or (bool(said.get("clean")) and said.get("status") == code)
    reason = str(said.get("reason") or f"exit status {code}")
    by_word = said.get("status") == code
    handover, closed = by_word and said.get("handover") is True, by_word and said.get("closed") is True
    return Exited(code, None, clean, reason, child.held_by, handover, closed)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return f"signal {number}"


def next_ended() -> int | None:
    """Return the pid of a child that has ended and is not reaped yet, None when there is none."""
    try:
        info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if info is None else int(info.si_pid)


def kill_group(pid: int) -> None:
    """Kill what is left of a process group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
