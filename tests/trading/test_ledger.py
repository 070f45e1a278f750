"""The ledger: nothing twice, nothing lost, the same totals after any death of its writer."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.market.client_ids import ClientOrderIds
from core.market.order import Fill, Order, OrderState, Side
from core.market.position import VOLUMES, Position
from core.trading.ledger import Ledger, LedgerBatch, Session
from tests.trading.scripted_venue import SPOT
from utils.errors import LedgerError

IDS = ClientOrderIds("home", "bot", 3)


def opened(folder: Path) -> Ledger:
    ledger = Ledger.open(folder / "ledger.db")
    ledger.use_instrument("main", SPOT)
    return ledger


def order(**changes: object) -> Order:
    made = Order(IDS.next(), "main", Side.BUY, 9_990, 10, slot="buy.0", sent_ns=5)
    return replace(made, **changes)  # type: ignore[arg-type]


def fill(trade_id: str, key: str = "x", side: Side = Side.BUY, price: int = 9_990, lots: int = 3) -> Fill:
    return Fill(trade_id, key, "main", side, price, lots, "maker", Decimal("-0.0123"), "USDC", 77, "v1")


def book(ledger: Ledger, made: Fill) -> bool:
    return ledger.record_fill(made, ledger.position(made.leg).after_fill(made, SPOT))


def test_an_order_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    made = order(reduce_only=True, post_only=False, time_in_force="IOC", venue_order_id="v9", acked_ns=6, reason="r")
    ledger.record_order(made)
    assert opened(tmp_path).open_orders() == [made]


def test_prices_and_sizes_are_stored_as_decimal_strings_with_the_fence(tmp_path: Path) -> None:
    opened(tmp_path).record_order(order())
    rows = sqlite3.connect(tmp_path / "ledger.db").execute("SELECT price, size, filled, fence FROM orders").fetchall()
    assert rows == [("99.90", "1.0", "0.0", 3)]


@pytest.mark.parametrize("change", ["state = 'GRAZING'", "side = 'sideways'", "size = 'much'", "price = ''"])
def test_an_order_that_this_code_cannot_read_makes_a_ledger_that_cannot_be_read(tmp_path: Path, change: str) -> None:
    ledger, made = opened(tmp_path), order()
    ledger.record_order(made)
    ledger._connection.execute(f"UPDATE orders SET {change}")
    with pytest.raises(LedgerError, match=f"order {made.client_order_id} in .*ledger"):
        ledger.open_orders("main")
    with pytest.raises(LedgerError, match=r"cannot be read"):
        ledger.order(made.client_order_id)
    assert ledger.open_ids() == {made.client_order_id}


def test_a_finer_tick_and_lot_change_no_recorded_price_or_size(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.record_order(order())
    book(ledger, fill("t1"))
    finer = replace(SPOT, tick_size=Decimal("0.001"), lot_size=Decimal("0.01"))
    again = Ledger.open(tmp_path / "ledger.db")
    again.use_instrument("main", finer)
    (back,) = again.open_orders()
    assert (back.price_ticks, back.size_lots) == (99_900, 100)
    assert again.position("main").size_lots == 30
    assert again.replay("main") == again.position("main")


def test_a_lot_too_coarse_for_the_position_is_a_ledger_error(tmp_path: Path) -> None:
    book(opened(tmp_path), fill("t1"))
    coarse = Ledger.open(tmp_path / "ledger.db")
    coarse.use_instrument("main", replace(SPOT, lot_size=Decimal(1)))
    with pytest.raises(LedgerError, match="main"):
        coarse.position("main")
    with pytest.raises(LedgerError, match="grid"):
        coarse.replay("main")


def test_a_closed_order_is_not_open_and_its_update_is_kept(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    made = order()
    ledger.record_order(made)
    ledger.record_update(replace(made, state=OrderState.CANCELED, reason="done"))
    assert ledger.open_orders() == []
    kept = ledger.order(made.client_order_id)
    assert kept is not None
    assert (kept.state, kept.reason, kept.slot) == (OrderState.CANCELED, "done", "buy.0")


def test_an_order_being_amended_is_one_of_unknown_outcome_to_who_reads_it(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.record_order(order(state=OrderState.PENDING_REPLACE))
    (kept,) = ledger.open_orders()
    assert (kept.state, kept.is_closed) == (OrderState.UNKNOWN, False)


def test_a_fill_is_written_with_its_position_and_its_order(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    made = order()
    ledger.record_order(made)
    assert book(ledger, fill("t1", made.client_order_id))
    kept = ledger.order(made.client_order_id)
    assert kept is not None
    assert (kept.filled_lots, kept.state, kept.venue_order_id) == (3, OrderState.PARTIALLY_FILLED, "v1")
    assert ledger.position("main").size_lots == 3
    assert ledger.filled_lots("main", made.client_order_id) == 3


def test_the_same_trade_id_is_booked_once_and_changes_nothing_the_second_time(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    made = order()
    ledger.record_order(made)
    assert book(ledger, fill("t1", made.client_order_id))
    before = (ledger.position("main"), ledger.order(made.client_order_id))
    assert not book(ledger, fill("t1", made.client_order_id))
    assert not ledger.write(LedgerBatch(fills=[(fill("t1"), Position("main", 99))]))
    assert (ledger.position("main"), ledger.order(made.client_order_id)) == before


def test_the_same_trade_id_on_another_leg_is_another_fill(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.use_instrument("hedge", SPOT)
    assert book(ledger, fill("t1"))
    assert book(ledger, replace(fill("t1"), leg="hedge"))
    assert ledger.position("hedge").size_lots == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 15), st.sampled_from(Side), st.integers(9_000, 11_000), st.integers(1, 40)),
        max_size=30,
    )
)
def test_replayed_fills_give_the_totals_of_the_checkpoint_whatever_is_repeated(
    tmp_path: Path, events: list[tuple[int, Side, int, int]]
) -> None:
    path = tmp_path / f"{os.urandom(6).hex()}.db"
    ledger = Ledger.open(path)
    ledger.use_instrument("main", SPOT)
    for number, side, price, lots in events:
        book(ledger, fill(f"t{number}", "x", side, price, lots))
    assert ledger.replay("main") == ledger.position("main")
    assert ledger.position("main").fills == len({event[0] for event in events})
    ledger.close()


def test_a_position_from_before_there_were_volumes_has_those_of_its_fills(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    book(ledger, fill("t1"))
    expected = ledger.position("main")
    raw = sqlite3.connect(tmp_path / "ledger.db")
    plain = json.loads(raw.execute("SELECT position FROM positions").fetchone()[0])
    old = {name: value for name, value in plain.items() if name not in VOLUMES}
    raw.execute("UPDATE positions SET position = ?", (json.dumps(old),))
    raw.commit()
    assert expected.maker_volume > 0
    assert ledger.position("main") == expected


def test_a_batch_is_all_or_nothing(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    broken = LedgerBatch(
        orders={"a": order()},
        fills=[(fill("t1"), Position("main", 3))],
        marks={"main": object()},  # type: ignore[dict-item]
    )
    with pytest.raises(LedgerError):
        ledger.write(broken)
    assert (ledger.open_orders(), ledger.fills("main"), ledger.mark("main")) == ([], [], None)
    ledger.record_order(order())


def test_marks_counters_and_session_survive(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.set_mark("main", "m7")
    ledger.write(LedgerBatch(counters={"cycles": 4}))
    session = Session(10, Decimal("-1.5"), Decimal("1000"), Decimal("2.25"))
    ledger.begin_session(session)
    again = opened(tmp_path)
    assert (again.mark("main"), again.counters(), again.session()) == ("m7", {"cycles": 4}, session)


def test_a_reset_ends_the_session_and_clears_the_latches(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.begin_session(Session(10, Decimal(0), None, Decimal(0)))
    ledger.latches.set("max_loss", "cancel", "lost", 11)
    ledger.reset(12)
    again = opened(tmp_path)
    assert (again.session(), again.latches.all()) == (None, {})


def test_a_latch_survives_and_the_first_reason_stays(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.latches.set("max_loss", "cancel", "first", 1)
    ledger.latches.set("max_loss", "close", "second", 2)
    latch = opened(tmp_path).latches.get("max_loss")
    assert latch is not None
    assert (latch.action, latch.reason, latch.at_utc_ns) == ("cancel", "first", 1)


def test_only_closed_orders_are_forgotten(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    old_open, old_closed, new_closed = order(), order(state=OrderState.CANCELED), order(sent_ns=100)
    ledger.record_orders([old_open, old_closed, replace(new_closed, state=OrderState.CANCELED)])
    ledger.prune(50)
    assert ledger.order(old_open.client_order_id) == old_open
    assert ledger.order(old_closed.client_order_id) is None
    assert ledger.order(new_closed.client_order_id) is not None


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database, not even nearly one" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        Ledger.open(tmp_path / "ledger.db")


def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="newer makerd"):
        Ledger.open(tmp_path / "ledger.db")


def as_version_1(folder: Path) -> None:
    """Turn a ledger into one that the first version wrote."""
    with sqlite3.connect(folder / "ledger.db") as connection:
        connection.execute("DROP INDEX orders_venue")
        connection.execute("DROP TABLE memory")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_a_ledger_of_the_first_version_is_brought_forward_and_keeps_everything(tmp_path: Path) -> None:
    ledger, made = opened(tmp_path), order(venue_order_id="v9")
    ledger.record_order(made)
    book(ledger, fill("t1"))
    before = ledger.position("main")
    ledger.close()
    as_version_1(tmp_path)
    for _ in range(2):
        ledger = opened(tmp_path)
        assert ledger._connection.execute("PRAGMA user_version").fetchone() == (4,)
        assert (ledger.open_orders(), ledger.position("main")) == ([made], before)
        plan = ledger._connection.execute(
            "EXPLAIN QUERY PLAN SELECT client_order_id FROM orders WHERE leg = 'main' AND venue_order_id = 'v9'"
        ).fetchall()
        assert "orders_venue" in plan[0][3]
        ledger.close()


def test_a_ledger_is_read_without_a_checkpoint_also_after_its_writer_was_killed(tmp_path: Path) -> None:
    made, pid = order(), os.fork()
    if pid == 0:
        opened(tmp_path).record_order(made)
        os._exit(0)  # as a kill would: nothing is closed
    os.waitpid(pid, 0)
    log, size = tmp_path / "ledger.db-wal", (tmp_path / "ledger.db").stat().st_size
    (tmp_path / "ledger.db-shm").unlink()  # the machine went down, too
    for _ in range(2):
        ledger = Ledger.open_to_read(tmp_path / "ledger.db")
        ledger.use_instrument("main", SPOT)
        assert ledger.open_orders() == [made]
        with pytest.raises(LedgerError, match="readonly"):
            ledger.record_order(made)
        ledger.close()
        assert log.stat().st_size > 0
        assert (tmp_path / "ledger.db").stat().st_size == size


def test_a_ledger_that_cannot_be_read_as_it_is_is_opened_like_any_other(tmp_path: Path) -> None:
    opened(tmp_path).close()
    as_version_1(tmp_path)
    ledger = Ledger.open_to_read(tmp_path / "ledger.db")
    assert ledger._connection.execute("PRAGMA user_version").fetchone() == (4,)
    ledger.close()
    (tmp_path / "ledger.db").write_bytes(b"not a database, not even nearly one" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        Ledger.open_to_read(tmp_path / "ledger.db")


def test_an_order_is_found_by_the_venues_id_on_its_own_leg_only(tmp_path: Path) -> None:
    ledger, made = opened(tmp_path), order(venue_order_id="v9", state=OrderState.CANCELED)
    ledger.record_order(made)
    assert ledger.order_id_at("main", "v9") == made.client_order_id
    assert (ledger.order_id_at("hedge", "v9"), ledger.order_id_at("main", "v8")) == (None, None)


def test_a_folder_that_cannot_be_made_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path / "file" / "ledger.db")


def test_the_file_is_closed_to_other_users(tmp_path: Path) -> None:
    opened(tmp_path).record_order(order())
    assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("ledger.db*")} == {0}


def test_a_full_database_is_a_ledger_error_and_works_again_with_room(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger._connection.execute("PRAGMA max_page_count = 1")
    written: list[Order] = []
    with pytest.raises(LedgerError, match="full"):
        while len(written) < 2_000:
            made = order()
            ledger.record_order(made)
            written.append(made)
    assert ledger.open_orders() == written
    ledger._connection.execute("PRAGMA max_page_count = 100000")
    ledger.record_order(order())


WRITER = """
import sys
from decimal import Decimal
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from core.market.order import Fill, Order, Side
from core.trading.ledger import Ledger, LedgerBatch
from core.trading.order_changes import after_fill
from tests.trading.scripted_venue import SPOT

