"""Logs are read: from the end, through rotated files, and as they grow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.log_files import follow, tail_lines
from core.log_manager import compress_rotated
from core.log_retention import Retention
from core.rotating_file import RotatingFile
from tests.unit.log_parts import everything, make_rotated, opened_logs, write


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Callable[..., RotatingFile]]:
    with opened_logs(tmp_path) as make:
        yield make


def test_the_last_lines_are_read_from_the_end_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "bot.log"
    with path.open("w") as file:
        file.writelines(f"line {i}\n" for i in range(300_000))
    before = read_bytes()
    assert tail_lines(path, 3) == ["line 299997", "line 299998", "line 299999"]
    assert read_bytes() - before < 200_000 < path.stat().st_size


def read_bytes() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_the_last_lines_reach_back_into_rotated_and_compressed_files(tmp_path: Path) -> None:
    make_rotated(tmp_path, "29990101T000000.000000Z", "1\n2\n")
    compress_rotated(tmp_path)
    make_rotated(tmp_path, "29990102T000000.000000Z", "3\n4\n")
    (tmp_path / "bot.log").write_text("5\n")
    assert tail_lines(tmp_path / "bot.log", 4) == ["2", "3", "4", "5"]


def test_only_accepted_lines_are_counted(tmp_path: Path) -> None:
    (tmp_path / "bot.log").write_text("".join(f"{i}\n" for i in range(100)))
    assert tail_lines(tmp_path / "bot.log", 2, lambda line: line.endswith("5")) == ["85", "95"]


def test_there_are_no_lines_in_a_log_that_does_not_exist(tmp_path: Path) -> None:
    assert tail_lines(tmp_path / "none.log", 5) == []
    assert tail_lines(tmp_path / "no-folder" / "none.log", 5) == []


def test_bytes_that_are_no_text_and_an_endless_line_are_shown_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "bot.log").write_bytes(b"\xff\xfe\n" + b"x" * 3_000_000)
    lines = everything(tmp_path)
    assert lines[0] == "\ufffd\ufffd"
    assert sum(map(len, lines[1:])) == 3_000_000


class Story:
    """What happens to a log while it is followed: one step each time the reader has nothing to do."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)

    def __call__(self) -> None:
        if not self.steps:
            raise StopFollowing
        self.steps.pop(0)()


class StopFollowing(Exception):
    pass


def followed(path: Path, last: int, *steps: Callable[[], object]) -> list[str]:
    lines: list[str] = []
    with pytest.raises(StopFollowing):
        for line in follow(path, last, wait=Story(*steps)):
            lines.append(line)
    return lines


def test_following_shows_the_last_lines_and_then_the_new_ones(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    file = open_log()
    write(file, "1", "2", "3")
    assert followed(tmp_path / "bot.log", 2, lambda: write(file, "4"), lambda: write(file, "5", "6")) == [*"23456"]


def test_following_waits_for_the_file_to_appear(tmp_path: Path, open_log: Callable[..., RotatingFile]) -> None:
    file = open_log("logs/bot.log")
    assert followed(tmp_path / "logs/bot.log", 5, lambda: None, lambda: write(file, "1")) == ["1"]


def test_following_shows_a_line_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "bot.log"
    path.write_text("old\nhal")

    def finish() -> None:
        with path.open("a") as file:
            file.write("f\nnext\n")

    assert followed(path, 1, finish) == ["old", "half", "next"]


def test_following_misses_nothing_in_a_burst_of_rotations(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    file = open_log(retention=Retention(max_bytes=100, keep_files=100))
    texts = [f"line-{i:04}" for i in range(200)]
    write(file, *texts[:5])
    burst = [lambda: write(file, *texts[5:90]), lambda: compress_rotated(tmp_path), lambda: write(file, *texts[90:])]
    assert followed(tmp_path / "bot.log", 100, *burst) == texts


def test_following_goes_on_after_a_move_and_after_emptying(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    file = open_log()
    path = tmp_path / "bot.log"
    write(file, "1")

    def move() -> None:
        write(file, "2")
        path.rename(tmp_path / "bot.log.1")
        write(file, "3")

    assert followed(path, 1, move, lambda: os.truncate(path, 0), lambda: write(file, "4")) == [*"1234"]


def test_an_abandoned_follower_closes_its_file(tmp_path: Path) -> None:
    (tmp_path / "bot.log").write_text("1\n")
    before = len(os.listdir("/proc/self/fd"))
    lines = follow(tmp_path / "bot.log", 1)
    assert next(lines) == "1"
    lines.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before
