"""Reading a file that somebody else wrote, without waiting and without end."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class TooOpen(OSError):
    """The file can be read by more people than it should."""


def read_regular(path: Path, limit: int, refused_mode: int = 0) -> bytes:
    """Return at most `limit` bytes of a regular file, never waiting for a pipe or device. Raises OSError.

    TooOpen when the file's mode has a bit of `refused_mode`.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, "not a regular file")
        if mode & refused_mode:
            raise TooOpen(0, f"mode {stat.S_IMODE(mode):04o}")
        return file.read(limit)


def config_files(folder: Path) -> list[Path]:
    """Return the config files of a folder in the order of their names; hidden ones are none. Raises OSError."""
    return sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
