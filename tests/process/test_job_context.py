"""A job's line to its supervisor: it beats while it waits, and hears of a stop at once."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.process import channel, job_worker
from core.process.child_setup import SignalFlags
from core.process.job_worker import Context
from utils.home import Home

LONG_S = 60.0


class Line:
    """Both ends of a job's channel."""

    def __init__(self, root: Path) -> None:
        self.ours, theirs = channel.pair()
        theirs.setblocking(False)
        self.theirs: socket.socket = theirs
        self.signals = SignalFlags()
        self.context = Context(theirs, self.signals, Home(root), "one", {})

    def heard(self) -> list[dict[str, object]]:
        found = []
        while True:
            try:
                message = channel.receive(self.ours)
            except BlockingIOError:
                return found
            assert message is not None
            found.append(message)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path)
    yield line
    line.ours.close()
    line.theirs.close()


def test_the_first_beat_says_that_the_job_runs_and_what_it_is_at(line: Line) -> None:
    line.context.beat("COPYING")
    assert line.heard() == [{"t": "beat", "ready": True, "snapshot": {"phase": "COPYING"}}]


def test_beats_that_come_often_are_passed_on_once_a_second_and_at_each_new_phase(line: Line) -> None:
    for _ in range(1000):
        line.context.beat("ONE")
    line.context.beat("TWO")
    assert [message["snapshot"] for message in line.heard()][:2] == [{"phase": "ONE"}, {"phase": "TWO"}]


def test_a_wait_beats_until_its_time_is_over(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_worker, "BEAT_NS", 10_000_000)
    assert line.context.wait(0.3)
    assert len(line.heard()) >= 3


def test_a_wait_ends_early_when_a_descriptor_is_readable(line: Line) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    began = time.monotonic()
    assert line.context.wait(LONG_S, [reader])
    assert time.monotonic() - began < LONG_S / 2
    os.close(reader)
    os.close(writer)


def test_a_stop_ends_a_wait_and_every_later_one(line: Line) -> None:
    line.signals.stop_asked = True
    began = time.monotonic()
    assert not line.context.wait(LONG_S)
    assert not line.context.wait(LONG_S)
    assert line.context.stop_asked
    assert time.monotonic() - began < LONG_S / 2


def test_the_end_of_the_supervisor_is_a_stop(line: Line) -> None:
    line.ours.close()
    assert not line.context.wait(LONG_S)
    assert line.context.stop_asked


def test_words_for_bots_and_garbage_change_nothing(line: Line) -> None:
    channel.send(line.ours, {"t": "pause"})
    line.ours.send(b"garbage")
    assert line.context.wait(0.05)
    assert not line.context.stop_asked


def test_a_job_logs_as_a_process(line: Line) -> None:
    assert line.context.log is logging.getLogger("makerd.process")
