"""Copies the ledger of every bot, while bots write to them, to `var/data/backup/BOT/ledger-STAMP.db`.

SQLite's own online backup over one read transaction: a copy is one moment of the ledger, whole, and no writer waits
for it. Each copy is checked before it takes its name. A ledger that has not changed since its last copy is left alone,
so that a bot that rests keeps its history of copies.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import MakerdError
from utils.files import fsync_folder

if TYPE_CHECKING:
    from core.jobs.base import JobContext

LEDGER = "ledger.db"
PAGES = 2048  # copied between two beats
_COPY = re.compile(r"ledger-\d{8}T\d{6}Z\.db")
_DRAFT = ".draft.db"
_MB = 2**20
_CLOCK_NS = 1_000_000_000  # the clock of a file system is coarser than ours: rather one copy too many


class StopCopying(Exception):
    """A stop was asked in the middle of a copy."""


def run(context: JobContext) -> None:
    """Copy what has changed, once. Raises MakerdError when a ledger could not be copied, after all were tried."""
    keep, min_free_mb = int(context.params["keep"]), float(context.params["min_free_mb"])
    copied, failed = [], []
    for ledger in sorted(context.home.state.glob(f"*/{LEDGER}")):
        bot = ledger.parent.name
        if context.stop_asked:
            break
        context.beat(f"COPYING {bot}")
        try:
            if backup(context, ledger, context.home.data / "backup" / bot, keep, min_free_mb):
                copied.append(bot)
        except StopCopying:
            break
        except (OSError, sqlite3.Error) as exc:
            context.log.error("backup_failed", extra={"fields": {"of": bot, "reason": str(exc)}})
            failed.append(bot)
    context.log.info("backup_ended", extra={"fields": {"copied": copied, "failed": failed}})
    if failed:
        raise MakerdError(f"no backup of {', '.join(failed)}; its log says why")


def backup(context: JobContext, ledger: Path, folder: Path, keep: int, min_free_mb: float) -> bool:
    """Copy one ledger and delete its oldest copies; False when it has not changed. Raises OSError, sqlite3.Error."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    last = max(copies(folder), default=None)
    if last is not None and last.stat().st_mtime_ns > _changed_ns(ledger):
        return False
    free_mb = shutil.disk_usage(folder).free / _MB - ledger.stat().st_size / _MB
    if free_mb < min_free_mb:
        raise OSError(f"the copy would leave {free_mb:.0f} MB of the disk, min_free_mb is {min_free_mb:.0f}")
    began_ns, draft = time.time_ns(), folder / _DRAFT
    _tidy(folder)
    try:
        _copy(context, ledger, draft)
        os.utime(draft, ns=(began_ns - _CLOCK_NS,) * 2)  # what the ledger was when the copy began is in it
        os.replace(draft, folder / time.strftime("ledger-%Y%m%dT%H%M%SZ.db", time.gmtime(began_ns / 1e9)))
    finally:
        _tidy(folder)
    fsync_folder(folder)
    for old in sorted(copies(folder))[:-keep]:
        old.unlink()
    return True


def copies(folder: Path) -> list[Path]:
    """Return the copies in a folder, in no order; their names sort by their age."""
    return [path for path in folder.iterdir() if _COPY.fullmatch(path.name)]


def _tidy(folder: Path) -> None:
    """Delete a draft, also one that a kill has left, with whatever SQLite keeps beside it."""
    for left in folder.glob(f"{_DRAFT}*"):
        left.unlink()


def _changed_ns(ledger: Path) -> int:
    """Return when a ledger was last written to; a reader makes an empty log beside it, which tells nothing."""
    wal = ledger.with_name(f"{ledger.name}-wal")
    found = [path.stat() for path in (ledger, wal) if path.exists()]
    return max(one.st_mtime_ns for one in found if one.st_size)


def _copy(context: JobContext, ledger: Path, draft: Path) -> None:
    """Copy a database as one moment saw it, as a single file, and check it."""

    def progress(_status: int, _left: int, _total: int) -> None:
        context.beat(f"COPYING {ledger.parent.name}")
        if context.stop_asked:
            raise StopCopying

    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with (
        closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as source,
        closing(sqlite3.connect(draft, isolation_level=None)) as target,
    ):
        target.execute("PRAGMA journal_mode=OFF")  # a draft that fails is thrown away
        target.execute("PRAGMA synchronous=OFF")
        source.execute("BEGIN")
        source.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # from here on it sees one moment only
        source.backup(target, pages=PAGES, progress=progress)
        target.execute("PRAGMA journal_mode=DELETE")
        found = target.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged, and so is the ledger perhaps: {found}")
    fd = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
