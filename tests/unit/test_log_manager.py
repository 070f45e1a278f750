"""Log files on real disks: rotation, outside interference, full disks, retention, compression, reading."""

from __future__ import annotations

import gzip
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.log_files import rotated_files
from core.log_manager import compress_rotated
from core.log_retention import Retention, apply_retention
from core.rotating_file import RotatingFile
from tests.unit.log_parts import everything, make_rotated, opened_logs, write

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Callable[..., RotatingFile]]:
    with opened_logs(tmp_path) as make:
        yield make


# Writing and rotating


def test_the_file_is_closed_to_other_users(tmp_path: Path, open_log: Callable[..., RotatingFile]) -> None:
    write(open_log(), "a")
    assert (tmp_path / "bot.log").stat().st_mode & 0o777 == 0o600


def test_rotation_keeps_every_line_and_every_file_within_the_size(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    texts = [f"line-{i:03}" for i in range(100)]
    write(open_log(retention=Retention(max_bytes=200, keep_files=100)), *texts)
    assert everything(tmp_path) == texts
    assert len(rotated_files(tmp_path)) == 4
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())


def test_a_line_longer_than_a_whole_file_is_still_written(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    write(open_log(retention=Retention(max_bytes=50)), "short", "l" * 100, "short again")
    assert everything(tmp_path) == ["short", "l" * 100, "short again"]


def test_the_writer_goes_on_after_somebody_moved_the_file(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    file = open_log()
    write(file, "before")
    (tmp_path / "bot.log").rename(tmp_path / "bot.log.1")
    write(file, "after")
    assert (tmp_path / "bot.log").read_text() == "after\n"
    assert (tmp_path / "bot.log.1").read_text() == "before\n"


def test_the_writer_goes_on_in_the_file_that_somebody_put_there_instead(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    file = open_log()
    write(file, "before")
    (tmp_path / "bot.log").rename(tmp_path / "bot.log.1")
    (tmp_path / "bot.log").touch()
    write(file, "after")
    assert (tmp_path / "bot.log").read_text() == "after\n"


def test_the_writer_goes_on_after_the_whole_folder_was_deleted(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    file = open_log("logs/bot.log")
    write(file, "before")
    (tmp_path / "logs" / "bot.log").unlink()
    (tmp_path / "logs").rmdir()
    write(file, "after")
    assert (tmp_path / "logs" / "bot.log").read_text() == "after\n"
    assert file.lost == 0


def test_the_writer_goes_on_after_the_file_was_emptied(tmp_path: Path, open_log: Callable[..., RotatingFile]) -> None:
    file = open_log()
    write(file, "before")
    os.truncate(tmp_path / "bot.log", 0)
    write(file, "after")
    assert (tmp_path / "bot.log").read_bytes() == b"after\n"


def test_a_line_begins_anew_after_one_that_a_kill_has_torn(
    tmp_path: Path, open_log: Callable[..., RotatingFile]
) -> None:
    (tmp_path / "bot.log").write_text('{"ts": "2026')
    write(open_log(), "whole")
    assert everything(tmp_path) == ['{"ts": "2026', "whole"]


def test_where_renaming_fails_the_file_grows_on(
    tmp_path: Path, open_log: Callable[..., RotatingFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "rename", refuse)
    write(open_log(retention=Retention(max_bytes=10)), "first line", "second line")
    assert (tmp_path / "bot.log").read_text() == "first line\nsecond line\n"


def test_stamps_grow_even_when_the_clock_was_set_back(tmp_path: Path, open_log: Callable[..., RotatingFile]) -> None:
    make_rotated(tmp_path, "29990101T000000.000000Z")
    write(open_log(retention=Retention(max_bytes=10)), "first line", "second line")
    assert [f.stamp for f in rotated_files(tmp_path)] == ["29990101T000000.000000Z", "29990101T000000.000001Z"]


def test_a_formatter_that_fails_never_reaches_the_caller(open_log: Callable[..., RotatingFile]) -> None:
    file = open_log()
    file.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    assert file.lost == 1


# A disk that fails


def in_child(limit: int, work: Callable[[], None]) -> int:
    """Run `work` in a child whose files may not grow beyond `limit` bytes; return its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            work()
            os._exit(0)
        except BaseException:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_full_disk_costs_lines_but_no_exception_and_one_notice_tells_it(tmp_path: Path) -> None:
    def work() -> None:
        file = RotatingFile(tmp_path / "bot.log")
        write(file, "fits", *["l" * 60] * 3)  # the first long line is torn, none of the three is written whole
        assert file.lost == 3
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        write(file, "works again", "and again")
        assert file.lost == 0

    assert in_child(40, work) == 0
    assert everything(tmp_path) == ["fits", "l" * 35, "log_lines_lost", "works again", "and again"]


def test_the_notice_says_how_many_and_why(tmp_path: Path) -> None:
    from core.logger import JsonFormatter
    from core.redactor import Redactor

    def work() -> None:
        file = RotatingFile(tmp_path / "bot.log")
        file.setFormatter(JsonFormatter("b", Redactor()))
        write(file, "lost", "lost")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        write(file, "works again")

    assert in_child(0, work) == 0
    notice = json.loads(everything(tmp_path)[0])
    assert (notice["event"], notice["lost"], notice["level"]) == ("log_lines_lost", 2, "WARNING")
    assert "File too large" in notice["reason"]


def test_a_really_full_file_system_costs_lines_but_no_exception(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    file = RotatingFile(folder / "bot.log", retention=Retention(max_bytes=20_000, keep_files=2))
    try:
        (folder / "hog").write_bytes(b"x" * 60_000)
        write(file, *["l" * 1000] * 20)
        assert file.lost > 0
        (folder / "hog").unlink()
        write(file, "works again")
        assert everything(folder)[-2:] == ["log_lines_lost", "works again"]
    finally:
        file.close()
        subprocess.run(["umount", folder], check=True)


# Retention and compression


def test_the_writer_keeps_the_newest_files_only(tmp_path: Path, open_log: Callable[..., RotatingFile]) -> None:
    write(open_log(retention=Retention(max_bytes=10, keep_files=2)), *[f"line number {i}" for i in range(6)])
    assert everything(tmp_path) == ["line number 3", "line number 4", "line number 5"]


def test_retention_by_count_is_per_log(tmp_path: Path) -> None:
    for log in ("a.log", "a-b.log"):
        for day in (1, 2, 3):
            make_rotated(tmp_path, f"2999010{day}T000000.000000Z", log=log)
    assert apply_retention(tmp_path, Retention(keep_files=2), time.time()) == 2
    assert {(f.log, f.stamp[:8]) for f in rotated_files(tmp_path)} == {
        (log, day) for log in ("a.log", "a-b.log") for day in ("29990102", "29990103")
    }


def test_retention_by_age_goes_by_the_stamp(tmp_path: Path) -> None:
    make_rotated(tmp_path, "20200101T000000.000000Z")
    young = make_rotated(tmp_path, "29990101T000000.000000Z")
    apply_retention(tmp_path, Retention(keep_days=30), time.time())
    assert [f.path for f in rotated_files(tmp_path)] == [young]


def test_retention_by_bytes_deletes_the_oldest_of_all_but_never_a_live_log(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 1000)
    make_rotated(tmp_path, "29990101T000000.000000Z", "x" * 500, "a.log")
    newest = make_rotated(tmp_path, "29990102T000000.000000Z", "x" * 500, "b.log")
    assert apply_retention(tmp_path, Retention(total_mb=0.0015), time.time()) == 1
    assert [f.path for f in rotated_files(tmp_path)] == [newest]
    apply_retention(tmp_path, Retention(total_mb=0.000001), time.time())
    assert (tmp_path / "a.log").exists()


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    foreign = [tmp_path / name for name in ("bot.log.1", "notes.txt", "bot.log.2026.gz")]
    for path in foreign:
        path.write_text("mine")
    compress_rotated(tmp_path)
    apply_retention(tmp_path, Retention(keep_files=0, keep_days=0, total_mb=0), time.time())
    assert all(path.read_text() == "mine" for path in foreign)


def test_compressing_replaces_each_rotated_file_and_not_the_live_one(tmp_path: Path) -> None:
    (tmp_path / "bot.log").write_text("live\n")
    old = make_rotated(tmp_path, "29990101T000000.000000Z", "old\n" * 1000)
    assert compress_rotated(tmp_path) == 1
    assert not old.exists()
    packed = old.with_name(old.name + ".gz")
    assert gzip.decompress(packed.read_bytes()) == b"old\n" * 1000
    assert packed.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bot.log", packed.name]


def test_compressing_goes_on_where_a_killed_compressor_stopped(tmp_path: Path) -> None:
    old = make_rotated(tmp_path, "29990101T000000.000000Z", "old\n")
    (tmp_path / f".{old.name}.gz.tmp").write_bytes(b"half")
    old.with_name(old.name + ".gz").write_bytes(gzip.compress(b"old\n"))
    assert everything(tmp_path) == ["old"]  # both forms are there, the line is shown once
    compress_rotated(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [old.name + ".gz"]


def test_a_second_compressor_leaves_the_folder_to_the_first(tmp_path: Path) -> None:
    import fcntl

    old = make_rotated(tmp_path, "29990101T000000.000000Z")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert compress_rotated(tmp_path) == 0
    finally:
        os.close(fd)
    assert old.exists()


def run_compressor(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "core.log_manager", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_the_compressor_child_reports_what_it_did(tmp_path: Path) -> None:
    make_rotated(tmp_path, "29990101T000000.000000Z")
    make_rotated(tmp_path, "20200101T000000.000000Z")
    done = run_compressor("compress", str(tmp_path))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"rotated": 0, "compressed": 2, "deleted": 1})


def test_the_compressor_child_says_in_one_line_why_it_cannot(tmp_path: Path) -> None:
    done = run_compressor("compress", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr == f"cannot compress {tmp_path}/nowhere: No such file or directory\n"
    assert run_compressor().returncode == 2
