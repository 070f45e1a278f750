"""The history of a fleet: every fill of every ledger once, whatever ends its writer."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.history import fleet_sync, ledger_reader
from core.history.bot_history import ledgers
from core.history.fleet_reader import orders_between
from core.history.fleet_store import GONE, FleetStore
from core.history.fleet_sync import event_rows, sync_fleet
from core.market.order import OrderState, Side
from tests.history.ledger_parts import BEGIN_NS, Past
from utils.errors import HistoryError

ROOT = Path(__file__).resolve().parents[2]


def always() -> bool:
    return True


def turns(count: int) -> Callable[[], bool]:
    """Return a `go_on` that agrees a number of times."""
    left = iter(range(count))
    return lambda: next(left, None) is not None


class Place:
    """A state folder with ledgers and a history of them."""

    def __init__(self, folder: Path) -> None:
        self.state, self.path = folder / "state", folder / "fleet.db"
        self.state.mkdir(exist_ok=True)

    def bot(self, name: str) -> Past:
        (self.state / name).mkdir(exist_ok=True)
        return Past(self.state / name)

    def sync(self, go_on: Any = always) -> list[str]:
        store = FleetStore.open(self.path)
        try:
            return sync_fleet(store, self.state, go_on)
        finally:
            store.close()

    def rows(self, statement: str) -> list[Any]:
        connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def fills(self) -> list[tuple[str, str]]:
        return sorted(self.rows("SELECT bot, trade_id FROM bot_fills"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def in_ledgers(place: Place) -> list[tuple[str, str]]:
    return sorted(
        (bot, fill.trade_id)
        for bot, path in ledgers(place.state).items()
        for fill in ledger_reader.fills_after(path, 0, 10**6)
    )


def test_what_is_new_of_every_bot_is_added_once(place: Place) -> None:
    one, two = place.bot("one"), place.bot("two")
    one.fill(1)
    two.fill(2)
    assert place.sync() == place.sync() == []
    one.fill(3)
    place.sync()
    assert place.fills() == in_ledgers(place) == [("one", "t1"), ("one", "t2"), ("two", "t1")]


def test_a_row_says_of_which_bot_and_symbol_it_is(place: Place) -> None:
    past = place.bot("one")
    past.sample(0)
    past.fill(1, Side.SELL)
    place.sync()
    found = place.rows("SELECT bot, symbol, base, quote, side, price, size, fee, utc_ns FROM bot_fills")
    assert found == [("one", "SOL-USDC", "SOL", "USDC", "sell", "100.00", "1.0", "0.01", BEGIN_NS + 10**9)]


def test_an_order_is_followed_to_its_end(place: Place) -> None:
    past = place.bot("one")
    first, second = past.order(1), past.order(2)
    place.sync()
    past.ledger.record_order(type(first)(**{**_fields(first), "state": OrderState.CANCELED}))
    place.sync()
    assert place.rows("SELECT client_order_id, state, closed FROM orders ORDER BY sent_utc_ns") == [
        (first.client_order_id, "CANCELED", 1),
        (second.client_order_id, "PENDING_NEW", 0),
    ]


def _fields(order: Any) -> dict[str, Any]:
    return {name: getattr(order, name) for name in order.__dataclass_fields__}


def test_an_order_whose_end_nobody_saw_is_called_gone_and_not_open(place: Place) -> None:
    past = place.bot("one")
    made = past.order(1)
    place.sync()
    past.ledger._connection.execute("DELETE FROM orders")
    place.sync()
    assert place.rows("SELECT client_order_id, state, closed FROM orders") == [(made.client_order_id, GONE, 1)]


def test_orders_that_a_ledger_forgot_are_told_with_those_it_has(place: Place) -> None:
    past = place.bot("one")
    forgotten, kept = past.order(1, closed=True), past.order(2)
    place.sync()
    past.ledger._connection.execute("DELETE FROM orders WHERE closed = 1")
    past.ledger.record_order(type(kept)(**{**_fields(kept), "state": OrderState.CANCELED}))
    newest = past.order(3)
    span = (BEGIN_NS, BEGIN_NS + 10 * 10**9)
    found = orders_between(place.path, "one", past.path, *span)
    assert [(order.client_order_id, order.state, order.closed) for order in found] == [
        (forgotten.client_order_id, "CANCELED", True),
        (kept.client_order_id, "CANCELED", True),
        (newest.client_order_id, "PENDING_NEW", False),
    ]
    without = orders_between(place.path.with_name("none.db"), "one", past.path, *span)
    assert [order.client_order_id for order in without] == [kept.client_order_id, newest.client_order_id]


def test_old_closed_orders_are_forgotten_and_open_ones_are_not(place: Place) -> None:
    past = place.bot("one")
    past.order(1, closed=True)
    kept = [past.order(2).client_order_id, past.order(99, closed=True).client_order_id]
    place.sync()
    store = FleetStore.open(place.path)
    assert store.forget_orders(BEGIN_NS + 50 * 10**9) == 1
    store.close()
    assert [row[0] for row in place.rows("SELECT client_order_id FROM orders ORDER BY sent_utc_ns")] == kept


def test_equity_has_a_row_for_five_minutes_which_is_the_last_of_them(place: Place) -> None:
    past = place.bot("one")
    for at in range(0, 640, 10):
        past.sample(at, str(100 + at))
    place.sync()
    past.sample(640, "1000")
    place.sync()
    assert [row[0] for row in place.rows("SELECT mid FROM bot_equity ORDER BY utc_ns")] == ["390", "690", "1000"]


def test_a_bot_that_begins_a_new_ledger_keeps_the_old_rows_and_gets_the_new_ones(place: Place) -> None:
    past = place.bot("one")
    past.fill(1)
    past.fill(2)
    place.sync()
    past.ledger.close()
    shutil.rmtree(place.state / "one")
    place.bot("one").fill(9)
    place.sync()
    assert place.fills() == [("one", "t1"), ("one", "t1"), ("one", "t2")]
    assert len(place.rows("SELECT * FROM ledgers")) == 2


def test_a_ledger_that_came_from_a_backup_loses_and_doubles_nothing(place: Place) -> None:
    past = place.bot("one")
    past.fill(1)
    past.ledger.close()
    backup = place.path.with_name("backup.db")
    shutil.copy(past.path, backup)
    past = place.bot("one")
    past.trades = 1
    for at in (2, 3, 4):
        past.fill(at)  # t2, t3, t4
    place.sync()
    past.ledger.close()
    shutil.copy(backup, past.path)
    past = place.bot("one")
    for trade in (5, 2, 3, 4):  # a new fill has a number that was copied as another one's, before the others are back
        past.trades = trade - 1
        past.fill(trade)
        place.sync()
    assert place.fills() == [("one", f"t{number}") for number in range(1, 6)]


def test_a_ledger_that_cannot_be_read_is_told_and_holds_up_nobody(place: Place) -> None:
    place.bot("two").fill(1)
    (place.state / "one").mkdir()
    (place.state / "one" / "ledger.db").write_bytes(b"broken" * 500)
    (problem,) = place.sync()
    assert "one/ledger.db" in problem
    assert place.fills() == [("two", "t1")]


def test_a_ledger_of_an_older_format_waits_for_its_worker(place: Place) -> None:
    past = place.bot("one")
    past.fill(1)
    past.ledger._connection.execute("DROP TABLE identity")
    assert (place.sync(), place.fills()) == ([], [])


def test_a_history_of_a_newer_version_is_refused(place: Place) -> None:
    place.sync()
    with sqlite3.connect(place.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(HistoryError, match="newer makerd"):
        place.sync()


def test_a_full_disk_is_an_error_and_the_next_time_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    past = place.bot("one")
    for at in range(400):
        past.fill(at)
    place.sync(lambda: False)
    store = FleetStore.open(place.path)
    store._connection.execute("PRAGMA max_page_count = 12")
    with pytest.raises(HistoryError, match="full"):
        sync_fleet(store, place.state, always)
    store.close()
    place.sync()
    assert place.fills() == in_ledgers(place)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_writer_that_ends_anywhere_goes_on_without_a_gap_or_a_double(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    pasts = [place.bot("one"), place.bot("two")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet_sync, "PAGE", 3)
        for _ in range(data.draw(st.integers(1, 4))):
            for past in pasts:
                for _ in range(data.draw(st.integers(0, 7))):
                    past.fill(past.trades)
            place.sync(turns(data.draw(st.integers(0, 8))))
        place.sync()
    for past in pasts:
        past.ledger.close()
    assert place.fills() == in_ledgers(place)


SYNC = """
import os, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from core.history import fleet_sync
from core.history.fleet_store import FleetStore
fleet_sync.PAGE = 7
store = FleetStore.open(Path(sys.argv[2]))
while True:
    fleet_sync.sync_fleet(store, Path(sys.argv[1]), lambda: True)
    print("x", flush=True)
