"""The supervisor's children: asked for, heard, reaped. What happened to them is handed on as events."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections.abc import Callable
from typing import Any

from core.process import channel
from core.process.child import Child, ChildWords, Listeners, ending_of, kill_group, next_ended
from core.process.health import is_frozen
from core.process.identity import Identity, signal_exactly
from core.process.quiet_lines import QuietLines
from core.process.worker_record import Forked, ForkFailed
from core.process.zygote_link import ForkRequest, ZygoteLink, environ_without_secrets, spawn_module

MAX_PACKETS = 32  # read from one child before the others get their turn
MAX_UNKNOWN = 1024


class Children:
    """All workers and sweepers of one supervisor."""

    def __init__(self, selector: selectors.BaseSelector, zygote: ZygoteLink, listeners: Listeners) -> None:
        self._selector = selector
        self._zygote = zygote
        self._on_happening = listeners.on_happening
        self._words = ChildWords(listeners, self._born, self._deafen)
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
        while (ended := next_ended()) is not None:
            child = next((child for child in self._by_request.values() if child.pid == ended), None)
            if child is not None:
                kill_group(ended)  # what it forked must not outlive it; its pid is still ours before the reap
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
            self._words.take(child, packet)

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
        self._on_happening(child.name, ending_of(child, wait_status))
