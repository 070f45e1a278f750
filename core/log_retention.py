"""When a log is rotated and how much of the past is kept; one log's rotation, and the limits of a whole folder."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.log_files import STAMP, Rotated, live_log, rotated_file, rotated_files

_HOUR_S = 3600
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Retention:
    """The rules of one folder of logs."""

    max_bytes: int = 5_000_000  # of one file; a longer line is still written
    rotate_hours: float = 0.0  # a file holds lines of one such stretch, counted from midnight UTC; 0 is off
    keep_files: int = 10  # rotated ones of each log
    keep_days: float = 30.0
    total_mb: float = 1000.0  # of the whole folder, live files included

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Retention:
        """Return the rules of `to_plain` data; what is missing has its default."""
        return cls(**{key.name: plain[key.name] for key in dataclasses.fields(cls) if key.name in plain})

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return dataclasses.asdict(self)

    @property
    def total_bytes(self) -> int:
        """Return `total_mb` in bytes."""
        return int(self.total_mb * 1_000_000)

    def period(self, utc_s: float) -> int:
        """Return the number of the stretch that a moment is in, 0 when there is no rotation by time."""
        return int(utc_s // (self.rotate_hours * _HOUR_S)) if self.rotate_hours else 0

    def oldest_s(self, utc_s: float) -> float:
        """Return the moment before which nothing is kept."""
        return utc_s - self.keep_days * _DAY_S


def set_aside(path: Path, utc_s: float, expected: tuple[int, int] | None = None) -> bool:
    """Rename a live log to its rotated name; False when somebody else is at it or was. Raises OSError.

    `expected` is the device and inode that must be at `path`. The lock is on the very file that is renamed, so two
    processes never rename after each other, and nobody waits for it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours, found = identity(os.fstat(fd)), identity(os.stat(path))
        if ours != found or expected not in (None, ours):
            return False
        os.rename(path, f"{path}.{_next_stamp(rotated_files(path.parent, path.name), utc_s)}")
        return True
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(fd)


def rotate_by_hand(folder: Path, name: str) -> list[str]:
    """Rotate log and captured output of one name; return the files that were not empty. Raises OSError.

    Their writers notice: the log's with its next line, the output's within a second.
    """
    paths = [folder / f"{name}.{kind}" for kind in ("log", "out")]
    return [path.name for path in paths if path.exists() and path.stat().st_size and set_aside(path, time.time())]


def identity(found: os.stat_result) -> tuple[int, int]:
    """Return what tells a file from another one at the same path."""
    return found.st_dev, found.st_ino


def _next_stamp(older: list[Rotated], utc_s: float) -> str:
    """Return the stamp of now, or just after the newest when the clock was set back."""
    now = _stamp(utc_s)
    if not older or older[-1].stamp < now:
        return now
    return (datetime.strptime(older[-1].stamp, STAMP) + timedelta(microseconds=1)).strftime(STAMP)


def _stamp(utc_s: float) -> str:
    return datetime.fromtimestamp(max(0.0, utc_s), UTC).strftime(STAMP)


def prune(rotated: list[Rotated], retention: Retention, utc_s: float) -> int:
    """Delete what is beyond the count per log or too old; return how many files went. Raises OSError."""
    oldest = _stamp(retention.oldest_s(utc_s))
    kept: dict[str, int] = {}
    gone = 0
    for file in reversed(rotated):
        kept[file.log] = kept.get(file.log, 0) + 1
        if kept[file.log] > retention.keep_files or file.stamp < oldest:
            file.path.unlink(missing_ok=True)
            gone += 1
    return gone


def apply_retention(folder: Path, retention: Retention, utc_s: float) -> int:
    """Delete rotated files of every log in `folder` until all limits hold; return how many went. Raises OSError."""
    gone = prune(rotated_files(folder), retention, utc_s)
    sizes, usage = _sizes(folder)
    excess = sum(usage.values()) - retention.total_bytes
    rotated: dict[str, list[Rotated]] = {}
    for file in rotated_files(folder):
        rotated.setdefault(file.log, []).append(file)
    while excess > 0 and rotated:
        # The oldest of the log that takes most: whoever floods loses of its own past, not of the others'.
        log = max(rotated, key=lambda name: usage[name])
        file = rotated[log].pop(0)
        if not rotated[log]:
            del rotated[log]
        file.path.unlink(missing_ok=True)
        size = sizes.get(file.path.name, 0)
        usage[log] -= size
        excess -= size
        gone += 1
    return gone


def make_room(path: Path, retention: Retention, utc_s: float, folder_too: bool) -> None:
    """Delete what the rules no longer keep of a log that was just rotated.

    `folder_too`: of the whole folder. It is looked at before a full file is followed by another, so that a flood is
    bounded while it lasts; not by every bot at midnight. What fails is left to the compressor.
    """
    try:
        prune(rotated_files(path.parent, path.name), retention, utc_s)
        if folder_too and _total(path.parent) > retention.total_bytes:
            apply_retention(path.parent, retention, utc_s)
    except OSError:
        pass


def _total(folder: Path) -> int:
    """Return the bytes of everything in a folder: a glance, where a look at each log takes a trading loop too long."""
    with os.scandir(folder) as entries:
        return sum(_size(entry) for entry in entries)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # deleted by another process just now
        return 0


def _sizes(folder: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Return the bytes of each file of a log, and of each log with all its files."""
    sizes: dict[str, int] = {}
    usage: dict[str, int] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            rotated = rotated_file(Path(entry.path))
            log = rotated.log if rotated else live_log(entry.name)
            if log is not None:
                sizes[entry.name] = _size(entry)
                usage[log] = usage.get(log, 0) + sizes[entry.name]
    return sizes, usage
