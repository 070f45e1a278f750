"""Files that a crash cannot tear: atomic, durable replacement and locks that are never unlinked."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path
from typing import Any


def fsync_folder(folder: Path) -> None:
    """Make a rename or creation inside `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomic(path: Path, content: bytes, mode: int = 0o600, like: Path | None = None) -> None:
    """Replace `path` by `content`: the old or the new file, never a mixture. Raises OSError.

    `like`: written by root, the file belongs to the owner of that one.
    """
    temporary = path.with_name(f".{path.name}.{threading.get_native_id()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            if like is not None:
                give_to_owner_of(fd, like)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def give_to_owner_of(file: int | Path, like: Path) -> None:
    """Let root's new file or folder belong to whoever owns another one; for anybody else it is theirs already."""
    if os.geteuid() == 0:
        owner = os.stat(like)
        os.chown(file, owner.st_uid, owner.st_gid)


def write_json_atomic(path: Path, value: Any, mode: int = 0o600) -> None:
    """Replace `path` by `value` as JSON, durably; of an object each member on a line, by its key."""
    write_atomic(path, json_lines(value), mode)


def json_lines(value: Any) -> bytes:
    """Return JSON that people can read; to indent it through and through takes ten times as long."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value).encode() + b"\n"
    members = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value[key], sort_keys=True)}" for key in sorted(value))
    return f"{{\n {members}\n}}\n".encode()


def read_json(path: Path) -> Any | None:
    """Return the JSON value in `path`, None when there is no such file. Raises ValueError when it is not JSON."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return json.loads(content)


def open_locked(path: Path, shared: bool = False) -> int | None:
    """Open and flock `path` without waiting; return its descriptor, None when somebody holds it.

    The lock goes with the descriptor. A lock file is never unlinked by us; one that was replaced between
    open and lock is noticed by comparing inode numbers, and tried again.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        ours = os.fstat(fd)
        try:
            theirs = os.stat(path)
        except FileNotFoundError:
            os.close(fd)
            continue
        if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
            return fd
        os.close(fd)
