"""A folder for what a process needs for a moment. Of one that was killed, the next to have such a folder removes it.

A lock in the folder says that somebody is at work there; it goes with the process, however that ends.
"""

from __future__ import annotations

import os
import shutil
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
        shutil.rmtree(folder, ignore_errors=True)
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
    """Remove the folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            lock = open_locked(folder / _LOCK_NAME)
        except OSError:  # another user's, or removed by somebody else
            continue
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _make() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = open_locked(folder / _LOCK_NAME)
        except FileNotFoundError:  # somebody took it for a leftover before it was locked
            continue
        if lock is not None:
            return folder, lock
