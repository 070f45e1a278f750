"""The supervisor's children: asked for, heard, reaped. What happened to them is handed on as events."""

from __future__ import annotations

import logging
import math
import os
import selectors
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.process import channel
from core.process.health import is_frozen
from core.process.identity import Identity, signal_exactly
from core.process.quiet_lines import QuietLines
from core.process.worker_record import Exited, Forked, ForkFailed, Happening, Needs, SweepEnded
from core.process.zygote_link import ForkRequest, ZygoteLink, environ_without_secrets, spawn_module

MAX_PACKETS = 32  # read from one child before the others get their turn
MAX_UNKNOWN = 1024
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


class Children:
    """All workers and sweepers of one supervisor."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        zygote: ZygoteLink,
        on_happening: Callable[[str, Happening], None],
        on_beat: Callable[[str, bytes, bool], None],
        on_lease: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None,
        on_reloaded: Callable[[str, dict[str, Any]], None] = lambda _name, _message: None,
        on_dead_man: Callable[[str, dict[str, Any]], None] = lambda _name, _message: None,
    ) -> None:
        self._selector = selector
        self._zygote = zygote
        self._on_happening = on_happening
        self._on_beat = on_beat  # (bot, the packet unread, whether it says that it is ready)
        self._on_reloaded = on_reloaded
        self._on_dead_man = on_dead_man  # raises what garbage raises
        self._on_lease = on_lease  # returns the answer; raises what garbage raises
        self._buffer = bytearray(channel.MAX_PACKET)
        self.quiet_lines = QuietLines(selector)
        self._by_request: dict[int, Child] = {}
        self._unknown_exits: dict[int, int] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._by_request)

    @property
    def quiet(self) -> bool:
        """Tell whether every child that was asked for exists: nothing is between us and the zygote."""
        return all(child.pid is not None for child in self._by_request.values())

    def to_plain(self) -> list[dict[str, Any]]:
        """Return JSON-able data of all of them; `take_over` is its inverse."""
        return [child.to_plain() for child in self._by_request.values()]

    def take_over(self, plain: list[dict[str, Any]]) -> None:
        """Take over the children of an earlier self, whose descriptors are ours by now."""
        for said in plain:
            end = socket.socket(fileno=said["fd"]) if said["fd"] >= 0 else socket.socket()
            child = Child.from_plain(said, end)
            if child.deaf:
                end.close()
            else:
                end.setblocking(False)
                self._listen_to(child)
            self._by_request[child.request_id] = child
            self._last_id = max(self._last_id, child.request_id)

    def _listen_to(self, child: Child) -> None:
        if child.calm:
            self.quiet_lines.add(child.end.fileno(), lambda: self._hear(child))
        else:
            self._selector.register(child.end, selectors.EVENT_READ, lambda _mask: self._hear(child))

    def living(self, name: str) -> Child | None:
        """Return the child of a bot, None when it has none."""
        return next((child for child in self._by_request.values() if child.name == name), None)

    def ask(self, kind: str, name: str, needs: str, spec: dict[str, Any], now_ns: int) -> None:
        """Ask for a worker or sweeper, forked once `needs` is warm; Forked or ForkFailed follows."""
        if (made := self._new(kind, name)) is None:
            return
        child, theirs = made
        try:
            sent = channel.send(child.end, spec)
        except OSError:
            sent = False
        if not sent:
            theirs.close()
            self._fail(child, "the config is too large for the channel")
            return
        self._zygote.request(ForkRequest(child.request_id, kind, name, theirs, needs, now_ns), now_ns)

    def _new(self, kind: str, name: str) -> tuple[Child, socket.socket] | None:
        """Return a child that is only wished for yet, and its end; None, after ForkFailed, without descriptors."""
        try:
            ours, theirs = channel.pair()
        except OSError as exc:
            self._on_happening(name, ForkFailed(f"no channel for a {kind}: {exc.strerror}"))
            return None
        self._last_id += 1
        child = Child(kind, name, ours, self._last_id)
        self._by_request[child.request_id] = child
        self._listen_to(child)
        return child, theirs

    @property
    def fresh(self) -> int:
        """Return how many children live that were started without the zygote."""
        return sum(child.is_fresh for child in self._by_request.values())

    def exec_child(self, kind: str, name: str, spec: dict[str, Any], output_fd: int) -> None:
        """Start a sweeper, worker or guard without the zygote, as a fresh interpreter; Forked or ForkFailed follows."""
        if (made := self._new(kind, name)) is None:
            return
        child, theirs = made
        child.is_fresh = True
        try:
            channel.send(child.end, spec)
            arguments = [str(theirs.fileno()), str(os.getpid())]
            env = environ_without_secrets()
            pid = spawn_module(f"core.process.{kind}", arguments, env, output_fd, output_fd, theirs.fileno())
        except OSError as exc:
            self._fail(child, f"no {kind} process could be started: {exc.strerror}")
            return
        finally:
            theirs.close()
        self._born(child, pid)

    def tell(self, name: str, message: dict[str, Any]) -> None:
        """Send a command to a bot's worker; a worker that does not read is found by its heartbeat."""
        child = self.living(name)
        if child is not None and child.kind != "sweep" and not child.deaf:
            try:
                channel.send(child.end, message)
            except OSError:
                pass

    def answered(self, request_id: int, pid: int | None, error: str = "") -> None:
        """Take the zygote's answer to a fork request."""
        self._zygote.open.pop(request_id, None)
        child = self._by_request.get(request_id)
        if child is None:
            return
        if pid is None:
            self._fail(child, error)
        else:
            self._born(child, pid)

    def zygote_lost(self) -> None:
        """Settle what a dead zygote leaves open: whoever was forked has said hello or closes its channel."""
        self._zygote.open.clear()
        for child in list(self._by_request.values()):
            if child.pid is None and child.deaf:
                self._fail(child, "the zygote ended")

    def reap(self) -> list[int]:
        """Reap every ended child and hand its end on; return the pids that are not ours (zygote, one-shots)."""
        strangers = []
        while (ended := _next_ended()) is not None:
            child = next((child for child in self._by_request.values() if child.pid == ended), None)
            if child is not None:
                _kill_group(ended)  # what it forked must not outlive it; its pid is still ours before the reap
            _, status = os.waitpid(ended, 0)
            if child is not None:
                self._died(child, status)
                continue
            strangers.append(ended)
            if any(child.pid is None for child in self._by_request.values()):
                self._unknown_exits[ended] = status
                if len(self._unknown_exits) > MAX_UNKNOWN:
                    self._unknown_exits.pop(next(iter(self._unknown_exits)))
        if not any(child.pid is None for child in self._by_request.values()):
            self._unknown_exits.clear()
        return strangers

    def signal(self, name: str, number: signal.Signals, group: bool = False) -> None:
        """Send a signal to a bot's child: it is not reaped yet, so the pid is its own."""
        child = self.living(name)
        if child is None or child.pid is None:
            return
        try:
            (os.killpg if group else os.kill)(child.pid, number)
        except (ProcessLookupError, PermissionError):
            if group:
                self.signal(name, number)

    def is_frozen(self, name: str) -> bool:
        """Tell whether a bot's child is stopped by a signal or a debugger."""
        child = self.living(name)
        return child is not None and child.pid is not None and is_frozen(child.pid)

    def kill_holder(self, holder: Identity) -> None:
        """End exactly that process, a left-over of an earlier supervisor that holds a bot's claim."""
        signal_exactly(holder, signal.SIGKILL)

    def calm(self, name: str) -> None:
        """Hear a bot's child together with others from now on: each wake-up of ours costs more than a beat."""
        child = self.living(name)
        if child is not None and not child.deaf and not child.calm:
            self._selector.unregister(child.end)
            child.calm = True
            self._listen_to(child)

    def drain(self) -> None:
        """Hear every child once more, before ages are judged."""
        for child in list(self._by_request.values()):
            self._hear(child)

    def _hear(self, child: Child) -> None:
        for _ in range(MAX_PACKETS):
            if child.deaf:
                return
            try:
                packet = channel.receive_packet(child.end, self._buffer)
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # it left without reading all that we said; its own last words come after this
            except OSError:
                packet = b""
            if not packet:
                self._deafen(child)
                return
            if packet.startswith(channel.BEAT) and child.kind != "sweep":
                self._on_beat(child.name, packet, packet.startswith(channel.READY_BEAT))
            else:
                self._take(child, packet)

    def _take(self, child: Child, packet: bytes) -> None:
        try:
            message = channel.parse(packet)
            kind = message.get("t")
            if kind == "hello":
                self._born(child, int(message["pid"]))
            elif kind == "needs":
                self._allow(child, message["seconds"])
            elif kind == "lease" and child.kind == "worker" and self._on_lease is not None:
                channel.send(child.end, self._on_lease(child.name, message))
            elif kind == "reloaded" and child.kind == "worker":
                self._on_reloaded(child.name, message)
            elif kind == "dead_man" and child.kind in ("worker", "dead_man_guard"):
                self._on_dead_man(child.name, message)
            elif kind in ("exit", "sweep"):
                child.last_words = message
            elif kind == "beat":
                raise ValueError("a heartbeat in another form than ours")
            if message.get("held_by") is not None:
                child.held_by = Identity.from_plain(message["held_by"])
        except channel.BadPacket as exc:
            self._bad(child, str(exc))
        except (KeyError, TypeError, ValueError, ArithmeticError) as exc:
            self._bad(child, repr(exc))
        except OSError:
            pass  # it has closed its end: found by the next read

    def _allow(self, child: Child, seconds: Any) -> None:
        """Hand on how long a child may be silent, within bounds: no child excuses itself for ever."""
        child.needs_said += 1
        if child.needs_said > MAX_NEEDS or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise ValueError("no number of seconds, or said too often")
        self._on_happening(child.name, Needs(min(float(seconds), MAX_NEEDS_S)))

    def _bad(self, child: Child, reason: str) -> None:
        """Count what makes no sense; who says too much of it is heard no more, and found silent then."""
        child.bad_packets += 1
        if child.bad_packets == 1:
            log.warning("bad_packet", extra={"fields": {"bot": child.name, "reason": reason}})
        if child.bad_packets == MAX_BAD_PACKETS:
            log.error("cut_off", extra={"fields": {"bot": child.name, "bad_packets": child.bad_packets}})
            self._deafen(child)

    def _deafen(self, child: Child) -> None:
        self._close_end(child)
        asked = child.request_id in self._zygote.open or any(
            request.id == child.request_id for request in self._zygote.waiting
        )
        if child.pid is None and not asked:
            self._fail(child, "no process came of the fork")

    def _born(self, child: Child, pid: int) -> None:
        if child.pid is not None:
            return
        child.pid = pid
        self._on_happening(child.name, Forked(pid, has_orders=child.kind != "job"))
        status = self._unknown_exits.pop(pid, None)
        if status is not None:
            self._died(child, status)

    def give_up(self, needs: str) -> list[str]:
        """Withdraw the workers that wait for a kind that will not be warm; return their bots."""
        withdrawn = [one for one in self._zygote.waiting if one.needs == needs and one.kind != "sweep"]
        for request in withdrawn:
            self._zygote.waiting.remove(request)
            request.theirs.close()
            child = self._by_request.get(request.id)
            if child is not None:
                self._forget(child)
        return [request.name for request in withdrawn]

    def withdraw_sweep(self, may_go: Callable[[ForkRequest], bool]) -> str | None:
        """Withdraw the request of the first waiting sweep that may go; return its bot, None when there is none."""
        for request in self._zygote.waiting:
            if request.kind == "sweep" and may_go(request):
                self._zygote.waiting.remove(request)
                request.theirs.close()
                child = self._by_request.get(request.id)
                if child is not None:
                    self._forget(child)
                return request.name
        return None

    def _fail(self, child: Child, reason: str) -> None:
        self._forget(child)
        self._on_happening(child.name, ForkFailed(reason))

    def _forget(self, child: Child) -> None:
        self._by_request.pop(child.request_id, None)
        if not child.deaf:
            self._close_end(child)

    def _close_end(self, child: Child) -> None:
        child.deaf = True
        if child.calm:
            self.quiet_lines.drop(child.end.fileno())
        else:
            self._selector.unregister(child.end)
        child.end.close()

    def _died(self, child: Child, wait_status: int) -> None:
        self._hear(child)  # its last words
        self._forget(child)
        self._on_happening(child.name, _ending(child, wait_status))


def _ending(child: Child, wait_status: int) -> Happening:
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


def _next_ended() -> int | None:
    try:
        info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if info is None else int(info.si_pid)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
