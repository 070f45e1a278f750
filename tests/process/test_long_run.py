"""What many deaths, reloads, clients and rotations leave in the supervisor: nothing, and it does not spin."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from core.process.control import NAME, call
from tests.process.fleet_parts import Fleet

KILLS = 4


def descriptors(pid: int) -> Counter[str]:
    """Return how many descriptors of which sort a process has; a file counts under its path."""
    found: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[os.readlink(entry).partition(":[")[0]] += 1
    return found


def hang_up(fleet: Fleet, said: bytes) -> None:
    """Be a client that says something and goes without an answer."""
    folder = os.open(fleet.home.run, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/proc/self/fd/{folder}/{NAME}")
        client.sendall(said)
    os.close(folder)


@dataclass(frozen=True, slots=True)
class Lived:
    """A fleet that has gone through much, and what its parents held before that."""

    fleet: Fleet
    daemon: int
    zygote: int
    before: dict[int, Counter[str]]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    fleet = Fleet(tmp_path_factory.mktemp("long") / "home")
    fleet.home.daemon_file.write_text(json.dumps({"logs": {"rotate_hours": 1 / 3600, "keep_files": 10_000}}))
    fleet.add("one", daemon_config={"backoff_initial_s": 0, "backoff_max_s": 0.1, "max_restarts": 100})
    try:
        fleet.start().quoting("one")
        first = fleet.zygote_pid()
        os.kill(first, signal.SIGKILL)
        zygote = fleet.until(lambda: (pid := _zygote(fleet)) != first and pid)
        _kill(fleet, 1)  # whatever is opened once is open now
        daemon = fleet.daemon_pid()
        before = {pid: descriptors(pid) for pid in (daemon, zygote)}
        for number in range(KILLS):
            _kill(fleet, number + 2)
            hang_up(fleet, b'{"verb": "status"}\n')
            hang_up(fleet, b'{"verb"')
            call(fleet.home, "reload", timeout_s=60)
        fleet.until(lambda: len(list(fleet.home.log.glob("daemon.log.*"))) > 2)
        yield Lived(fleet, daemon, zygote, before)
    finally:
        fleet.end()


def _zygote(fleet: Fleet) -> int:
    with contextlib.suppress(StopIteration, psutil.Error):
        return fleet.zygote_pid()
    return 0


def _kill(fleet: Fleet, restarts: int) -> None:
    os.kill(fleet.bot("one")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("one")["restarts"] == restarts and fleet.bot("one")["state"] == "RUNNING")


def test_no_descriptor_is_left_by_deaths_reloads_clients_and_rotations(lived: Lived) -> None:
    for pid, before in lived.before.items():
        lived.fleet.until(lambda pid=pid, before=before: not descriptors(pid) - before)


def test_no_thread_and_no_child_is_left_either(lived: Lived) -> None:
    worker = lived.fleet.bot("one")["pid"]
    lived.fleet.until(lambda: {one.pid for one in psutil.Process(lived.daemon).children()} == {lived.zygote, worker})
    for pid in (lived.daemon, lived.zygote):
        assert len(os.listdir(f"/proc/{pid}/task")) == 1


def test_the_loop_turns_a_few_times_a_second_and_costs_next_to_nothing(lived: Lived) -> None:
    first, began = call(lived.fleet.home, "metrics")["daemon"], time.monotonic()
    time.sleep(1.5)
    last, took_s = call(lived.fleet.home, "metrics")["daemon"], time.monotonic() - began
    assert (last["loop_turns"] - first["loop_turns"]) / took_s < 100
    assert (last["cpu_s"] - first["cpu_s"]) / took_s < 0.3
