"""A process that logs in a loop: what is left out, in which order, and how that is told. The clock is a test's."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.log_files import tail_lines
from core.log_throttle import Throttle, ThrottleLimits
from core.logger import JsonFormatter
from core.redactor import Redactor
from core.rotating_file import RotatingFile

LIMITS = ThrottleLimits(lines_per_s=10, burst_lines=100, notice_s=5, events=3)
LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def admitted(throttle: Throttle, level: int, times: int, event: str = "e") -> int:
    return sum(throttle.admits(level, event) for _ in range(times))


def test_a_burst_goes_through_and_then_as_many_lines_as_the_rate_allows(clock: Clock) -> None:
    throttle = Throttle(LIMITS, clock)
    assert admitted(throttle, logging.INFO, 1000) == 50
    for _ in range(20):
        clock.now_s += 0.5
        assert admitted(throttle, logging.INFO, 100) == 5


def test_after_a_flood_of_info_there_is_room_for_warnings_and_more_for_errors(clock: Clock) -> None:
    throttle = Throttle(LIMITS, clock)
    assert admitted(throttle, logging.INFO, 1000) == 50
    assert admitted(throttle, logging.WARNING, 1000) == 25
    assert admitted(throttle, logging.ERROR, 1000) == 25
    assert admitted(throttle, logging.CRITICAL, 1) == 0


def test_the_bucket_fills_again_but_never_beyond_its_size(clock: Clock) -> None:
    throttle = Throttle(LIMITS, clock)
    admitted(throttle, logging.ERROR, 1000)
    clock.now_s += 10**6
    assert admitted(throttle, logging.ERROR, 1000) == 100


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(LEVELS), st.integers(1, 60)), max_size=40))
def test_no_level_is_left_out_while_a_lower_one_would_be_written(steps: list[tuple[float, int, int]]) -> None:
    clock = Clock()
    throttle = Throttle(LIMITS, clock)
    for passed_s, level, lines in steps:
        clock.now_s += passed_s
        for _ in range(lines):
            before = throttle._lines
            if throttle.admits(level, "e"):
                continue
            for lower in (low for low in LEVELS if low <= level):
                throttle._lines = before
                assert not throttle.admits(lower, "e")
            throttle._lines = before


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(LEVELS), st.integers(1, 60)), min_size=1, max_size=40))
def test_every_line_is_written_or_counted(steps: list[tuple[float, int, int]]) -> None:
    clock = Clock()
    throttle = Throttle(LIMITS, clock)
    written = told = 0
    for passed_s, level, lines in steps:
        clock.now_s += passed_s
        written += admitted(throttle, level, lines)
        if throttle.owes_notice():
            told += throttle.left_out()["lines"]
            throttle.told()
    left = throttle.left_out()
    assert left["lines"] == sum(left["events"].values())
    assert written + told + left["lines"] == sum(lines for _, _, lines in steps)
    assert written <= 100 + 10 * sum(passed_s for passed_s, _, _ in steps) + 1


def test_a_notice_counts_by_event_the_most_frequent_first_and_the_rest_together(clock: Clock) -> None:
    throttle = Throttle(LIMITS, clock)
    admitted(throttle, logging.ERROR, 100)
    for event, times in (("a", 1), ("b", 7), ("c", 3), ("d", 2), ("b", 1), ("e", 9)):
        admitted(throttle, logging.INFO, times, event)
    assert throttle.left_out() == {"lines": 23, "events": {"others": 11, "b": 8, "c": 3, "a": 1}}


def test_notices_keep_their_distance_and_the_end_waits_for_none(clock: Clock) -> None:
    throttle = Throttle(LIMITS, clock)
    assert not throttle.owes_notice(at_once=True)
    admitted(throttle, logging.ERROR, 101)
    assert throttle.owes_notice()
    throttle.told()
    admitted(throttle, logging.ERROR, 1)
    clock.now_s += 4.9
    assert not throttle.owes_notice()
    assert throttle.owes_notice(at_once=True)
    clock.now_s += 0.2
    assert throttle.owes_notice()


# In the log


class Log:
    """A log with a throttle, and what is in it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.path = folder / "bot.log"
        self.file = RotatingFile(self.path, throttle=Throttle(LIMITS, clock))
        self.file.setFormatter(JsonFormatter("bot", Redactor(["hunter22"])))

    def write(self, event: str, level: int = logging.INFO, times: int = 1) -> None:
        name = logging.getLevelName(level)
        made = {"name": "makerd.orders", "msg": event, "levelno": level, "levelname": name}
        for _ in range(times):
            self.file.handle(logging.makeLogRecord(made))

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in tail_lines(self.path, 10**6)]


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Log:
    return Log(tmp_path, clock)


def test_the_notice_is_a_warning_before_the_next_line_that_is_written(log: Log, clock: Clock) -> None:
    log.write("quote_refused", times=250)
    log.write("boom", logging.ERROR)
    notice, error = log.lines()[50:]
    assert (notice["event"], notice["level"], notice["component"]) == ("log_lines_left_out", "WARNING", "process")
    assert (notice["lines"], notice["events"]) == (200, {"quote_refused": 200})
    assert error["event"] == "boom"


def test_what_was_left_out_is_told_although_no_line_follows(log: Log, clock: Clock) -> None:
    log.write("quote_refused", times=60)
    log.file.tend()
    log.file.tend()
    assert [line["event"] for line in log.lines()[50:]] == ["log_lines_left_out"]
    log.write("quote_refused")
    log.file.tend()
    assert len(log.lines()) == 51  # too soon
    log.file.close()
    assert log.lines()[51]["lines"] == 1


def test_a_secret_in_an_events_name_is_not_told_by_the_notice(log: Log) -> None:
    log.write("key hunter22 refused", times=60)
    log.file.tend()
    assert "hunter22" not in log.path.read_text()
    assert log.lines()[-1]["events"] == {"key *** refused": 10}


def test_a_notice_that_could_not_be_written_is_written_later(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write("e", times=60)
    real = log.file._append

    def fail(_content: bytes) -> None:
        raise OSError("no room")

    monkeypatch.setattr(log.file, "_append", fail)
    log.file.tend()
    monkeypatch.setattr(log.file, "_append", real)
    log.file.tend()
    assert [line["event"] for line in log.lines()[50:]] == ["log_lines_lost", "log_lines_left_out"]
