"""The event file on real disks: rotation, lost lines, numbers that go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.event_log import NAME, EventFile, last_seq
from core.fleet_config import FleetConfig, LogsConfig
from core.log_files import rotated_files, tail_lines
from core.log_manager import compress_rotated


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def rows(path: Path) -> list[dict[str, Any]]:
    """Return every row, of the rotated files too."""
    return [json.loads(line) for line in tail_lines(path, 10**6)]


def test_rows_are_lines_of_json_for_the_owner_alone(path: Path) -> None:
    file = EventFile(path)
    assert file.write({"seq": 1, "kind": "state", "bot": "ä\n"})
    assert rows(path) == [{"seq": 1, "kind": "state", "bot": "ä\n"}]
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_row_is_lost_when_the_file_is_rotated_and_compressed(path: Path) -> None:
    file = EventFile(path)
    file.follow(replace(FleetConfig(), logs=LogsConfig(max_bytes=10_000, keep_files=50)))
    for number in range(1000):
        assert file.write({"seq": number, "kind": "state", "reason": "x" * 50})
    assert len(rotated_files(path.parent, NAME)) > 5
    assert compress_rotated(path.parent) > 5
    assert [row["seq"] for row in rows(path)] == list(range(1000))
    assert last_seq(path) == 999


def test_the_limits_of_the_daemon_file_hold(path: Path) -> None:
    file = EventFile(path)
    file.follow(replace(FleetConfig(), logs=LogsConfig(max_bytes=10_000, keep_files=2)))
    for number in range(1000):
        file.write({"seq": number, "reason": "x" * 50})
    assert len(rotated_files(path.parent, NAME)) == 2


def test_a_disk_that_takes_nothing_costs_rows_and_the_next_row_tells_how_many(path: Path) -> None:
    path.mkdir()  # nothing can be opened there
    file = EventFile(path)
    assert [file.write({"seq": number}) for number in range(3)] == [False, False, False]
    path.rmdir()
    assert file.write({"seq": 4})
    notice, row = rows(path)
    assert (notice["kind"], notice["lost"], row["seq"]) == ("events_lost", 3, 4)


def test_a_row_is_bounded_and_anything_in_it_can_be_written(path: Path) -> None:
    nested: Any = []
    for _ in range(100):
        nested = [nested]
    assert EventFile(path).write(
        {"seq": 1, "reason": "x" * 10**6, "nested": nested, "odd": object(), "nan": float("nan")}
    )
    assert path.stat().st_size < 100_000
    assert len(rows(path)) == 1


@pytest.mark.parametrize("content", ["", "torn", '{"kind": "x"}\n', "5\n", "[]\n"])
def test_numbers_begin_at_one_where_no_row_tells_the_last(path: Path, content: str) -> None:
    assert last_seq(path) == 0
    path.write_text(content)
    assert last_seq(path) == 0


def test_a_torn_last_line_does_not_hide_the_last_number(path: Path) -> None:
    path.write_text('{"seq": 7}\n{"seq": 8, "ki')
    assert last_seq(path) == 7
