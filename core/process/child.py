"""One child of the supervisor: what it says over its channel, and how its end is read."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.process import channel
from core.process.identity import Identity
from core.process.worker_record import Exited, Happening, Needs, SweepEnded

MAX_BAD_PACKETS = 100
MAX_NEEDS = 32  # how often one child may say what it needs
MAX_NEEDS_S = 300.0
_CARRIED = ("kind", "name", "request_id", "pid", "deaf", "calm", "last_words", "bad_packets", "needs_said", "is_fresh")
log = logging.getLogger("makerd.process")


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


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what a child says; the last four raise what garbage raises."""

    on_happening: Callable[[str, Happening], None]
    on_beat: Callable[[str, bytes, bool], None]  # (bot, the packet unread, whether it says that it is ready)
    on_lease: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None  # returns the answer
    on_reloaded: Callable[[str, dict[str, Any]], None] = lambda _name, _message: None
    on_dead_man: Callable[[str, dict[str, Any]], None] = lambda _name, _message: None
    on_file: Callable[[str, dict[str, Any]], None] = lambda _name, _message: None


class ChildWords:
    """Takes the packets of all children."""

    def __init__(
        self, listeners: Listeners, on_born: Callable[[Child, int], None], on_cut_off: Callable[[Child], None]
    ) -> None:
        self._listeners, self._on_born, self._on_cut_off = listeners, on_born, on_cut_off

    def take(self, child: Child, packet: bytes) -> None:
        """Hand on what a packet says."""
        if packet.startswith(channel.BEAT) and child.kind != "sweep":
            self._listeners.on_beat(child.name, packet, packet.startswith(channel.READY_BEAT))
            return
        try:
            message = channel.parse(packet)
            self._sort(child, message)
            if message.get("held_by") is not None:
                child.held_by = Identity.from_plain(message["held_by"])
        except channel.BadPacket as exc:
            self._bad(child, str(exc))
        except (KeyError, TypeError, ValueError, ArithmeticError) as exc:
            self._bad(child, repr(exc))
        except OSError:
            pass  # it has closed its end: found by the next read

    def _sort(self, child: Child, message: dict[str, Any]) -> None:
        kind, listeners = message.get("t"), self._listeners
        if kind == "hello":
            self._on_born(child, int(message["pid"]))
        elif kind == "needs":
            self._allow(child, message["seconds"])
        elif kind == "lease" and child.kind == "worker" and listeners.on_lease is not None:
            channel.send(child.end, listeners.on_lease(child.name, message))
        elif kind == "reloaded" and child.kind == "worker":
            listeners.on_reloaded(child.name, message)
        elif kind == "dead_man" and child.kind in ("worker", "dead_man_guard"):
            listeners.on_dead_man(child.name, message)
        elif kind == "file" and child.kind == "worker":
            listeners.on_file(child.name, message)
        elif kind in ("exit", "sweep"):
            child.last_words = message
        elif kind == "beat":
            raise ValueError("a heartbeat in another form than ours")

    def _allow(self, child: Child, seconds: Any) -> None:
        """Hand on how long a child may be silent, within bounds: no child excuses itself for ever."""
        child.needs_said += 1
        if child.needs_said > MAX_NEEDS or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise ValueError("no number of seconds, or said too often")
        self._listeners.on_happening(child.name, Needs(min(float(seconds), MAX_NEEDS_S)))

    def _bad(self, child: Child, reason: str) -> None:
        """Count what makes no sense; who says too much of it is heard no more, and found silent then."""
        child.bad_packets += 1
        if child.bad_packets == 1:
            log.warning("bad_packet", extra={"fields": {"bot": child.name, "reason": reason}})
        if child.bad_packets == MAX_BAD_PACKETS:
            log.error("cut_off", extra={"fields": {"bot": child.name, "bad_packets": child.bad_packets}})
            self._on_cut_off(child)


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
    told = said if said.get("status") == code else {}
    handover, closed, left = (told.get(name) is True for name in ("handover", "closed", "left_position"))
    return Exited(code, None, clean, reason, child.held_by, handover, closed, left)


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
