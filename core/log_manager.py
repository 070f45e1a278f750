"""Log files: written, rotated by size, compressed and kept within bounds (their readers are in `core/log_files.py`).

The writer renames and opens anew by itself, and notices when somebody else has moved or deleted the file.
`python -m core.log_manager compress FOLDER` compresses and prunes, as a process of its own.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.log_files import DAEMON, STAMP, Rotated, follow, log_path, rotated_file, rotated_files, tail_lines

__all__ = ["DAEMON", "MAX_BYTES", "Retention", "RotatingFile", "apply_retention", "compress_rotated"]
__all__ += ["follow", "log_path", "rotated_files", "tail_lines"]

MAX_BYTES = 5_000_000
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of the past is kept: files per log, days, and bytes of a whole folder."""

    files: int = 10
    days: float = 30.0
    total_bytes: int = 1_000_000_000


class RotatingFile(logging.Handler):
    """A log file with a bounded size. Nothing that a disk does is raised into the caller: lost lines are counted."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, retention: Retention | None = None) -> None:
        super().__init__()
        self.path = path
        self.max_bytes = max_bytes
        self.retention = retention or Retention()
        self.lost = 0
        self.reason = ""
        self._fd = -1
        self._file: tuple[int, int] | None = None
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line; after a failure, first a notice of how many were lost."""
        try:
            lines = [self.format(record)]
            if self.lost:
                lines.insert(0, self.format(self._notice()))
            self._append("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
            self.lost = 0
        except Exception as exc:  # the caller is trading; logging may not stop it
            self.lost += 1
            self.reason = f"{type(exc).__name__}: {exc}"

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        self.acquire()
        try:
            self._let_go()
        finally:
            self.release()
        super().close()

    def _notice(self) -> logging.LogRecord:
        fields = {"lost": self.lost, "reason": self.reason}
        made = {"name": "makerd.process", "levelno": logging.WARNING, "levelname": "WARNING", "fields": fields}
        return logging.makeLogRecord(made | {"msg": "log_lines_lost"})

    def _append(self, content: bytes) -> None:
        size = self._ready()
        if size and size + len(content) > self.max_bytes:
            self._rotate()
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
        if self._fd < 0 or (found.st_dev, found.st_ino) != self._file:
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
        self._fd, self._file = fd, (found.st_dev, found.st_ino)
        # Somebody was killed in the middle of a line: ours begins on a new one.
        self._torn = found.st_size > 0 and os.pread(fd, 1, found.st_size - 1) != b"\n"
        return found.st_size

    def _let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self._file = -1, None

    def _rotate(self) -> None:
        """Rename the file and begin a new one; where renaming fails the old one simply grows on."""
        try:
            older = rotated_files(self.path.parent, self.path.name)
            os.rename(self.path, f"{self.path}.{_next_stamp(older)}")
        except OSError:
            return
        self._open()
        try:
            prune(rotated_files(self.path.parent, self.path.name), self.retention)
        except OSError:
            pass  # the compressor prunes too


def _next_stamp(older: list[Rotated]) -> str:
    """Return the stamp of now, or just after the newest when the clock was set back."""
    now = datetime.now(UTC).strftime(STAMP)
    if not older or older[-1].stamp < now:
        return now
    return (datetime.strptime(older[-1].stamp, STAMP) + timedelta(microseconds=1)).strftime(STAMP)


def prune(rotated: list[Rotated], retention: Retention) -> int:
    """Delete what is beyond the count per log or too old; return how many files went."""
    oldest = (datetime.now(UTC) - timedelta(days=retention.days)).strftime(STAMP)
    kept: dict[str, int] = {}
    gone = 0
    for file in reversed(rotated):
        kept[file.log] = kept.get(file.log, 0) + 1
        if kept[file.log] > retention.files or file.stamp < oldest:
            file.path.unlink(missing_ok=True)
            gone += 1
    return gone


def apply_retention(folder: Path, retention: Retention | None = None) -> int:
    """Delete old rotated files of every log in `folder` until all limits hold; return how many went. Raises OSError."""
    limits = retention or Retention()
    gone = prune(rotated_files(folder), limits)
    total = sum(_size(entry) for entry in folder.iterdir() if ".log" in entry.name or ".jsonl" in entry.name)
    for file in rotated_files(folder):
        if total <= limits.total_bytes:
            break
        total -= _size(file.path)
        file.path.unlink(missing_ok=True)
        gone += 1
    return gone


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def compress_rotated(folder: Path) -> int:
    """Compress the rotated files of `folder`, one process at a time; return how many. Raises OSError."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.glob(".*.gz.tmp"):  # of a compressor that was killed
            left.unlink(missing_ok=True)
        found = [rotated_file(folder / entry) for entry in sorted(os.listdir(folder))]
        return sum(_compress(file.path, lock) for file in found if file and not file.compressed)
    except BlockingIOError:
        return 0
    finally:
        os.close(lock)


def _compress(path: Path, folder_fd: int) -> bool:
    """Make `path`.gz whole and durable, then remove `path`; False when it was written to meanwhile."""
    import gzip
    import shutil

    temporary = path.with_name(f".{path.name}.gz.tmp")
    try:
        with open(path, "rb") as source, open(temporary, "wb") as target:
            os.fchmod(target.fileno(), 0o600)
            with gzip.GzipFile(path.name, "wb", 6, target, mtime=os.fstat(source.fileno()).st_mtime) as packed:
                shutil.copyfileobj(source, packed, _BLOCK)
            target.flush()
            os.fsync(target.fileno())
            unchanged = os.fstat(source.fileno()).st_size == source.tell()
        if unchanged:
            os.replace(temporary, path.with_name(f"{path.name}.gz"))
            os.fsync(folder_fd)
            path.unlink()
        return unchanged
    except FileNotFoundError:
        return False  # pruned meanwhile
    finally:
        temporary.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    """Compress and prune one folder; print what was done as JSON."""
    if len(arguments) != 2 or arguments[0] != "compress":
        print("usage: python -m core.log_manager compress FOLDER", file=sys.stderr)
        return 2
    os.nice(10)
    folder = Path(arguments[1])
    try:
        done = {"compressed": compress_rotated(folder), "deleted": apply_retention(folder)}
    except OSError as exc:
        full = "; free some disk space" if exc.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        print(f"cannot compress {folder}: {exc.strerror}{full}", file=sys.stderr)
        return 1
    print(json.dumps(done))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
