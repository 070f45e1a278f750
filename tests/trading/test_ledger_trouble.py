"""A full disk: nothing new is sent, cancels are, no fill is lost, and the loop gets over it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.market.client_ids import NumberIds
from core.market.order import OrderState
from core.trading.latches import Latches
from tests.trading.workbench import BOTH, Bench
from utils.errors import LedgerError


def limit_pages(bench: Bench) -> None:
    """Let SQLite itself say that the database is full as soon as it needs another page."""
    bench.ledger._connection.execute("PRAGMA max_page_count = 1")  # it never goes below what is there already


def empty_the_disk(bench: Bench) -> None:
    bench.ledger._connection.execute("PRAGMA max_page_count = 1000000")


def move_wish(bench: Bench, ticks: int) -> None:
    bench.strategy.wanted = tuple(replace(quote, price_ticks=quote.price_ticks + ticks) for quote in BOTH)


def jam(bench: Bench) -> None:
    """Fill the disk, and place orders until the loop notices."""
    limit_pages(bench)
    for number in range(200):
        move_wish(bench, 500 + 100 * (number % 30))
        bench.run(1.5)
        if bench.gates == ["ledger"]:
            return
    raise AssertionError("the ledger did not fail")


def test_no_order_is_sent_that_is_not_recorded_but_cancels_still_go_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    jam(bench)
    sent = len(bench.venue.submitted)
    move_wish(bench, 5_000)
    bench.run(10)
    assert (bench.gates, bench.phase) == (["ledger"], "PAUSED")
    assert bench.resting == {}
    assert len(bench.venue.submitted) == sent
    known = {row[0] for row in bench.ledger._connection.execute("SELECT client_order_id FROM orders")}
    assert {order.client_order_id for order in bench.venue.submitted} <= known


def test_without_reserved_ids_nothing_is_placed_and_cancels_still_go_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    reserved: list[int] = []

    def reserve(until: int) -> None:
        if len(reserved) == 1:
            raise LedgerError("no space left")
        reserved.append(until)

    ids = NumberIds(slot=5, number=0, reserved_until=0, reserve=reserve)
    bench.loop._bot.legs[0].ids = ids
    bench.run(1)
    assert sorted(bench.venue.open_orders) == ["n5.0", "n5.1"]
    ids.number = ids.reserved_until  # the block is used up
    move_wish(bench, 300)
    bench.run(1.5)
    assert (bench.venue.open_orders, len(bench.venue.submitted)) == ({}, 2)
    assert "ledger" in [record.fields["gate"] for record in caplog.records if record.message == "gate_shut"]  # type: ignore[attr-defined]
    reserved.clear()
    bench.run(5)
    assert (bench.gates, len(bench.venue.open_orders)) == ([], 2)


def test_fills_of_a_time_without_ledger_are_kept_counted_and_booked_once_it_works(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    buy = bench.order_id("buy.0")
    jam(bench)
    for _ in range(40):
        bench.venue.fill(buy, 1)
    bench.run(5)
    assert bench.loop.snapshot()["position"] == "4.0"
    assert bench.booked() < 40
    empty_the_disk(bench)
    bench.run(3)
    assert (bench.gates, bench.booked()) == ([], 40)
    assert bench.ledger.position("main") == bench.ledger.replay("main")
    assert bench.ledger.position("main").size_lots == 40
    assert bench.phase == "QUOTING"
    assert len(bench.resting) == 2


def test_the_fill_mark_does_not_pass_fills_that_are_not_in_the_ledger(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    buy = bench.order_id("buy.0")
    jam(bench)
    before = bench.ledger.mark("main")
    for _ in range(40):
        bench.venue.fill(buy, 1, stream=False)
    bench.venue.reports_asked.clear()
    bench.run(25)  # two reports bring them
    assert bench.loop.snapshot()["position"] == "4.0"
    assert bench.ledger.mark("main") == before
    assert set(bench.venue.reports_asked) == {before}
    bench.die()  # killed while the disk is full: memory is gone, the venue still has them
    bench.begin()
    bench.run(15)
    assert bench.booked() == 40
    assert bench.loop.snapshot()["position"] == "4.0"


def test_orders_that_were_not_sent_for_want_of_a_ledger_are_closed_in_it_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    jam(bench)
    empty_the_disk(bench)
    bench.run(5)
    live = {order.client_order_id for order in bench.ledger.open_orders()}
    assert live == set(bench.venue.open_orders)
    assert {order.state for order in bench.ledger.open_orders()} == {OrderState.NEW}


def test_a_ledger_that_cannot_even_be_read_stops_quoting_but_not_the_loop(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    buy = bench.order_id("buy.0")
    bench.ledger.close()
    bench.venue.fill(buy, 4)
    bench.strategy.wanted = ()
    bench.run(30)
    assert "ledger" in bench.gates
    assert bench.resting == {}
    bench.die()
    bench.begin()
    bench.run(1)
    assert bench.loop.snapshot()["position"] == "0.4"


def test_a_latch_that_cannot_be_written_keeps_quotes_off_and_is_written_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 3})
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(0.6)
    blocked = tmp_path / "latches.json"
    blocked.mkdir()  # a rename onto a folder fails, for root too
    bench.feed = (9_499, 9_501)
    bench.run(5)
    assert bench.resting == {}
    assert bench.loop.finished is None
    assert "max_loss" in bench.gates
    bench.feed = (9_999, 10_001)  # the figures recover, the gate does not
    bench.run(3)
    assert bench.resting == {}
    blocked.rmdir()
    bench.run(5)
    assert bench.loop.finished is not None
    assert bench.loop.finished.status == 77
    assert Latches(blocked).get("max_loss") is not None
