"""A daemon in a temporary home, driven and watched from outside; whatever it started is ended with it.

All moments are UTC nanoseconds, so that they compare with the times in logs and ledgers of the same machine.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.parts import CHECKOUT, NS_PER_S, temp_folder
from core.process.control import ControlRefused, DaemonDown, call
from core.process.pid_file import holder
from utils.home import Home

DOOR = str(CHECKOUT / "core" / "daemon_manager.py")
DEMO = CHECKOUT / "config" / "demo"
MANY = 100  # so many bots at the templates' ten books a second want more processor than there is
SLOW_BOOKS = {"book_interval_ms": 1000}  # what they get instead
TEMPLATE = CHECKOUT / "config" / "templates" / "paper_market_maker.json"
POLL_S = 0.002
PATIENCE_S = 120.0
_MICROSECOND_NS = 1_000


class NotReached(Exception):
    """Something that a figure needs did not happen in time."""


@dataclass(slots=True)
class Start:
    """The moments of one `start --daemon`."""

    asked_ns: int
    returned_ns: int = 0
    quoting_ns: int = 0  # the status said QUOTING of every bot


class Fleet:
    """A home with configs and, once started, a daemon."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.active.mkdir(parents=True)
        own = {"MAKERD_HOME": str(root), "MAKERD_CLAIMS_DIR": str(root / "claims")}
        self._environ = {**os.environ, **own}
        self._known: dict[int, psutil.Process] = {}
        self._sessions: set[int] = set()

    # Configs

    def add_demo(self) -> list[str]:
        """Add the bots of `make demo`; return their names."""
        for path in sorted(DEMO.glob("*.json")):
            (self.home.active / path.name).write_text(path.read_text())
        return [json.loads(path.read_text())["metadata"]["name"] for path in sorted(DEMO.glob("*.json"))]

    def add_replay(self, count: int, **daemon_config: Any) -> list[str]:
        """Add bots of the replay template, a seed each, and slower books where they are many; return their names."""
        template = json.loads(TEMPLATE.read_text())
        names = [f"bot-{number:03}" for number in range(1, count + 1)]
        for seed, name in enumerate(names, start=1):
            config = copy.deepcopy(template)
            config["metadata"]["name"] = name
            config["exchange_config"] |= {"seed": seed, **(SLOW_BOOKS if count >= MANY else {})}
            config["daemon_config"].update(daemon_config)
            (self.home.active / f"{name}.json").write_text(json.dumps(config, indent=1))
        return names

    # Driving

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of the daemon's door."""
        return subprocess.Popen(
            [sys.executable, DOOR, *arguments],
            cwd="/",
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, poll_s: float = POLL_S, wait: bool = True) -> Start:
        """Start the daemon; with `wait`, watch its status until every bot is QUOTING. Raises NotReached."""
        start = Start(time.time_ns())
        process = self.command("start", "--daemon")
        watcher = threading.Thread(target=_note_return, args=(process, start))
        watcher.start()
        try:
            if wait:
                self.watch(lambda rows: all(is_quoting(row) for row in rows), poll_s, lambda: _failed(process))
                start.quoting_ns = time.time_ns()
        finally:
            watcher.join()
            self.remember()
        if process.returncode:
            raise NotReached(f"the daemon did not start: {_failed(process)}")
        return start

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the status; none while the daemon is not there yet."""
        try:
            rows: list[dict[str, Any]] = call(self.home, "status")["bots"]
        except (DaemonDown, ControlRefused):
            return []
        return rows

    def row(self, name: str) -> dict[str, Any]:
        """Return one row of the status."""
        return next(row for row in self.rows() if row["name"] == name)

    def watch(self, done: Any, poll_s: float = POLL_S, failed: Any = lambda: None) -> list[dict[str, Any]]:
        """Poll the status until `done(rows)`; return the rows. Raises NotReached with the states of the bots."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            rows = self.rows()
            if rows and done(rows):
                return rows
            if (why := failed()) is not None:
                raise NotReached(why)
            time.sleep(poll_s)
        told = {f"{row['name']}: {row['state']} {row['phase']} {row['gates']} {row['reason']}" for row in self.rows()}
        raise NotReached(f"not within {PATIENCE_S:.0f} s; " + "; ".join(sorted(told)[:5]))

    # Looking at what it left behind

    def first_ack_ns(self, name: str, after_ns: int) -> int:
        """Return when the first order sent after a moment was acknowledged, from the bot's ledger; waits for it."""
        path = self.home.bot_state(name) / "ledger.db"
        asked = "SELECT MIN(acked_ns) FROM orders WHERE sent_ns > ? AND acked_ns IS NOT NULL"
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if path.exists():
                with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)) as ledger:
                    try:
                        found = ledger.execute(asked, (after_ns,)).fetchone()[0]
                    except sqlite3.OperationalError:  # it is being made
                        found = None
                if found is not None:
                    return int(found)
            time.sleep(0.02)
        raise NotReached(f"{name} had no order acknowledged within {PATIENCE_S:.0f} s")

    def log_lines(self, name: str, bot: str, after_ns: int) -> list[tuple[int, dict[str, Any]]]:
        """Return the lines of a log that speak of a bot and are younger than a moment, with their times."""
        found = []
        for text in (self.home.log / f"{name}.log").read_text().splitlines():
            line = json.loads(text)
            at_ns = _moment(line["ts"])
            if line["bot"] == bot and at_ns >= after_ns:
                found.append((at_ns, line))
        return found

    # Processes

    @property
    def supervisor(self) -> psutil.Process:
        """Return the daemon's process. Raises NotReached."""
        found = holder(self.home.run)
        if found is None or not found.pid:
            raise NotReached("there is no daemon")
        return psutil.Process(found.pid)

    def tree(self) -> tuple[psutil.Process, psutil.Process, list[psutil.Process]]:
        """Return supervisor, zygote and workers. Raises NotReached."""
        supervisor = self.supervisor
        children = supervisor.children(recursive=True)
        zygote = [child for child in children if "zygote" in " ".join(child.cmdline())]
        if not zygote:
            raise NotReached("there is no zygote")
        return supervisor, zygote[0], [child for child in children if child != zygote[0]]

    def remember(self) -> None:
        """Note every process of the fleet, so that `end` can end it."""
        try:
            supervisor = self.supervisor
            self._sessions.add(supervisor.pid)
            for process in (supervisor, *supervisor.children(recursive=True)):
                self._known[process.pid] = process
        except (NotReached, psutil.Error):
            pass

    def end(self) -> None:
        """Stop the daemon as an operator does, and kill whatever is left of it."""
        self.remember()
        if holder(self.home.run) is not None:
            stop = self.command("stop")
            try:
                stop.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                stop.kill()
                stop.communicate()
        left = [process for process in self._known.values() if process.is_running()]
        left += [psutil.Process(pid) for pid in psutil.pids() if _session(pid) in self._sessions]
        for process in left:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.Error:
                pass
        psutil.wait_procs(left, timeout=10)