ledger = Ledger.open(Path(sys.argv[1]))
ledger.use_instrument("main", SPOT)
position = ledger.position("main")
number = position.fills
while True:
    number += 1
    order = Order(f"id{number}", "main", Side.BUY if number % 3 else Side.SELL, 9_990 + number % 7, 5)
    ledger.record_order(order)
    fill = Fill(f"t{number}", order.client_order_id, "main", order.side, order.price_ticks, 5, "maker",
                Decimal("0.01"), "USDC", number)
    position = position.after_fill(fill, SPOT)
    order = after_fill(order, fill)
    orders, marks = {order.client_order_id: order}, {"main": str(number)}
    ledger.write(LedgerBatch(orders=orders, fills=[(fill, position)], marks=marks))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_a_writer_killed_in_the_middle_loses_nothing_that_it_had_acknowledged(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", WRITER, str(tmp_path / "ledger.db"), root]
    acknowledged = 0
    for after in (40, 90, 150):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            while acknowledged < after:
                acknowledged = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            last = [int(line) for line in writer.stdout.read().split("\n")[:-1]]  # whole lines that got out
        acknowledged = last[-1] if last else acknowledged
        ledger = opened(tmp_path)
        fills = ledger.fills("main")
        assert [made.trade_id for made in fills] == [f"t{n + 1}" for n in range(len(fills))]
        assert acknowledged <= len(fills) <= acknowledged + 1
        assert ledger.position("main") == ledger.replay("main")
        assert ledger.mark("main") == str(len(fills))
        assert len(ledger.open_orders()) <= 1  # at most the one that was recorded and not filled yet
        ledger.close()
