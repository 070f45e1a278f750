"""New code for a running daemon: a copy of the checkout is changed under it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.process.control import call
from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT

CODE = ("core", "api", "strategies", "utils", "cli", "config", "data")
HALF_WRITTEN = shutil.ignore_patterns("*.pyc.*")  # what was compiled is taken along; others compile at the same time


class CopiedFleet(Fleet):
    """A fleet that runs a copy of the code, which a test may change."""

    def __init__(self, root: Path, code: Path) -> None:
        super().__init__(root)
        self.code = code
        code.mkdir()
        for part in CODE:
            shutil.copytree(CHECKOUT / part, code / part, ignore=HALF_WRITTEN)
        shutil.copy(CHECKOUT / "run.py", code)

    def run(self, *arguments: str, timeout: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run one command of the copied door."""
        return subprocess.run(
            [sys.executable, str(self.code / "core" / "daemon_manager.py"), *arguments],
            cwd="/",
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def edit(self, file: str, old: str, new: str) -> None:
        """Change the code on disk."""
        path = self.code / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def restore(self, file: str) -> None:
        """Undo every change of one file, also that of its time."""
        shutil.copy2(CHECKOUT / file, self.code / file)


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[CopiedFleet]:
    fleet = CopiedFleet(tmp_path / "home", tmp_path / "code")
    yield fleet
    fleet.end()


def pids(fleet: Fleet) -> dict[str, int]:
    return {row["name"]: row["pid"] for row in fleet.status()["bots"]}


def zygotes(fleet: Fleet) -> list[int]:
    children = psutil.Process(fleet.daemon_pid()).children()
    return [child.pid for child in children if "zygote" in " ".join(child.cmdline())]


@pytest.mark.timeout(240)
def test_an_upgrade_changes_supervisor_and_workers_and_keeps_pid_restarts_and_orders(copied: CopiedFleet) -> None:
    calm = {"interval_s": 60, "requote_bps": 0, "price_tolerance_pct": 50, "spread_pct": 4}  # far from any fill
    for number, name in enumerate(("one", "two", "three")):
        copied.add(name, exchange_config={"seed": number}, strategy_config=calm)
    copied.start().quoting("one", "two", "three")
    daemon, zygote, before = copied.daemon_pid(), copied.zygote_pid(), pids(copied)
    orders, uptime = copied.ledger_orders("one"), copied.status()["daemon"]["uptime_s"]
    copied.edit("utils/version.py", '= "', '= "9.9.9-')
    done = copied.run("upgrade", "--json", timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["moved"] == ["one", "three", "two"]
    status = copied.status()
    assert status["daemon"]["pid"] == daemon == copied.daemon_pid()
    assert status["daemon"]["version"].startswith("9.9.9-")
    assert status["daemon"]["uptime_s"] > uptime
    assert not set(pids(copied).values()) & set(before.values())
    assert {row["restarts"] for row in status["bots"]} == {1}
    assert copied.ledger_orders("one") == orders
    assert zygote in zygotes(copied)  # kept for a minute
    os.kill(pids(copied)["two"], signal.SIGKILL)  # and it still supervises
    copied.until(lambda: copied.bot("two")["restarts"] == 2 and copied.is_quoting("two"))
    assert copied.run("stop").returncode == 0
    assert copied.open_paper_orders() == []


BROKEN = [
    ("strategies/market_maker.py", "from __future__", "raise RuntimeError('broken strategy')\nfrom __future__", ""),
    ("core/process/supervisor.py", "import logging\n", "import logging\nraise RuntimeError('broken')\n", ""),
    ("core/process/carried_state.py", "FORMAT = 1", "FORMAT = 2", "this version knows 2"),
]


@pytest.mark.timeout(240)
def test_code_that_does_not_work_is_refused_and_the_fleet_runs_on(copied: CopiedFleet) -> None:
    copied.add("one")
    copied.start().quoting("one")
    before = (copied.daemon_pid(), pids(copied))
    for file, old, new, told in BROKEN:
        copied.edit(file, old, new)
        done = copied.run("upgrade", timeout=120)
        assert done.returncode == 1, file
        assert "refused" in done.stdout and (told in done.stdout)
        assert (copied.daemon_pid(), pids(copied)) == before
        copied.quoting("one")
        assert call(copied.home, "upgrade", {"look": True})["stage"] == "refused"
        copied.restore(file)


@pytest.mark.timeout(240)
def test_a_bot_that_dies_under_the_new_code_brings_the_old_code_back(copied: CopiedFleet) -> None:
    copied.add("one")
    copied.add("two", exchange_config={"seed": 2})
    copied.start().quoting("one", "two")
    # Sound while it is warmed, a crash in a worker: only the real thing finds it.
    copied.edit(
        "core/process/worker.py",
        "        while loop.finished is None:\n",
        "        raise RuntimeError('only in a worker')\n        while loop.finished is None:\n",
    )
    done = copied.run("upgrade", timeout=150)
    assert done.returncode == 1
    assert "rolled back" in done.stdout, done.stdout
    copied.quoting("one", "two", seconds=60)
    assert copied.bot("two")["restarts"] == 0
