"""A stop that closes the position first: in time, or told; and only a stop does."""

from __future__ import annotations

from pathlib import Path

from core.market.order import Side
from core.trading.clock import seconds
from tests.trading.scripted_venue import LOSE, PERP, SPOT, ScriptedVenue
from tests.trading.test_closing import fill_takes, takes_of
from tests.trading.test_operator_close import holding
from tests.trading.workbench import Bench


def test_a_stop_that_closes_ends_flat_by_the_venues_word(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_stop("asked to stop", close=True)
    assert (bench.phase, bench.loop.is_ending, bench.loop.is_stopping) == ("CLOSING", True, True)
    ended = bench.end()
    assert (ended.status, ended.clean, ended.closed, ended.reason) == (0, True, True, "asked to stop")
    assert not ended.left_position
    assert takes_of(bench.venue) == [(Side.SELL, 20)]
    assert bench.ledger.position("main").size_lots == 0


def test_a_flat_bot_just_stops(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    bench.run(1)
    bench.loop.begin_stop("asked to stop", close=True)
    ended = bench.end()
    assert (ended.closed, ended.clean, ended.reason, takes_of(bench.venue)) == (True, True, "asked to stop", [])


def test_a_position_that_cannot_be_closed_in_time_is_told_and_the_stop_keeps_its_time(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    bench.feed = None
    bench.run(6)
    began_ns = bench.clock.now_ns()
    bench.loop.begin_stop("asked to stop", close=True)
    ended = bench.end()
    assert (ended.status, ended.clean, ended.closed, ended.left_position) == (0, True, False, True)
    assert ended.reason.startswith("asked to stop (not closed: main: 2.0 SOL to close; the book is ")
    assert seconds(3) < bench.clock.now_ns() - began_ns <= seconds(bench.stop_timeout_s)
    assert bench.venue.open_orders == {}


def test_a_stop_without_a_close_ends_one_with_it(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    bench.venue.script.refuse = "not now"
    bench.loop.begin_stop("asked to stop", close=True)
    bench.run(1)
    assert bench.loop.finished is None
    bench.loop.begin_stop("the supervisor is gone")
    bench.run(0.5)
    ended = bench.loop.finished
    assert ended is not None
    assert (ended.closed, ended.clean) == (False, True)
    assert ended.reason.startswith("the supervisor is gone (not closed: ")


def test_said_twice_a_stop_that_closes_goes_on(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_stop("first", close=True)
    bench.run(0.2)
    bench.loop.begin_stop("second", close=True)
    ended = bench.end()
    assert (ended.closed, ended.reason) == (True, "first")


def test_before_the_first_report_nothing_is_known_and_nothing_is_closed(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    bench.die()
    bench.venue.script.reports.extend(["none"] * 3)
    bench.begin()
    bench.step(2)
    bench.loop.begin_stop("asked to stop", close=True)
    ended = bench.end()
    assert (ended.closed, ended.left_position, takes_of(bench.venue)) == (False, False, [])


def test_on_spot_a_stop_sells_what_was_bought_and_buys_nothing_back(tmp_path: Path) -> None:
    bench = holding(tmp_path / "long", 20, ScriptedVenue(SPOT))
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_stop("asked to stop", close=True)
    assert bench.end().closed
    assert takes_of(bench.venue) == [(Side.SELL, 20)]
    other = holding(tmp_path / "short", -20, ScriptedVenue(SPOT))
    other.loop.begin_stop("asked to stop", close=True)
    assert other.end().closed
    assert takes_of(other.venue) == []


def test_the_end_of_the_duration_is_a_stop(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, duration_s=8.0, on_stop="close_position")
    fill_takes(bench.venue, price_ticks=9_999)
    ended = bench.end()
    assert (ended.status, ended.closed, ended.reason) == (0, True, "the duration is over")
    assert takes_of(bench.venue) == [(Side.SELL, 20)]


def test_a_handover_that_becomes_a_stop_closes_nothing(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, on_stop="close_position")
    bench.loop.pause()
    bench.run(1)
    bench.loop.begin_handover("a restart", 1.0, lambda _orders: None)
    ended = bench.end()
    assert (ended.handover, ended.closed, takes_of(bench.venue)) == (False, False, [])


def test_a_gate_that_trips_meanwhile_is_told_at_the_end(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, risk={"max_loss": 3})
    bench.venue.script.refuse = "not now"
    bench.loop.begin_stop("asked to stop", close=True)
    bench.feed = (9_499, 9_501)
    bench.run(1)
    bench.venue.script.refuse = ""
    fill_takes(bench.venue)
    ended = bench.end()
    assert (ended.status, ended.closed) == (77, True)


def test_orders_that_are_not_known_to_be_gone_keep_no_stop_beyond_its_time(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    bench.venue.script.cancel = LOSE
    began_ns = bench.clock.now_ns()
    bench.loop.begin_stop("asked to stop", close=True)
    ended = bench.end()
    assert (ended.clean, ended.closed, len(ended.left_orders)) == (False, False, 2)
    assert "orders are not known to be gone" in ended.reason
    assert bench.clock.now_ns() - began_ns <= seconds(bench.stop_timeout_s)
    assert takes_of(bench.venue) == []