@contextmanager
def fleet() -> Iterator[Fleet]:
    """Give a fleet in a temporary home; afterwards nothing of it runs and the home is gone."""
    with temp_folder() as folder:
        made = Fleet(folder / "home")
        try:
            yield made
        finally:
            made.end()


def is_quoting(row: dict[str, Any]) -> bool:
    """Tell whether the status shows a bot that quotes."""
    return bool(row["state"] == "RUNNING" and row["phase"] == "QUOTING")


def seconds_between(begin_ns: int, end_ns: int) -> float:
    """Return the time between two moments in seconds."""
    return (end_ns - begin_ns) / NS_PER_S


def _note_return(process: subprocess.Popen[str], start: Start) -> None:
    process.wait()
    start.returned_ns = time.time_ns()


def _failed(process: subprocess.Popen[str]) -> str | None:
    """Return what a command said when it failed, None while it runs or when it did its work."""
    if not process.returncode:
        return None
    assert process.stderr is not None
    return process.stderr.read().strip() or f"exit status {process.returncode}"


def _moment(text: str) -> int:
    """Return the UTC nanoseconds of a log line's time."""
    at = datetime.fromisoformat(text)
    return int(at.replace(microsecond=0).timestamp()) * NS_PER_S + at.microsecond * _MICROSECOND_NS


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
