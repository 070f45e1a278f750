"""What children say over their channels: read, judged, handed on. Garbage is counted, and its sender cut off."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.process import channel
from core.process.child import Child
from core.process.identity import Identity
from core.process.worker_record import Happening, Needs

MAX_BAD_PACKETS = 100
MAX_NEEDS = 32  # how often one child may say what it needs
MAX_NEEDS_S = 300.0
log = logging.getLogger("makerd.process")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what a child says; the last three raise what garbage raises."""

    on_happening: Callable[[str, Happening], None]
    on_beat: Callable[[str, bytes, bool], None]  # (bot, the packet unread, whether it says that it is ready)
    on_lease: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None  # returns the answer
    on_reloaded: Callable[[str, dict[str, Any]], None] = lambda _name, _message: None
    on_dead_man: Callable[[str, dict[str, Any]], None] = lambda _name, _message: None


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
