"""The smallest job: beats, and notes each beat in `var/data/heartbeats/NAME`. For benchmarks, and as an example.

A line is `PID NANOSECONDS`, of CLOCK_MONOTONIC, which all processes of a machine share: two processes under one name
show. What it imports is what a strategy of any process manager would; it needs none of it.

It also runs by itself, under any other process manager: `python core/jobs/heartbeat.py NAME FOLDER [INTERVAL_S]`.
"""

from __future__ import annotations

import os
import select
import signal
import sqlite3  # noqa: F401
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema  # noqa: F401
import numpy
import numpy.random  # loaded on first use: each forked worker would import it by itself
import requests  # noqa: F401
import websocket  # noqa: F401

if TYPE_CHECKING:  # nothing of ours is loaded when it runs by itself
    from core.jobs.base import JobContext

MAX_BYTES = 1_000_000
READY_FD = "READY_FD"  # names a descriptor that a line is written to once it beats, as s6 and others want it


def run(context: JobContext) -> None:
    """Beat until a stop is asked."""
    folder = context.home.data / "heartbeats"
    folder.mkdir(mode=0o700, exist_ok=True)

    def pause(seconds: float) -> bool:
        context.beat("BEATING")
        return context.wait(seconds)

    beat(folder / context.name, float(context.params["interval_s"]), pause)


def beat(path: Path, interval_s: float, pause: Callable[[float], bool]) -> None:
    """Note a beat and pause, until `pause` says that it is over."""
    book = numpy.zeros((64, 2))  # a little memory of its own, as a book has
    fd = _opened(path)
    try:
        going_on = True
        while going_on:
            os.write(fd, b"%d %d\n" % (os.getpid(), time.monotonic_ns()))
            book[:, 0] += 1.0
            going_on = pause(interval_s)
    finally:
        os.close(fd)


def _opened(path: Path) -> int:
    """Return a descriptor that appends; a long file is put aside first, and the one put aside before is lost."""
    if path.exists() and path.stat().st_size > MAX_BYTES:
        os.replace(path, path.with_name(f"{path.name}.old"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


# ---------------------------------------------------------------- by itself


def main(arguments: list[str]) -> int:
    """Beat until TERM or INT; return the exit status."""
    name, folder, *rest = arguments
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)

    def pause(seconds: float) -> bool:
        _say_ready()
        return not select.select([reader], [], [], seconds)[0]

    beat(Path(folder) / name, float(rest[0]) if rest else 1.0, pause)
    return 0


def _say_ready() -> None:
    given = os.environ.pop(READY_FD, None)
    if given is not None:
        os.write(int(given), b"\n")
        os.close(int(given))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
