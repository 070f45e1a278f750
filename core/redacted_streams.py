"""sys.stdout and sys.stderr with a guard below their text: secrets are taken out before anything is written.

The zygote puts the guards in once, so that a module which keeps `sys.stderr` from its import keeps a guarded one; each
process after a fork says where its guards lead. What native code or another program writes to descriptor 1 or 2 passes
no guard.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from core.redactor import Redactor

_LONGEST = 64 * 1024  # bytes of a line that are held back until it ends
_NAMES = {"stdout": 1, "stderr": 2}

Sink = Callable[[int, bytes], None]


def guard_streams() -> list[GuardedBytes]:
    """Return the guards of stdout and stderr, put in at the first call."""
    guards = []
    for name, fd in _NAMES.items():
        below = getattr(getattr(sys, name), "buffer", None)
        if not isinstance(below, GuardedBytes):
            below = GuardedBytes(fd)
            stream = io.TextIOWrapper(below, "utf-8", "backslashreplace", line_buffering=True)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        guards.append(below)
    return guards


def finish_streams() -> None:
    """Write what is still held back, at the end of a process or before it forks."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        if isinstance(below := getattr(stream, "buffer", None), GuardedBytes):
            below.finish()


class GuardedBytes(io.BufferedIOBase):
    """What lies below a text stream: lines are redacted whole, and then written."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._held = b""
        self._sink: Sink = _write_all
        self._redactor: Callable[[], Redactor] = Redactor
        self._lock: AbstractContextManager[Any] = threading.RLock()

    def lead_to(self, sink: Sink, redactor: Callable[[], Redactor], lock: AbstractContextManager[Any]) -> None:
        """Write to `sink` from now on; `redactor` is asked each time, `lock` is held meanwhile."""
        self._sink, self._redactor, self._lock = sink, redactor, lock

    @property
    def name(self) -> str:
        """Return what a stream of this descriptor is called."""
        return next(f"<{name}>" for name, fd in _NAMES.items() if fd == self._fd)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def write(self, content: Any) -> int:
        """Take bytes; whole lines go on at once."""
        with self._lock:
            self._held += bytes(content)
            text = _text(self._held)
            self._pass_on(text, text.rfind("\n") + 1)
            if len(self._held) > _LONGEST:
                self.flush()
        return len(content)

    def flush(self) -> None:
        """Write the beginning of a line, too, but for an end that may be the beginning of a secret."""
        if self.closed or not self._held:
            return
        with self._lock:
            text = _text(self._held)
            self._pass_on(text, len(text) - self._redactor().begun(text))

    def finish(self) -> None:
        """Write everything: nothing follows."""
        with self._lock:
            text = _text(self._held)
            self._pass_on(text, len(text))

    def _pass_on(self, text: str, end: int) -> None:
        redactor = self._redactor()
        end = redactor.cut(text, end)
        self._held = _bytes(text[end:])
        if end:
            self._sink(self._fd, _bytes(redactor.text(text[:end])))


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
