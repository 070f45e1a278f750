"""SQLite files of ours: for their user alone, and never of a version that we do not know."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from utils.sqlite_file import FileUnusable, Format

FIRST = Format("CREATE TABLE a (x INTEGER);", 1)
THIRD = Format(
    "CREATE TABLE a (x INTEGER, y INTEGER); CREATE TABLE b (z INTEGER);",
    3,
    {1: "ALTER TABLE a ADD COLUMN y INTEGER;", 2: "CREATE TABLE b (z INTEGER);"},
)


def tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}


def test_a_new_file_is_its_users_alone_and_in_wal_mode(tmp_path: Path) -> None:
    with closing(FIRST.open(tmp_path / "f.db", 1)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (tmp_path / "f.db").stat().st_mode & 0o777 == 0o600


def test_an_older_file_is_brought_forward_with_what_is_in_it(tmp_path: Path) -> None:
    with closing(FIRST.open(tmp_path / "f.db", 1)) as connection:
        connection.execute("INSERT INTO a VALUES (7)")
    with closing(THIRD.open(tmp_path / "f.db", 1)) as connection, closing(THIRD.open(tmp_path / "new.db", 1)) as new:
        assert connection.execute("SELECT x, y FROM a").fetchall() == [(7, None)]
        assert tables(connection) == tables(new)


def test_a_step_that_fails_leaves_the_older_file_as_it_was(tmp_path: Path) -> None:
    FIRST.open(tmp_path / "f.db", 1).close()
    wrong = Format("", 2, {1: "CREATE TABLE c (x INTEGER); CREATE TABLE a (x INTEGER);"})
    with pytest.raises(FileUnusable, match="cannot be used: table a already exists"):
        wrong.open(tmp_path / "f.db", 1)
    with closing(FIRST.open(tmp_path / "f.db", 1)) as connection:
        assert tables(connection) == {"a": ["x"]}


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    THIRD.open(tmp_path / "f.db", 1).close()
    with pytest.raises(FileUnusable, match=r"newer makerd \(format 3\)"):
        FIRST.open(tmp_path / "f.db", 1)


def test_what_is_no_database_or_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(FileUnusable, match="cannot be used: file is not a database"):
        FIRST.open(tmp_path / "text.db", 1)
    with pytest.raises(FileUnusable, match="cannot be opened"):
        FIRST.open(tmp_path / "no folder" / "f.db", 1)
