"""A bot's ledger opened for reading only: never made, changed or held for long, whatever its owner does meanwhile.

A reader of a WAL file blocks no writer; what could hurt is a long read, which keeps the WAL from being started anew. So
a connection lives for one answer, and answers are cut to pages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import LedgerError

_BUSY_TIMEOUT_S = 0.2  # only while the owner recovers or migrates the file


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """An open ledger and what it has; a format that lacks a table has no rows of it."""

    path: Path
    connection: sqlite3.Connection
    tables: frozenset[str]

    def rows(self, table: str, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a statement about a table, none where the format has no such table."""
        return self.connection.execute(statement, values).fetchall() if table in self.tables else []


@contextmanager
def reading(path: Path) -> Iterator[LedgerFile | None]:
    """Open a ledger for one answer; None when there is no file yet. Raises LedgerError when it cannot be read."""
    if not path.is_file():
        yield None
        return
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA query_only = ON")
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            yield LedgerFile(path, connection, frozenset(row[0] for row in found))
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise LedgerError(f"the ledger {path} cannot be read: {exc}") from exc
