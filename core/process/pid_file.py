"""The locked pid file: the lock says whether a daemon lives, the content says which process it is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from core.process.identity import Identity, identity_of
from utils.files import open_locked

NAME = "makerd.pid"
GLANCE_S = 0.2


class PidFile:
    """A daemon's claim on its home. The lock is taken first, the pid written after; the file is never unlinked."""

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / NAME
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock and write who we are; False when another process holds it. Raises OSError."""
        deadline = time.monotonic() + GLANCE_S
        while (fd := open_locked(self.path)) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)  # perhaps only somebody's glance at it, see holder()
        self._fd = fd
        me = identity_of(os.getpid())
        assert me is not None
        os.ftruncate(fd, 0)
        os.pwrite(fd, (json.dumps(me.to_plain()) + "\n").encode(), 0)
        return True

    @property
    def fd(self) -> int:
        """Return the descriptor that holds the lock."""
        assert self._fd is not None
        return self._fd

    def take_over(self, fd: int) -> None:
        """Go on with the lock of an earlier self: the same process, so what the file says is true."""
        self._fd = fd

    def release(self) -> None:
        """Empty the file and let go of the lock."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


def holder(run_dir: Path) -> Identity | None:
    """Return the daemon that holds the lock of `run_dir`, None when nobody does.

    A file left behind by a dead daemon (its pid gone, or belonging to a stranger now) is not locked and so says
    nothing. A holder that has not yet written its pid is reported with pid 0.
    """
    path = run_dir / NAME
    if not path.exists():
        return None
    fd = open_locked(path)
    if fd is not None:
        os.close(fd)
        return None
    try:
        return Identity.from_plain(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError):
        return Identity(0, 0, "")
