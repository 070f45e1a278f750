"""Every accepted version of every bot's file, in `var/history/configs.db`: who, when, why, and the text as written.

SQLite with journal mode WAL and synchronous FULL: what was committed survives a power loss, and whatever a crash tears
is what was not. Texts are unresolved, and only of valid configs, in which a literal secret is refused: none gets here.
`pending` is what `store.py` is about to write, so that the files and this record can be brought together after a crash.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import ConfigError
from utils.files import give_to_owner_of

NAME = "configs.db"
BY_HAND = "by hand"
# Whose versions those of the daemon file and of a base are (`config/bases/calm.json`); no bot can be called that.
DAEMON_FILE = "config/daemon.json"
BASES = "config/bases/"
UNKNOWN = "unknown"
BUSY_S = 10.0
_TABLES = """
CREATE TABLE IF NOT EXISTS versions (
  bot TEXT NOT NULL, number INTEGER NOT NULL, at_ns INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
  note TEXT NOT NULL, file TEXT NOT NULL, digest TEXT NOT NULL, text BLOB NOT NULL, PRIMARY KEY (bot, number));
CREATE TABLE IF NOT EXISTS pending (
  place INTEGER PRIMARY KEY, bot TEXT NOT NULL, at_ns INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
  note TEXT NOT NULL, file TEXT NOT NULL, base TEXT, new BLOB);
"""
_COLUMNS = "bot, number, at_ns, who, action, note, file, digest, text"


def file_digest(content: bytes | None) -> str | None:
    """Return the digest of a file's bytes, None for a file that is not there."""
    return None if content is None else hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Version:
    """One accepted state of a bot's file; `number` counts from 1 for each bot, `file` is relative to the home."""

    bot: str
    number: int
    at_ns: int
    who: str
    action: str
    note: str
    file: str
    digest: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Pending:
    """One step of a change under way: a file that gets new content, or goes (`new` is None)."""

    bot: str
    at_ns: int
    who: str
    action: str
    note: str
    file: str
    base: str | None  # digest of the content that it replaces; None: there was no file
    new: bytes | None

    @property
    def digest(self) -> str | None:
        """Return the digest of the file once the step is done."""
        return file_digest(self.new)


class History:
    """The open record. Methods raise ConfigError when it cannot be read or written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def versions(self, bot: str) -> list[Version]:
        """Return all versions of a bot, the oldest first."""
        return [
            Version(*row) for row in self._all(f"SELECT {_COLUMNS} FROM versions WHERE bot = ? ORDER BY number", bot)
        ]

    def newest(self, bot: str) -> Version | None:
        """Return the newest version of a bot, None when it has none."""
        query = f"SELECT {_COLUMNS} FROM versions WHERE bot = ? ORDER BY number DESC LIMIT 1"
        return next((Version(*row) for row in self._all(query, bot)), None)

    def version(self, bot: str, number: int) -> Version:
        """Return one version. Raises ConfigError naming those that there are."""
        query = f"SELECT {_COLUMNS} FROM versions WHERE bot = ? AND number = ?"
        found = next((Version(*row) for row in self._all(query, bot, number)), None)
        if found is None:
            newest = self.newest(bot)
            known = f"it has 1 to {newest.number}" if newest else "it has none yet"
            raise ConfigError(f"there is no version {number} of {bot}; {known}")
        return found

    def newest_digests(self) -> dict[str, str]:
        """Return the digest of the newest version of every bot."""
        query = "SELECT bot, digest, max(number) FROM versions GROUP BY bot"
        return {row[0]: row[1] for row in self._all(query)}

    def newest_files(self) -> dict[str, str]:
        """Return whose newest version each file held."""
        query = "SELECT file, bot, max(number) FROM versions GROUP BY bot"
        return {row[0]: row[1] for row in self._all(query)}

    def bots(self) -> list[str]:
        """Return every bot that has a version."""
        return [row[0] for row in self._all("SELECT DISTINCT bot FROM versions ORDER BY bot")]

    def pending(self) -> list[Pending]:
        """Return the steps of a change that was begun and never concluded."""
        query = "SELECT bot, at_ns, who, action, note, file, base, new FROM pending ORDER BY place"
        return [Pending(*row) for row in self._all(query)]

    def begin(self, steps: Sequence[Pending]) -> None:
        """Write down durably what is about to be done."""
        with self._transaction():
            self._db.execute("DELETE FROM pending")
            rows = [(s.bot, s.at_ns, s.who, s.action, s.note, s.file, s.base, s.new) for s in steps]
            query = "INSERT INTO pending (bot, at_ns, who, action, note, file, base, new) VALUES (?,?,?,?,?,?,?,?)"
            self._db.executemany(query, rows)

    def conclude(self, done: Sequence[Pending]) -> list[Version]:
        """Turn the steps that were done into versions, and forget what was pending; return the versions."""
        with self._transaction():
            made = [self._add(step) for step in done if step.new is not None]
            self._db.execute("DELETE FROM pending")
        return made

    def _add(self, step: Pending) -> Version:
        assert step.new is not None
        last = self._db.execute("SELECT max(number) FROM versions WHERE bot = ?", (step.bot,)).fetchone()[0]
        digest, number = file_digest(step.new) or "", (last or 0) + 1
        made = Version(
            step.bot, number, step.at_ns, step.who, step.action, step.note, step.file, digest, step.new
        )  # fmt: skip
        row = (made.bot, made.number, made.at_ns, made.who, made.action, made.note, made.file, made.digest, made.text)
        self._db.execute(f"INSERT INTO versions ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", row)
        return made

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with _told():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise ConfigError(f"the history of the configs cannot be read or written ({exc}); see var/history") from exc


@contextmanager
def open_history(folder: Path) -> Iterator[History]:
    """Open the record in a folder, made when it is missing. Raises ConfigError, OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _told():
        connection = sqlite3.connect(folder / NAME, timeout=BUSY_S, isolation_level=None)
    with closing(connection):
        with _told():
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_TABLES)
        give_to_owner_of(folder / NAME, folder)  # SQLite gives its other files to the owner of this one
        yield History(connection)
