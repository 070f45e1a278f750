"""Reading a ledger beside its owner: all that is there, nothing made, nobody held up."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.history import ledger_reader as reader
from core.market.order import Side
from core.trading.ledger import LedgerBatch
from tests.history.ledger_parts import BEGIN_NS, DAY_NS, SECOND_NS, Past
from utils.errors import LedgerError

ALL_NS = (0, 2**62)
DAY_S = 86_400


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def test_a_ledger_that_is_not_there_is_empty_and_stays_away(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    assert (reader.open_orders(path), reader.fills(path), list(reader.fills_between(path, *ALL_NS))) == ([], [], [])
    assert (reader.series(path, *ALL_NS, points=9), reader.daily(path), reader.latches(path)) == ([], [], [])
    assert [one.mean_bps for one in reader.markouts(path)] == [None] * 4
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        reader.fills(path)


def test_open_orders_are_those_that_are_not_closed(past: Past) -> None:
    past.order(1, closed=True)
    high, low = past.order(2, price=9_990), past.order(3, price=9_980)
    found = reader.open_orders(past.path)
    assert [order.client_order_id for order in found] == [low.client_order_id, high.client_order_id]
    assert (found[0].price, found[0].size, found[0].closed, found[0].post_only) == ("99.80", "1.0", False, True)


def test_orders_of_a_span_leave_out_its_end(past: Past) -> None:
    orders = [past.order(at) for at in range(4)]
    found = reader.orders_between(past.path, BEGIN_NS + SECOND_NS, BEGIN_NS + 3 * SECOND_NS)
    assert [order.client_order_id for order in found] == [order.client_order_id for order in orders[1:3]]


@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 25), limit=st.integers(1, 9))
def test_pages_of_fills_bring_each_fill_once_newest_first(
    tmp_path_factory: pytest.TempPathFactory, count: int, limit: int
) -> None:
    past = Past(tmp_path_factory.mktemp("past"))
    for at in range(count):
        past.fill(at)
    found: list[int] = []
    while page := reader.fills(past.path, found[-1] if found else None, limit):
        found += [fill.number for fill in page]
    past.ledger.close()
    assert found == list(range(count, 0, -1))


def test_fills_of_a_span_come_by_time_across_pages(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_PAGE", 3)
    for at in (5, 5, 5, 5, 1, 9, 5, 2):
        past.fill(at)
    found = list(reader.fills_between(past.path, BEGIN_NS + 2 * SECOND_NS, BEGIN_NS + 9 * SECOND_NS))
    assert [(fill.utc_ns - BEGIN_NS) // SECOND_NS for fill in found] == [2, 5, 5, 5, 5, 5]
    assert len({fill.number for fill in found}) == len(found)


def test_fills_after_a_number_are_what_a_follower_has_not_seen(past: Past) -> None:
    for at in range(5):
        past.fill(at)
    assert [fill.number for fill in reader.fills_after(past.path, 2, 2)] == [3, 4]


def test_a_series_is_cut_to_the_points_that_are_wanted(past: Past) -> None:
    for at in range(100):
        past.sample(10 * at, str(100 + at))
    found = reader.series(past.path, BEGIN_NS, BEGIN_NS + 1000 * SECOND_NS, points=10)
    assert [point.mid for point in found] == [str(109 + 10 * part) for part in range(10)]
    assert reader.series(past.path, BEGIN_NS, BEGIN_NS, points=10) == []


def test_days_add_up_to_what_was_earned(past: Past) -> None:
    past.sample(0, "100")
    past.fill(10, Side.BUY, 10_000, 10)
    past.sample(DAY_S - 5, "101")
    past.fill(DAY_S + 10, Side.SELL, 10_300, 10)
    past.sample(DAY_S + 20, "104")
    first, second = reader.daily(past.path)
    assert (first.day, second.day) == ("2024-10-04", "2024-10-05")
    assert (first.pnl, first.realised, second.pnl, second.realised) == ("0.99", "0", "1.99", "3")
    assert (first.volume, first.fees, first.fills) == ("100", "0.01", 1)
    net = past.ledger.position("main").net_pnl(Decimal(104), past.ledger._instruments["main"])
    assert Decimal(first.pnl or 0) + Decimal(second.pnl or 0) == net


def test_a_fee_in_base_is_worth_the_price_of_its_fill_and_one_in_another_asset_is_left_out(past: Past) -> None:
    past.sample(0)
    past.fill(1, price=10_000, fee="0.01", asset="SOL")
    past.fill(2, fee="5", asset="POINTS")
    (day,) = reader.daily(past.path)
    assert (day.fees, day.fills) == ("1", 2)


def test_a_day_of_a_span_is_measured_against_the_day_before_it(past: Past) -> None:
    past.sample(0)
    past.fill(10)
    past.sample(DAY_S - 5, "101")
    past.sample(DAY_S + 20, "104")
    (second,) = reader.daily(past.path, BEGIN_NS + DAY_NS, BEGIN_NS + 2 * DAY_NS)
    assert (second.day, second.pnl, second.fills) == ("2024-10-05", "3", 0)


def test_what_was_earned_before_the_series_began_is_in_no_day(past: Past) -> None:
    past.fill(10)
    past.sample(3 * DAY_S, "105")
    past.sample(3 * DAY_S + 10, "106")
    first, last = reader.daily(past.path)
    assert (first.pnl, first.fills, last.pnl) == (None, 1, "1")


def test_markouts_look_at_the_mid_after_each_fill(past: Past) -> None:
    past.sample(0, "100.1")
    past.fill(10, Side.BUY, 10_000, 10)
    past.sample(10, "100.1")
    past.sample(20, "99.9")
    past.fill(30, Side.SELL, 10_000, 30)
    past.sample(30, "100")
    past.sample(40, "99.9")
    found = {one.horizon_s: one for one in reader.markouts(past.path, (10.0, 600.0))}
    assert (found[0].mean_bps, found[0].fills) == (2.5, 2)
    assert (found[10].mean_bps, found[10].fills) == (5.0, 2)
    assert (found[600].mean_bps, found[600].fills) == (None, 0)


def test_a_fill_without_a_mid_near_it_does_not_count(past: Past) -> None:
    past.sample(0)
    past.fill(100)
    past.sample(200)
    assert [one.fills for one in reader.markouts(past.path)] == [0, 0, 0, 0]


def test_a_number_that_is_none_makes_the_ledger_a_damaged_one(past: Past) -> None:
    past.sample(0)
    past.fill(1)
    past.ledger._connection.execute("UPDATE fills SET price = 'dear'")
    for ask in (reader.daily, reader.markouts):
        with pytest.raises(LedgerError, match="damaged"):
            ask(past.path)


def test_latches_are_read_from_their_file(past: Past) -> None:
    past.ledger.latches.set("max_loss", "cancel", "too much", 7, done=False)
    assert [(one.name, one.reason, one.done) for one in reader.latches(past.path)] == [("max_loss", "too much", False)]
    past.path.with_name("latches.json").write_text("{")
    with pytest.raises(LedgerError, match="latches"):
        reader.latches(past.path)


@pytest.mark.parametrize("dropped", [("series", "instruments"), ("series", "instruments", "funding", "memory")])
def test_older_formats_have_less_to_say_and_say_that(past: Past, dropped: tuple[str, ...]) -> None:
    past.fill(10)
    past.order(1)
    past.ledger.close()
    with sqlite3.connect(past.path) as connection:
        for table in dropped:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    (day,) = reader.daily(past.path)
    assert (day.pnl, day.fees, day.fills) == (None, "0.01", 1)
    assert reader.series(past.path, *ALL_NS, points=9) == []
    assert (len(reader.open_orders(past.path)), len(reader.fills(past.path))) == (1, 1)


def test_a_reader_changes_no_byte_and_blocks_no_writer(past: Past) -> None:
    past.fill(1)
    past.ledger.write(LedgerBatch(counters={"before": 1}))
    with reader.reading(past.path) as ledger:
        assert ledger is not None
        assert len(ledger.rows("fills", "SELECT number FROM fills")) == 1
        ledger.connection.execute("BEGIN")
        ledger.rows("fills", "SELECT number FROM fills")
        past.fill(2)  # a writer that had to wait would fail after 50 ms
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ledger.connection.execute("DELETE FROM fills")
    assert len(reader.fills(past.path)) == 2


WRITER = """
import os, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from tests.history.ledger_parts import Past
past = Past(Path(sys.argv[1]))
for at in range(10**6):
    past.fill(at)
    print(at + 1, flush=True)
"""


def test_what_a_killed_writer_had_committed_is_read_from_its_leftovers(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert writer.stdout is not None
    seen = 0
    for line in writer.stdout:  # read all the while
        seen = int(line)
        if seen % 20 == 0:
            assert reader.fills(tmp_path / "ledger.db", limit=1)[0].number >= seen
        if seen == 200:
            break
    writer.kill()
    writer.wait()
    rest = writer.stdout.read().split()
    writer.stdout.close()
    told = int(rest[-1]) if rest and rest[-1].isdigit() else seen
    assert os.path.exists(tmp_path / "ledger.db-wal")
    assert reader.fills(tmp_path / "ledger.db", limit=1)[0].number >= told
    again = Past(tmp_path)
    assert again.ledger.fill_count() >= told
    again.ledger.close()
