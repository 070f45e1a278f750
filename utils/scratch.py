"""A folder for what a process needs for a moment. Of one that was killed, the next to have such a folder removes it.

A lock in the folder says that somebody is at work there; it goes with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.files import open_locked

PREFIX = "makerd-scratch-"
_LOCK_NAME = "lock"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Have a folder among the temporary files, closed to other users, while the block lasts. Raises OSError."""
    remove_leftovers()
    folder, lock = _make()
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


@contextmanager
def temporary_files_in_scratch() -> Iterator[None]:
    """Have every temporary file of this process in such a folder while the block lasts. Raises OSError."""
    with scratch_folder() as folder:
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before


def remove_leftovers() -> None:
    """Remove the folders of processes that are gone; one without a lock was made by somebody else."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            lock = _lock_of_gone(folder)
        except OSError:  # another user's, no folder, somebody is at work there, or it has just been removed
            continue
        _remove(folder)
        os.close(lock)


def _lock_of_gone(folder: Path) -> int:
    """Lock a folder that was left and return the descriptor of the lock. Raises OSError.

    Everybody may put names there: nothing is created, no link is followed, and what is not our user's is not looked at.
    """
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _refuse_strange(os.fstat(place))
        lock = os.open(_LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)
    try:
        found = os.fstat(lock)
        _refuse_strange(found)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(f"the lock of {folder} is no file")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _refuse_strange(found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise PermissionError("it belongs to another user")


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last: by that the rest is found again when we are killed meanwhile."""
    with contextlib.suppress(OSError):
        for one in list(os.scandir(folder)):
            if one.is_dir(follow_symlinks=False):
                shutil.rmtree(one.path, ignore_errors=True)
            elif one.name != _LOCK_NAME:
                os.unlink(one.path)
        if os.listdir(folder) == [_LOCK_NAME]:
            shutil.rmtree(folder, ignore_errors=True)


def _make() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = open_locked(folder / _LOCK_NAME)
        except FileNotFoundError:  # somebody took it for a leftover before it was locked
            continue
        if lock is not None:
            return folder, lock
