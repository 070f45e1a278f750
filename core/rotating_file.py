"""The writer of a log: a file that is rotated by size and time, and by nobody's will but the disk's loses a line.

It renames and opens anew by itself, and notices when somebody else has moved or deleted the file.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.log_retention import Retention, identity, make_room, set_aside
from core.log_throttle import Throttle


class RotatingFile(logging.Handler):
    """A log file with a bounded size. Nothing that a disk does is raised into the caller: lost lines are counted."""

    def __init__(
        self,
        path: Path,
        retention: Retention | None = None,
        throttle: Throttle | None = None,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.path = path
        self.retention = retention or Retention()
        self.lost = 0
        self.reason = ""
        self._throttle = throttle or Throttle()
        self._utc_s = utc_s
        self._fd = -1
        self._file: tuple[int, int] | None = None
        self._period = 0  # of the lines in the file
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line; before it, when it is time, a notice of those that were lost or left out."""
        try:
            if self._throttle.admits(record.levelno, _event(record)):
                self._write([record])
        except Exception as exc:  # the caller is trading; logging may not stop it
            self.lost += 1
            self.reason = f"{type(exc).__name__}: {exc}"

    def tend(self, at_once: bool = False) -> None:
        """Tell what was left out, although no further line comes."""
        self.acquire()
        try:
            if self._throttle.owes_notice(at_once):
                self._write([], at_once)
        except Exception as exc:
            self.lost += 1
            self.reason = f"{type(exc).__name__}: {exc}"
        finally:
            self.release()

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        self.tend(at_once=True)
        self.acquire()
        try:
            self._let_go()
        finally:
            self.release()
        super().close()

    def _write(self, records: list[logging.LogRecord], at_once: bool = False) -> None:
        owes_notice = self._throttle.owes_notice(at_once)
        if owes_notice:
            records.insert(0, _notice("log_lines_left_out", self._throttle.left_out()))
        if self.lost:
            records.insert(0, _notice("log_lines_lost", {"lost": self.lost, "reason": self.reason}))
        content = "".join(f"{self.format(record)}\n" for record in records)
        self._append(content.encode("utf-8", "backslashreplace"))
        self.lost = 0
        if owes_notice:
            self._throttle.told()

    def _append(self, content: bytes) -> None:
        size = self._ready()
        if size:
            full = size + len(content) > self.retention.max_bytes
            if full or self.retention.period(self._utc_s()) != self._period:
                self._rotate(full)
        view = memoryview(b"\n" + content if self._torn else content)
        while view:
            written = os.write(self._fd, view)
            self._torn = written < len(view)
            view = view[written:]

    def _ready(self) -> int:
        """Open the file if it is not, or no longer, the one at `path`; return its size in bytes."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return self._open()
        if self._fd < 0 or identity(found) != self._file:
            return self._open()
        return found.st_size

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(self.path, flags, 0o600)
        except FileNotFoundError:  # the folder was taken away
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(self.path, flags, 0o600)
        self._let_go()
        found = os.fstat(fd)
        self._fd, self._file = fd, identity(found)
        self._period = self.retention.period(found.st_mtime if found.st_size else self._utc_s())
        # Somebody was killed in the middle of a line: ours begins on a new one.
        self._torn = found.st_size > 0 and os.pread(fd, 1, found.st_size - 1) != b"\n"
        return found.st_size

    def _let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self._file = -1, None

    def _rotate(self, full: bool) -> None:
        """Rename the file and begin a new one; where renaming fails the old one simply grows on."""
        try:
            set_aside(self.path, self._utc_s(), self._file)
        except OSError:
            return
        self._open()
        make_room(self.path, self.retention, self._utc_s(), full)


def _event(record: logging.LogRecord) -> str:
    return record.msg[:200] if isinstance(record.msg, str) else type(record.msg).__name__


def _notice(event: str, fields: dict[str, Any]) -> logging.LogRecord:
    made = {"name": "makerd.process", "levelno": logging.WARNING, "levelname": "WARNING", "fields": fields}
    return logging.makeLogRecord(made | {"msg": event})
