"""What the service manager is told (sd_notify): ready, reloading, stopping, a line of status, and that the loop turns.

A datagram to the socket that NOTIFY_SOCKET names; nothing at all where it names none. Nothing here waits or raises.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, MutableMapping

STATUS_NS = 1_000_000_000  # how often the line of status is looked at
EXTEND_NS = 10_000_000_000  # how often more time is asked for while stopping
EXTEND_USEC = 30_000_000
VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """The line to the service manager of this process."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Take the variables out of `environ`: no child may speak in our name."""
        self.variables = {name: environ.pop(name) for name in VARIABLES if name in environ}  # for our own later self
        address, usec, pid = (self.variables.get(name, "") for name in VARIABLES)
        self._address = _address_of(address)
        mine = not pid or pid == str(os.getpid())
        self._watchdog_ns = int(usec) * 1000 // 2 if self._address and mine and usec.isdecimal() else 0
        self._beat_ns = 0
        self._status_ns = 0
        self._status = ""
        self._stopping = False

    @property
    def due_ns(self) -> int | None:
        """Return when the watchdog wants the next sign of life, None when there is no watchdog."""
        return self._beat_ns if self._watchdog_ns else None

    def ready(self) -> None:
        """Say that the start, or a reload, is done; not when the end has been announced."""
        if not self._stopping:
            self._say("READY=1")

    def reloading(self, now_ns: int) -> None:
        """Say that the configs are read again; `ready` ends it. `now_ns` is monotonic."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={now_ns // 1000}")

    def stopping(self) -> None:
        """Say that we are about to end."""
        self._stopping = True
        self._say("STOPPING=1", f"EXTEND_TIMEOUT_USEC={EXTEND_USEC}")

    def tend(self, now_ns: int, status: Callable[[], str]) -> None:
        """Say what is due: that the loop turns, the line of status when it has changed, that stopping goes on."""
        if not self._address:
            return
        words = []
        if self._watchdog_ns and now_ns >= self._beat_ns:
            self._beat_ns = now_ns + self._watchdog_ns
            words.append("WATCHDOG=1")
        if now_ns >= self._status_ns:
            self._status_ns = now_ns + (EXTEND_NS if self._stopping else STATUS_NS)
            words += self._news(status())
        if words:
            self._say(*words)

    def _news(self, status: str) -> list[str]:
        # Our own deadlines bound a stop (sweeps that wait for a venue included); the manager's must not cut it short.
        words = [f"EXTEND_TIMEOUT_USEC={EXTEND_USEC}"] if self._stopping else []
        if status != self._status:
            self._status = status
            words.append(f"STATUS={status}")
        return words

    def _say(self, *words: str) -> None:
        if not self._address:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        try:
            with socket.socket(socket.AF_UNIX, kind) as line:
                line.sendto("\n".join(words).encode(), self._address)
        except OSError:
            pass  # the manager is gone or busy; the next word tells it as much


def _address_of(given: str) -> str:
    """Return the address to send to, empty when there is none; `@name` is one in the abstract namespace."""
    if given.startswith("@"):
        return "\0" + given[1:]
    return given if given.startswith("/") else ""
