"""A SQLite file of our own format: opened for its user alone, and brought to the present version."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_CACHE_KIB = 512  # of pages; SQLite's own 2 MB would be a fifth of a worker


class FileUnusable(Exception):
    """The file cannot be used; the words go behind its name."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a file holds: the schema of its version, and the steps from each older one."""

    schema: str
    version: int
    steps: Mapping[int, str] = field(default_factory=dict)

    def open(self, path: Path, timeout_s: float) -> sqlite3.Connection:
        """Open or create the file at `path`, in a folder that is there; others are waited for `timeout_s`.

        Raises FileUnusable.
        """
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, isolation_level=None, timeout=timeout_s)
        except (OSError, sqlite3.Error) as exc:
            raise FileUnusable(f"cannot be opened: {exc}") from exc
        try:
            self._prepare(connection)
        except BaseException as exc:
            connection.close()
            if isinstance(exc, sqlite3.Error):
                raise FileUnusable(f"cannot be used: {exc}") from exc
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"cache_size = -{_CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > self.version:
            raise FileUnusable(f"was written by a newer makerd (format {version}); use that one")
        if version < self.version:
            steps = " ".join(self.steps[older] for older in range(version, self.version)) if version else self.schema
            connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {self.version}; COMMIT;")
