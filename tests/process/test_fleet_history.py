"""The history of the fleet as a daemon keeps it: one child at a time, whatever kills it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import psutil

from core.history import ledger_reader
from core.history.bot_history import ledgers
from core.process.fleet_history import LOCK, update
from tests.process.fleet_parts import Fleet
from utils.files import open_locked
from utils.home import Home


def rows(home: Home, statement: str) -> list[Any]:
    path = home.history / "fleet.db"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute(statement).fetchall()
        except sqlite3.OperationalError:  # its first transaction is on its way
            return []


def writers(fleet: Fleet) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(fleet.daemon_pid()).children():
        with contextlib.suppress(psutil.Error):
            if "core.process.fleet_history" in child.cmdline():
                found.append(child)
    return found


def test_the_variable_has_the_daemon_keep_fills_orders_equity_and_events(fleet: Fleet) -> None:
    fast = {"synthetic_trades_per_s": 50, "touch_prob": 0.8}
    fleet.home.daemon_file.write_text(json.dumps({"database": {"interval_s": 1}}))
    fleet.add("one", exchange_config=fast, strategy_config={"interval_s": 0.5})
    fleet.start(ENABLE_DATABASE="true").quoting("one")
    killed: set[int] = set()

    def kill_and_look() -> bool:
        for writer in writers(fleet):
            if not killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(writer.pid, signal.SIGKILL)
                    killed.add(writer.pid)
        return bool(killed and rows(fleet.home, "SELECT 1 FROM bot_fills"))

    fleet.until(kill_and_look, 40)
    fleet.until(lambda: rows(fleet.home, "SELECT 1 FROM bot_orders") and rows(fleet.home, "SELECT 1 FROM bot_equity"))
    fleet.until(lambda: rows(fleet.home, "SELECT 1 FROM events WHERE kind = 'daemon_ready'"))
    fleet.run("stop")
    assert update(fleet.home, 30, lambda: True) == []
    booked = sorted(
        (bot, fill.trade_id)
        for bot, path in ledgers(fleet.home.state).items()
        for fill in ledger_reader.fills_after(path, 0, 10**6)
    )
    assert sorted(rows(fleet.home, "SELECT bot, trade_id FROM bot_fills")) == booked
    assert rows(fleet.home, "SELECT 1 FROM orders WHERE closed = 0") == []
    lines = (fleet.home.log / "events.jsonl").read_text().splitlines()
    assert [row[0] for row in rows(fleet.home, "SELECT row FROM events ORDER BY ts")] == lines


def test_a_second_writer_leaves_the_history_to_the_first(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make_folders()
    lock = open_locked(home.history / LOCK)
    assert lock is not None
    assert update(home, 30, lambda: True) == []
    assert not (home.history / "fleet.db").exists()
    os.close(lock)
