"""What a process prints: descriptors 1 and 2 lead to a file of their own, which is rotated while the process lives.

The process that owns the descriptors rotates: it renames the file and lays a new one under both descriptors (dup2). So
no pipe can fill up, no other process or thread has to live, and native code and faulthandler, which know nothing but
the numbers 1 and 2, write on without noticing. What is printed by Python is counted as it is written and cannot make a
file larger than the limit; what native code writes is found by `tend`, once a second.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from core.log_retention import Retention, identity, make_room, set_aside
from core.redacted_streams import guard_streams
from core.redactor import Redactor

_FDS = (1, 2)


class CapturedOutput:
    """The owner of this process's stdout and stderr. What a disk does is never raised into whoever prints."""

    def __init__(
        self,
        path: Path,
        retention: Retention | None = None,
        fds: tuple[int, ...] = _FDS,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.retention = retention or Retention()
        self.lock = threading.RLock()  # no rotation between two pieces of a line, nor in the middle of another's
        self._fds = fds
        self._utc_s = utc_s
        self._size = 0  # bytes, as far as we know
        self._period = 0  # of what is in the file
        self._lost = 0  # bytes
        self._reopened()

    def take_streams(self, redactor: Callable[[], Redactor]) -> None:
        """Have all that Python prints pass `redactor` and be written here."""
        for stream in guard_streams():
            stream.lead_to(self.write, redactor, self.lock)

    def tend(self) -> bool:
        """Rotate what is full or over, and begin a new file where ours was moved away; True when it is another now."""
        with self.lock:
            try:
                return self._tend(0)
            except OSError:
                return False  # tried again by the next call

    def write(self, fd: int, content: bytes) -> None:
        """Write to one of the descriptors; what a full disk refuses is counted, and told later."""
        with self.lock:
            try:
                if self._size and self._size + len(content) > self.retention.max_bytes:
                    self._tend(len(content))
                self._put(fd, self._notice() + content)
                self._lost = 0
            except OSError:
                self._lost += len(content)

    def _notice(self) -> bytes:
        return b"\n[%d bytes of output were lost here: no room on the disk]\n" % self._lost if self._lost else b""

    def _put(self, fd: int, content: bytes) -> None:
        view = memoryview(content)
        while view:
            written = os.write(fd, view)
            self._size += written
            view = view[written:]

    def _tend(self, coming: int) -> bool:
        ours = os.fstat(self._fds[0])
        try:
            moved = identity(os.stat(self.path)) != identity(ours)
        except FileNotFoundError:
            moved = True
        if moved:
            self._open()
            return True
        self._size = ours.st_size
        full = self._size + coming > self.retention.max_bytes
        if not self._size or not (full or self.retention.period(self._utc_s()) != self._period):
            return False
        set_aside(self.path, self._utc_s(), identity(ours))
        self._open()
        make_room(self.path, self.retention, self._utc_s(), full)
        return True

    def _open(self) -> None:
        fd = open_output(self.path)
        for number in self._fds:
            os.dup2(fd, number)
        os.close(fd)
        self._reopened()

    def _reopened(self) -> None:
        found = os.fstat(self._fds[0])
        self._size = found.st_size
        self._period = self.retention.period(found.st_mtime if found.st_size else self._utc_s())


def open_output(path: Path) -> int:
    """Open a file that output is added to; raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:  # the folder was taken away
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, flags, 0o600)
