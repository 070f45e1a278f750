"""Rotation by time, with a clock that is moved, and what several writers and helpers do to one folder."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.log_files import follow, rotated_files, tail_lines
from core.log_manager import compress_rotated, rotate_quiet
from core.log_retention import Retention, apply_retention, rotate_by_hand, set_aside
from core.rotating_file import RotatingFile
from utils.home import CHECKOUT

HOUR_S = 3600.0
MIDNIGHT_S = 20_000 * 24 * HOUR_S  # of some day
DAILY = Retention(rotate_hours=24)
ALL = Retention(keep_files=10**6, keep_days=10**5)


class Clock:
    """UTC that a test moves; the files' own times follow it."""

    def __init__(self, now_s: float = MIDNIGHT_S + 9 * HOUR_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def record(text: str) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "makerd.orders", "msg": text, "levelno": 20, "levelname": "INFO"})


class Writer:
    """A writer whose file is as old as the clock says."""

    def __init__(self, folder: Path, retention: Retention, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.path = folder / "bot.log"
        self.file = RotatingFile(self.path, retention, utc_s=self.clock)

    def write(self, *texts: str) -> None:
        for text in texts:
            self.file.handle(record(text))
            os.utime(self.path, (self.clock.now_s, self.clock.now_s))

    def begin_anew(self) -> None:
        """Be the next incarnation of the process."""
        self.file.close()
        self.file = RotatingFile(self.path, self.file.retention, utc_s=self.clock)

    def contents(self) -> list[str]:
        """Return what is in each file, the oldest first."""
        paths = [file.path for file in rotated_files(self.path.parent)] + [self.path]
        return [path.read_text() for path in paths]


@pytest.fixture
def daily(tmp_path: Path) -> Writer:
    return Writer(tmp_path, DAILY)


def test_each_day_has_a_file_of_its_own(daily: Writer) -> None:
    daily.write("mon-1")
    daily.clock.now_s = MIDNIGHT_S + 23.99 * HOUR_S
    daily.write("mon-2")
    daily.clock.now_s = MIDNIGHT_S + 24 * HOUR_S
    daily.write("tue-1")
    daily.clock.now_s += 30 * HOUR_S
    daily.write("wed-1")
    assert daily.contents() == ["mon-1\nmon-2\n", "tue-1\n", "wed-1\n"]
    assert [file.stamp[9:15] for file in rotated_files(daily.path.parent)] == ["000000", "060000"]


@pytest.mark.parametrize("hours", [1, 6, 0.001])
def test_every_so_many_hours_is_counted_from_midnight_utc(tmp_path: Path, hours: float) -> None:
    clock = Clock(MIDNIGHT_S + 0.5 * hours * HOUR_S)
    writer = Writer(tmp_path, Retention(rotate_hours=hours), clock)
    writer.write("first")
    clock.now_s = MIDNIGHT_S + 0.999 * hours * HOUR_S
    writer.write("same")
    clock.now_s = MIDNIGHT_S + 1.001 * hours * HOUR_S
    writer.write("next")
    assert writer.contents() == ["first\nsame\n", "next\n"]


def test_a_new_incarnation_goes_on_in_the_file_of_the_same_day_only(daily: Writer) -> None:
    daily.write("mon-1")
    daily.begin_anew()
    daily.write("mon-2")
    daily.clock.now_s += 24 * HOUR_S
    daily.begin_anew()
    daily.write("tue-1")
    assert daily.contents() == ["mon-1\nmon-2\n", "tue-1\n"]


def test_without_the_rule_a_file_lives_until_it_is_full(tmp_path: Path) -> None:
    writer = Writer(tmp_path, Retention())
    writer.write("a")
    writer.clock.now_s += 400 * 24 * HOUR_S
    writer.write("b")
    assert writer.contents() == ["a\nb\n"]


def test_a_clock_set_back_freezes_nothing_and_loses_no_line(daily: Writer) -> None:
    daily.write("a")
    daily.clock.now_s -= 72 * HOUR_S
    daily.write("b", "c")
    daily.clock.now_s += 24 * HOUR_S
    daily.write("d")
    assert daily.contents() == ["a\n", "b\nc\n", "d\n"]
    assert tail_lines(daily.path, 9) == ["a", "b", "c", "d"]


def test_size_and_time_rotate_together(tmp_path: Path) -> None:
    writer = Writer(tmp_path, Retention(max_bytes=10, rotate_hours=24))
    writer.write("1234", "5678", "9")
    writer.clock.now_s += 24 * HOUR_S
    writer.write("x")
    assert writer.contents() == ["1234\n5678\n", "9\n", "x\n"]


def test_old_days_go_by_age_and_by_count(tmp_path: Path) -> None:
    writer = Writer(tmp_path, Retention(rotate_hours=24, keep_days=3, keep_files=2))
    for day in range(6):
        writer.write(f"day-{day}")
        writer.clock.now_s += 24 * HOUR_S
    assert writer.contents() == ["day-3\n", "day-4\n", "day-5\n"]
    writer.clock.now_s += 10 * 24 * HOUR_S
    writer.write("late")
    assert writer.contents() == ["day-5\n", "late\n"]


STEPS = st.lists(st.tuples(st.floats(-5 * HOUR_S, 30 * HOUR_S), st.integers(1, 40), st.booleans()), max_size=25)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_whatever_the_clock_does_every_line_is_there_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    rules = Retention(max_bytes=60, rotate_hours=24, keep_files=10**6, keep_days=10**5)
    writer, written = Writer(folder, rules), []
    for number, (move_s, length, anew) in enumerate(steps):
        writer.clock.now_s += move_s
        if anew:
            writer.begin_anew()
            rotate_quiet(folder, rules, writer.clock.now_s)
            compress_rotated(folder)
        written.append(f"{number}-{'x' * length}")
        writer.write(written[-1])
    writer.file.close()
    assert tail_lines(writer.path, 1000) == written


class StopFollowing(Exception):
    pass


def test_following_goes_on_over_rotations_by_time(daily: Writer) -> None:
    def day(*texts: str) -> Callable[[], None]:
        def step() -> None:
            daily.clock.now_s += 24 * HOUR_S
            daily.write(*texts)

        return step

    steps = iter([day("tue-1", "tue-2"), day("wed-1"), lambda: compress_rotated(daily.path.parent), day("thu-1")])

    def wait() -> None:
        step = next(steps, None)
        if step is None:
            raise StopFollowing
        step()

    daily.write("mon-1", "mon-2")
    seen: list[str] = []
    with pytest.raises(StopFollowing):
        for line in follow(daily.path, 1, wait=wait):
            seen.append(line)
    assert seen == ["mon-2", "tue-1", "tue-2", "wed-1", "thu-1"]


# Several at one log, and quiet ones


def test_of_two_writers_only_one_rotates_and_both_go_on_in_the_new_file(tmp_path: Path) -> None:
    clock = Clock()
    one, two = Writer(tmp_path, DAILY, clock), Writer(tmp_path, DAILY, clock)
    one.write("1a")
    two.write("2a")
    clock.now_s += 24 * HOUR_S
    two.write("2b")
    one.write("1b")
    assert one.contents() == ["1a\n2a\n", "2b\n1b\n"]


def test_a_file_that_another_process_is_renaming_is_left_to_it(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "bot.log"
    path.write_text("x\n")
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not set_aside(path, time.time())
    assert path.exists()
    assert set_aside(path, time.time())


def test_a_file_that_is_not_the_expected_one_any_more_is_not_renamed(tmp_path: Path) -> None:
    path = tmp_path / "bot.log"
    path.write_text("mine\n")
    mine = path.stat()
    path.rename(tmp_path / "elsewhere")
    path.write_text("of somebody else\n")
    assert not set_aside(path, time.time(), (mine.st_dev, mine.st_ino))
    assert path.read_text() == "of somebody else\n"


def test_many_processes_that_rotate_one_log_at_once_lose_no_line(tmp_path: Path) -> None:
    children = []
    for name in range(4):
        pid = os.fork()
        if pid == 0:
            file = RotatingFile(tmp_path / "bot.log", Retention(max_bytes=400, keep_files=10**6))
            for number in range(300):
                file.handle(record(f"{name}-{number}"))
            os._exit(file.lost)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    lines = tail_lines(tmp_path / "bot.log", 10**6)
    assert sorted(lines) == sorted(f"{name}-{number}" for name in range(4) for number in range(300))


def test_the_upkeep_rotates_a_log_that_nobody_writes_to_any_more(tmp_path: Path) -> None:
    now_s = MIDNIGHT_S + 25 * HOUR_S
    for name, age_h in (("gone.log", 2), ("gone.out", 2), ("live.log", 0.5), ("empty.log", 2)):
        path = tmp_path / name
        path.write_text("" if name == "empty.log" else "line\n")
        os.utime(path, (now_s - age_h * HOUR_S,) * 2)
    assert rotate_quiet(tmp_path, DAILY, now_s) == 2
    assert [file.log for file in rotated_files(tmp_path)] == ["gone.log", "gone.out"]
    assert rotate_quiet(tmp_path, Retention(keep_days=30), now_s) == 0
    assert rotate_quiet(tmp_path, Retention(keep_days=30), now_s + 31 * 24 * HOUR_S) == 1  # too old to stay for ever


def test_a_writer_goes_on_after_the_upkeep_rotated_its_quiet_log(daily: Writer) -> None:
    daily.write("mon")
    daily.clock.now_s += 24 * HOUR_S
    assert rotate_quiet(daily.path.parent, DAILY, daily.clock.now_s) == 1
    daily.write("tue")
    assert daily.contents() == ["mon\n", "tue\n"]


def test_a_rotated_file_that_somebody_still_writes_to_is_compressed_only_after_that(tmp_path: Path) -> None:
    path = tmp_path / "bot.out"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"one\n")
        set_aside(path, time.time())
        assert compress_rotated(tmp_path) == 0
        writer.write(b"late\n")
    assert compress_rotated(tmp_path) == 1
    assert tail_lines(path, 9) == ["one", "late"]


def test_rotating_by_hand_takes_log_and_output_of_one_name_only(tmp_path: Path) -> None:
    for name in ("bot.log", "bot.out", "other.log"):
        (tmp_path / name).write_text("x\n")
    assert rotate_by_hand(tmp_path, "bot") == ["bot.log", "bot.out"]
    assert rotate_by_hand(tmp_path, "bot") == []
    assert (tmp_path / "other.log").exists()


# Room


def test_a_flood_costs_its_own_past_and_not_that_of_others(tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.log.20200101T000000.000000Z"
    quiet.write_text("old but small\n")
    for day in range(1, 6):
        (tmp_path / f"flood.out.2999010{day}T000000.000000Z").write_bytes(b"x" * 1000)
    rules = Retention(keep_days=10**5, total_mb=0.002)
    assert apply_retention(tmp_path, rules, time.time()) == 4
    assert [file.path.name[:5] for file in rotated_files(tmp_path)] == ["quiet", "flood"]


def test_the_whole_folder_is_looked_at_before_a_full_file_is_followed_by_another(tmp_path: Path) -> None:
    rules = Retention(max_bytes=100, keep_files=1000, total_mb=0.001)
    writer = Writer(tmp_path, rules)
    for number in range(300):
        writer.write(f"line-{number:03}")
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000 + 100
    assert tail_lines(writer.path, 1)[0] == "line-299"


def test_the_rules_go_through_plain_data_and_unknown_keys_are_nothing_to_them() -> None:
    rules = Retention(1, 2.0, 3, 4.0, 5.0)
    assert Retention.from_plain(json.loads(json.dumps(rules.to_plain()))) == rules
    assert Retention.from_plain({"keep_files": 3, "colour": "red"}) == Retention(keep_files=3)


def test_the_upkeep_child_follows_the_rules_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "bot.log").write_text("x\n")
    os.utime(tmp_path / "bot.log", (1, 1))
    command = [sys.executable, "-m", "core.log_manager", "compress", str(tmp_path), '{"rotate_hours": 24}']
    done = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == {"rotated": 1, "compressed": 1, "deleted": 0}


def test_a_thousand_rotations_leave_one_descriptor_open(tmp_path: Path) -> None:
    writer = Writer(tmp_path, Retention(max_bytes=10, keep_files=3))
    writer.write("12345678")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        writer.write("12345678")
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(list(tmp_path.iterdir())) == 4
