"""The upkeep of a whole folder of logs, as a process of its own: `python -m core.log_manager compress FOLDER [RULES]`.

Rotates what nobody writes to any more, compresses what is rotated, deletes what the rules (JSON of `Retention`) do not
keep. Writers rotate by themselves (`core/rotating_file.py`, `core/captured_output.py`).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

from core.log_files import live_log, rotated_file
from core.log_retention import Retention, apply_retention, set_aside

_BLOCK = 64 * 1024


def rotate_quiet(folder: Path, retention: Retention, utc_s: float) -> int:
    """Rotate live logs whose last line is of an earlier stretch or too old to be kept; return how many.

    Whoever still has one open notices and begins a new one. Raises OSError.
    """
    return sum(
        set_aside(folder / name, utc_s)
        for name in sorted(os.listdir(folder))
        if live_log(name) and _is_over(folder / name, retention, utc_s)
    )


def _is_over(path: Path, retention: Retention, utc_s: float) -> bool:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    is_old = found.st_mtime < retention.oldest_s(utc_s)
    return found.st_size > 0 and (is_old or retention.period(found.st_mtime) != retention.period(utc_s))


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
    """Make `path`.gz whole and durable, then remove `path`; False while somebody may still write to it."""
    import gzip
    import shutil

    temporary = path.with_name(f".{path.name}.gz.tmp")
    try:
        with open(path, "rb") as source, open(temporary, "wb") as target:
            if _is_open_for_writing(source.fileno()):
                return False
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


def _is_open_for_writing(fd: int) -> bool:
    """Tell whether any process has the file open for writing: the kernel refuses a read lease then.

    A stopped process, or a program that a bot started, may hold a rotated file for long, and would write its lines into
    nothing. Where the file system knows no leases, the size has to do.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        return exc.errno == errno.EAGAIN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def main(arguments: list[str]) -> int:
    """Look after one folder; print what was done as JSON."""
    if len(arguments) not in (2, 3) or arguments[0] != "compress":
        print("usage: python -m core.log_manager compress FOLDER [RULES]", file=sys.stderr)
        return 2
    os.nice(10)
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # how the kernel would ask for a lease back
    folder, utc_s = Path(arguments[1]), time.time()
    rules = Retention.from_plain(json.loads(arguments[2]) if len(arguments) == 3 else {})
    try:
        done = {"rotated": rotate_quiet(folder, rules, utc_s), "compressed": compress_rotated(folder)}
        done["deleted"] = apply_retention(folder, rules, utc_s)
    except OSError as exc:
        full = "; free some disk space" if exc.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        print(f"cannot compress {folder}: {exc.strerror}{full}", file=sys.stderr)
        return 1
    print(json.dumps(done))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
