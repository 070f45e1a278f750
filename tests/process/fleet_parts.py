"""A real daemon in a home of its own, driven as an operator does; every process it starts is ended with it."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from api.paper_settings import PaperSettings
from core.process.control import DaemonDown, call
from core.process.pid_file import holder
from tests.process.warm_door import warm_door
from utils.home import CHECKOUT, Home

DOOR = str(CHECKOUT / "core" / "daemon_manager.py")
TEMPLATE = json.loads((CHECKOUT / "config" / "templates" / "paper_market_maker.json").read_text())


@functools.cache
def _compiled_recordings() -> tempfile.TemporaryDirectory[str]:
    """Return a folder with what a first start in a new home makes of the template's recording, in 0.4 s each time."""
    folder = tempfile.TemporaryDirectory(prefix="makerd-recordings-")
    settings = PaperSettings.from_config(TEMPLATE["exchange_config"])
    data_dirs = (folder.name, *Home(Path(folder.name)).data_dirs[1:])
    settings.open_feed(settings.find_market(TEMPLATE["strategy_config"]["symbol"], data_dirs), data_dirs)
    return folder


class Fleet:
    """A home with configs and, once started, a daemon."""

    def __init__(self, root: Path, checkout: Path = CHECKOUT) -> None:
        self.home, self.checkout = Home(root), checkout
        self.home.active.mkdir(parents=True)
        self.environ = {**os.environ, "MAKERD_HOME": str(root), "MAKERD_CLAIMS_DIR": str(root / "claims")}
        self.pids: set[int] = set()

    def add(self, name: str, **sections: dict[str, Any]) -> Path:
        """Write the config of one paper bot; sections are merged over the shipped template."""
        config = copy.deepcopy(TEMPLATE)
        config["metadata"]["name"] = name
        config["daemon_config"].update(backoff_initial_s=0.1, min_uptime_s=1)
        for section, values in sections.items():
            config.setdefault(section, {}).update(values)
        path = self.home.active / f"{name}.json"
        path.write_text(json.dumps(config, indent=2))
        return path

    def run(self, *arguments: str, timeout: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run one command of the door, from another folder."""
        return warm_door(self.checkout).run(arguments, {**self.environ, **environ}, timeout)

    def start(self, *names: str, **environ: str) -> Fleet:
        """Start the daemon; fails the test when it does not."""
        self.with_compiled_recordings()
        done = self.run("start", "--daemon", *names, **environ)
        assert done.returncode == 0, done.stderr
        self.remember()
        return self

    def with_compiled_recordings(self) -> Fleet:
        """Spare the first start what it would make of the template's recording."""
        if not self.home.data.parent.exists():
            shutil.copytree(_compiled_recordings().name, self.home.data)
        return self

    def status(self) -> dict[str, Any]:
        """Ask the daemon for its status."""
        answer: dict[str, Any] = call(self.home, "status")
        self.pids.update(row["pid"] for row in answer["bots"] if row["pid"])
        self.pids.add(answer["daemon"]["pid"])
        return answer

    def bot(self, name: str) -> dict[str, Any]:
        """Return one row of the status."""
        return next(row for row in self.status()["bots"] if row["name"] == name)

    def until(self, what: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Poll until `what` is true; fails the test with the last status when it never is."""
        deadline, pause_s = time.monotonic() + seconds, 0.02
        while time.monotonic() < deadline:
            try:
                found = what()
            except DaemonDown:
                found = None
            if found:
                return found
            time.sleep(pause_s)
            pause_s = min(0.05, pause_s * 1.1)  # to ask costs both sides a millisecond, and many tests wait at once
        raise AssertionError(f"not within {seconds} s; status: {json.dumps(self.status(), indent=1)[:6000]}")

    def quoting(self, *names: str, seconds: float = 20.0) -> Fleet:
        """Wait until the bots rest orders."""
        self.until(lambda: self.are_quoting(*names), seconds)
        return self

    def is_quoting(self, name: str) -> bool:
        """Tell whether a bot runs and rests orders."""
        return self.are_quoting(name)

    def are_quoting(self, *names: str) -> bool:
        """Tell whether bots run and rest orders, all at one moment."""
        rows = [row for row in self.status()["bots"] if row["name"] in names]
        return len(rows) == len(set(names)) and all(
            row["state"] == "RUNNING" and row["phase"] == "QUOTING" and row["open_orders"] > 0 for row in rows
        )

    def remember(self) -> set[int]:
        """Note every process of the fleet, so that `end` can end it."""
        found = holder(self.home.run)
        if found is not None and found.pid:
            self.pids.add(found.pid)
            try:
                self.pids.update(child.pid for child in psutil.Process(found.pid).children(recursive=True))
            except psutil.Error:
                pass
        return self.pids

    def living(self) -> set[int]:
        """Return the pids of the fleet that still live (by the home in their environment or arguments)."""
        return {pid for pid in self.pids if _belongs(pid, str(self.home.root))}

    def daemon_pid(self) -> int:
        """Return the supervisor's pid."""
        found = holder(self.home.run)
        assert found is not None
        return found.pid

    def zygote_pid(self) -> int:
        """Return the zygote's pid."""
        children = psutil.Process(self.daemon_pid()).children()
        return next(child.pid for child in children if "zygote" in " ".join(child.cmdline()))

    def open_paper_orders(self) -> list[str]:
        """Return the client order ids that rest on paper venues nobody has open."""
        found = []
        for path in (self.home.state / "paper").glob("*.db"):
            with sqlite3.connect(path) as db:
                found += [row[0] for row in db.execute("SELECT client_order_id FROM orders")]
            db.close()
        return found

    def ledger_orders(self, name: str) -> set[str]:
        """Return the client order ids that a bot's ledger calls open; it may be running."""
        db = sqlite3.connect(self.home.bot_state(name) / "ledger.db")
        try:
            return {row[0] for row in db.execute("SELECT client_order_id FROM orders WHERE closed = 0")}
        finally:
            db.close()

    def end(self) -> None:
        """Stop the daemon; kill what is left."""
        self.remember()
        if holder(self.home.run) is not None:
            self.run("stop", timeout=60)
        kill_all(self.living())


def kill_all(pids: Iterable[int]) -> None:
    """Kill processes at once; one that has left by itself meanwhile is as good."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_living(pid: int) -> bool:
    """Tell whether a process lives; one that ended and waits to be reaped by a stranger does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _belongs(pid: int, root: str) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any("makerd" in part for part in process.cmdline())
    except psutil.Error:
        return False
