"""Logs and captured output of real daemons and workers: bounded and rotated while they live, no line lost."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import stat
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.log_files import rotated_files, tail_lines
from core.process.launcher import SupervisorHandle, start_supervisor
from tests.process.fleet_parts import Fleet

SECRET = "s3cr3t-value-of-a-key-0815"
ALL = 10**6
KEEP_ALL = 10_000  # rotated files
SECOND_H = 1 / 3600

# Every interpreter of the fleet runs this; the zygote imports the strategy, and every worker has it patched.
HOOK = """
import importlib.util, logging, os, sys, threading, time

class Hook:
    def find_spec(self, name, path, target=None):
        if name != "strategies.market_maker":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            real, state = module.STRATEGY.on_event, {"n": 0}
            def on_event(self, event, view):
                if type(event).__name__ == "Timer" and "/one.out" in os.readlink("/proc/self/fd/1"):  # no warm-up
                    noise(state)
                return real(self, event, view)
            module.STRATEGY.on_event = on_event
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Hook())
"""

Start = Callable[..., SupervisorHandle]


@pytest.fixture
def start(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a daemon with rules for its logs, whose bots make a noise at each decision."""
    handles: list[SupervisorHandle] = []

    def start(noise: str = "pass", **rules: float) -> SupervisorHandle:
        (tmp_path / "site").mkdir()
        body = "def noise(state):\n" + textwrap.indent(textwrap.dedent(noise), "    ")
        (tmp_path / "site" / "sitecustomize.py").write_text(f"{HOOK}\n{body}\n")
        environ = {**fleet.environ, "PYTHONPATH": str(tmp_path / "site"), "PAPER_SECRET": SECRET}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        fleet.home.daemon_file.write_text(json.dumps({"logs": rules}))
        handles.append(start_supervisor(fleet.home, fleet.home.active, fleet.home.run))
        fleet.remember()
        return handles[-1]

    yield start
    fleet.end()
    for handle in handles:
        handle.wait(30)


def files_of(fleet: Fleet, log: str) -> list[Path]:
    return [file.path for file in rotated_files(fleet.home.log, log)] + [fleet.home.log / log]


def output_of(fleet: Fleet, log: str = "one.out") -> list[str]:
    return tail_lines(fleet.home.log / log, ALL)


def numbers(lines: list[str], word: str) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith(f"{word} ")]


def events(lines: list[str]) -> list[str]:
    return [json.loads(line)["event"] for line in lines]


PRINTING = f"""
    for _ in range(200):
        state["n"] += 1
        print("print", state["n"], "{SECRET}", "x" * 50)
        if state["n"] % 10 == 0:
            os.write(2, b"native %d\\n" % state["n"])
"""


def test_a_bot_that_floods_its_stdout_fills_files_of_bounded_size_and_loses_no_line(fleet: Fleet, start: Start) -> None:
    fleet.add("one", strategy_config={"interval_s": 0.1}, exchange_config={"api_secret": "${PAPER_SECRET}"})
    start(PRINTING, max_bytes=20_000, keep_files=KEEP_ALL)
    fleet.quoting("one")
    worker = fleet.bot("one")["pid"]
    open_files = len(os.listdir(f"/proc/{worker}/fd"))
    fleet.until(lambda: len(rotated_files(fleet.home.log, "one.out")) > 20)
    assert len(os.listdir(f"/proc/{worker}/fd")) < open_files + 10
    assert fleet.bot("one")["pid"] == worker
    for number in (1, 2):  # no pipe that somebody would have to empty
        assert stat.S_ISREG(os.stat(f"/proc/{worker}/fd/{number}").st_mode)
    os.kill(worker, signal.SIGUSR2)
    fleet.until(lambda: any("most recent call first" in line for line in output_of(fleet)))
    fleet.run("stop")
    lines = output_of(fleet)
    for word, step in (("print", 1), ("native", 10)):
        found = numbers(lines, word)
        assert found == list(range(step, found[-1] + 1, step))
    assert not any(SECRET in line for line in lines)
    assert any(line.startswith("print 1 *** x") for line in lines)
    assert (
        max(path.stat().st_size for path in files_of(fleet, "one.out")) < 30_000
    )  # native lines and the stacks come on top


def test_what_a_flood_of_native_output_leaves_is_bounded_by_retention(fleet: Fleet, start: Start) -> None:
    fleet.add("one", strategy_config={"interval_s": 0.1})
    start("os.write(1, b'x' * 199_999 + b'\\n')", max_bytes=50_000, keep_files=2, total_mb=3.0)
    fleet.quoting("one")
    worker = psutil.Process(fleet.bot("one")["pid"])
    fleet.until(lambda: worker.io_counters().write_chars > 20_000_000, 60)
    fleet.run("stop")
    rotated = rotated_files(fleet.home.log, "one.out")
    assert 0 < len(rotated) <= 2
    assert sum(path.stat().st_size for path in files_of(fleet, "one.out")) < 15_000_000