"""


@pytest.fixture
def syncing(place: Place) -> Iterator[Any]:
    running: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SYNC, str(place.state), str(place.path)]
        running.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_killed_writer_loses_and_doubles_no_fill_while_bots_go_on(place: Place, syncing: Any) -> None:
    past, chance = place.bot("one"), random.Random(5)
    for round_ in range(4):
        process = syncing()
        assert process.stdout.readline() if round_ % 2 else True
        ends = time.monotonic() + 0.1 + chance.random() / 4
        while time.monotonic() < ends:
            past.fill(past.trades)
        process.send_signal(signal.SIGKILL)
        process.wait()
    place.sync()
    found = place.fills()
    assert len(found) == len(set(found)) == past.trades > 50
    assert found == in_ledgers(place)
    assert place.rows("PRAGMA integrity_check") == [("ok",)]


def test_lines_of_the_event_file_are_rows_with_a_key_and_torn_ones_are_left_out(place: Place) -> None:
    line = json.dumps({"ts": "2026-01-01T00:00:00.000001Z", "seq": 1, "kind": "state", "bot": "one", "reason": "r"})
    lost = json.dumps({"ts": "2026-01-01T00:00:00.000002Z", "kind": "events_lost", "lost": 2})
    store = FleetStore.open(place.path)
    for _ in range(2):
        store.add_events(event_rows([line, line[:30], "[]", "", lost + "\n"]), "7:9")
    assert (store.events_mark(), store.newest_event()) == ("7:9", "2026-01-01T00:00:00.000002Z")
    store.close()
    assert place.rows("SELECT kind, bot FROM events ORDER BY ts") == [("state", "one"), ("events_lost", None)]