def test_a_bot_that_logs_in_a_loop_is_throttled_and_its_errors_come_through(fleet: Fleet, start: Start) -> None:
    fleet.add("one", strategy_config={"interval_s": 0.1})
    start(
        """
        for _ in range(500):
            state["n"] += 1
            logging.getLogger("makerd.strategy").info("looping")
        logging.getLogger("makerd.strategy").error("told", extra={"fields": {"n": state["n"]}})
        """
    )
    fleet.quoting("one")
    fleet.until(lambda: "log_lines_left_out" in events(tail_lines(fleet.home.log / "one.log", ALL)), 40)
    row = fleet.bot("one")
    assert row["state"] == "RUNNING"
    fleet.run("stop")
    lines = [json.loads(line) for line in tail_lines(fleet.home.log / "one.log", ALL)]
    told = [line["n"] for line in lines if line["event"] == "told"]
    left_out = [line for line in lines if line["event"] == "log_lines_left_out"]
    assert told == [500 * (number + 1) for number in range(len(told))]
    written = sum(line["event"] == "looping" for line in lines)
    assert written + sum(line["events"]["looping"] for line in left_out) == told[-1]
    assert not any("told" in line["events"] for line in left_out)


def test_daemon_log_and_output_are_rotated_by_time_and_the_zygote_goes_along(fleet: Fleet, start: Start) -> None:
    fleet.add("one")
    start(rotate_hours=SECOND_H, keep_files=KEEP_ALL)
    fleet.quoting("one")
    zygote = fleet.zygote_pid()
    for path in (fleet.home.log / "daemon.out", fleet.home.log / "daemon.log"):
        with path.open("a") as file:  # as a validator or a compressor writes to it
            file.write('{"event": "by_another_process"}\n')
    for _ in range(3):
        time.sleep(1.0)
        assert fleet.run("restart", "one").returncode == 0
    fleet.until(lambda: len(rotated_files(fleet.home.log, "daemon.log")) >= 2)
    fleet.until(lambda: len(rotated_files(fleet.home.log, "daemon.out")) >= 1)
    current = str(fleet.home.log / "daemon.out")
    for pid in (zygote, fleet.daemon_pid()):
        fleet.until(lambda pid=pid: {os.readlink(f"/proc/{pid}/fd/{number}") for number in (1, 2)} == {current})
    assert fleet.zygote_pid() == zygote
    fleet.quoting("one")
    fleet.run("stop")
    shown = fleet.run("logs", "daemon", "--json", "--since", "1h").stdout.splitlines()
    moves = [(line["from"], line["to"]) for line in map(json.loads, shown) if line["event"] == "state_changed"]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(moves))  # none is missing
    assert len([move for move in moves if move[1] == "STARTING"]) == 4


def test_a_bots_log_of_many_files_is_followed_without_a_gap(fleet: Fleet, start: Start) -> None:
    fleet.add("one", strategy_config={"interval_s": 0.1, "decision_log": "all"})
    start(max_bytes=10_000, keep_files=KEEP_ALL, rotate_hours=SECOND_H)
    fleet.quoting("one")
    fleet.until(lambda: len(rotated_files(fleet.home.log, "one.log")) >= 4, 40)
    fleet.run("stop")
    lines = [json.loads(line) for line in tail_lines(fleet.home.log / "one.log", ALL)]
    cycles = [line["cycle"] for line in lines if line["event"] == "decision"]
    assert cycles == list(range(1, cycles[-1] + 1))
    stamps = [line["ts"] for line in lines]
    assert stamps == sorted(stamps)
    for path in files_of(fleet, "one.log"):  # the first line of a file may have been made just before its second began
        seconds = {re.sub(r"\..*", "", json.loads(line)["ts"]) for line in path.read_text().splitlines()[1:]}
        assert len(seconds) <= 1


def test_rotating_by_hand_reaches_a_running_bot(fleet: Fleet, start: Start) -> None:
    fleet.add("one", strategy_config={"interval_s": 0.1, "decision_log": "all"})
    start("state['n'] += 1; print('print', state['n'])")
    fleet.quoting("one")
    assert fleet.run("logs", "one", "--rotate").stdout == "rotated: one.log, one.out\n"
    for log in ("one.log", "one.out"):
        path = fleet.home.log / log
        fleet.until(lambda path=path: path.exists() and path.stat().st_size > 0)
    fleet.run("stop")
    found = numbers(output_of(fleet), "print")
    assert found == list(range(1, found[-1] + 1))


def test_output_of_an_earlier_life_is_kept_when_a_bot_is_started_again(fleet: Fleet, start: Start) -> None:
    fleet.add("one")
    fleet.home.log.mkdir(parents=True)
    (fleet.home.log / "one.out").write_text("old line\n" * 200_000)
    start("print('new line')")
    fleet.quoting("one")
    fleet.run("stop")
    lines = output_of(fleet)
    assert lines.count("old line") == 200_000
    assert "new line" in lines
