"""A stop cancels everything, makes sure of it, and names what it could not make sure of."""

from __future__ import annotations

from pathlib import Path

from core.market.commands import Take
from core.market.order import Side
from core.trading.clock import seconds
from tests.trading.scripted_venue import LOSE, ScriptedVenue
from tests.trading.workbench import BOTH, BOTH_SIX, Bench
from utils.errors import VenueUnreachable


def six_resting(folder: Path, **more: object) -> Bench:
    bench = Bench(folder, **more)  # type: ignore[arg-type]
    bench.strategy.wanted = BOTH_SIX
    bench.run(1)
    assert len(bench.resting) == 6
    return bench


def test_a_stop_cancels_everything_and_is_clean(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.loop.begin_stop("SIGTERM")
    assert bench.phase == "STOPPING"
    bench.run(5)
    ended = bench.loop.finished
    assert ended is not None
    assert (ended.status, ended.reason, ended.clean, ended.left_orders) == (0, "SIGTERM", True, ())
    assert bench.venue.open_orders == {}
    assert bench.ledger.open_orders() == []
    assert bench.loop.snapshot()["open_orders"] == 0


def test_a_stop_without_cancel_at_once_names_each_order(tmp_path: Path) -> None:
    bench = six_resting(tmp_path, venue=ScriptedVenue(cancel_at_once=False))
    ids = set(bench.venue.open_orders)
    bench.stop()
    assert set(bench.venue.cancels) == ids
    assert bench.loop.finished is not None
    assert bench.loop.finished.clean


def test_a_stop_waits_through_incomplete_reports(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.venue.script.reports.extend(["incomplete"] * 3)
    bench.loop.begin_stop("test")
    bench.step(5)
    assert bench.loop.finished is None
    bench.run(5)
    assert bench.loop.finished is not None
    assert bench.loop.finished.clean


def test_a_venue_that_never_answers_leaves_the_orders_named_and_the_stop_unclean(tmp_path: Path) -> None:
    bench = six_resting(tmp_path, stop_timeout_s=3.0)
    ids = set(bench.venue.open_orders)
    bench.venue.script.cancel_error = bench.venue.script.report_error = VenueUnreachable("cable cut")
    began_ns = bench.clock.now_ns()
    bench.loop.begin_stop("test")
    bench.run(10)
    ended = bench.loop.finished
    assert ended is not None
    assert (ended.clean, set(ended.left_orders)) == (False, ids)
    assert "cable cut" in ended.reason
    assert bench.clock.now_ns() - began_ns <= seconds(3.1)


def test_cancels_that_get_lost_are_sent_again(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.venue.script.cancel = LOSE
    bench.loop.begin_stop("test")
    bench.run(1)
    bench.venue.script.cancel = "answer"
    bench.run(4)
    assert bench.venue.open_orders == {}
    assert bench.loop.finished is not None
    assert bench.loop.finished.clean


def test_an_order_in_flight_is_waited_for_and_cancelled_when_it_arrives_late(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(late_arrival_s=2))
    bench.venue.script.submit = LOSE
    bench.run(0.1)
    bench.loop.begin_stop("test")
    bench.run(1)
    assert bench.loop.finished is None
    for order in bench.venue.unsent:
        bench.venue.rest(order, tell=False)
    bench.run(4)
    assert bench.venue.open_orders == {}
    assert bench.loop.finished is not None
    assert bench.loop.finished.clean


def test_fills_during_a_stop_are_booked(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.venue.script.before_cancel = lambda order: bench.venue.fill(order.client_order_id, 2) and None
    bench.stop()
    assert bench.booked() == 6
    assert bench.ledger.mark("main") == "6"


def test_a_stop_while_the_link_is_down_still_ends(tmp_path: Path) -> None:
    bench = six_resting(tmp_path, stop_timeout_s=2.0)
    bench.venue.link_down()
    bench.run(0.5)
    bench.stop()
    assert bench.loop.finished is not None


def test_a_stop_before_the_start_ends_at_once(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.die()
    bench.venue.script.reports.extend(["none"] * 100)
    bench.begin()
    bench.loop.begin_stop("early", 0)
    bench.run(6)
    assert bench.loop.finished is not None
    assert not bench.loop.finished.clean  # the venue never told what rests


def test_the_duration_ends_the_run_with_status_0(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duration_s=5.0)
    bench.run(30)
    ended = bench.loop.finished
    assert ended is not None
    assert (ended.status, ended.clean, bench.venue.open_orders) == (0, True, {})
    assert "duration" in ended.reason


def test_the_duration_goes_on_over_a_crash(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duration_s=30.0)
    bench.run(22)
    bench.die()
    bench.clock.advance(seconds(600))  # the time of nobody's life is not counted
    bench.begin()
    bench.run(5)
    assert bench.loop.finished is None
    bench.run(10)  # what was not saved at the kill, at most 5 s, is lived again
    assert bench.loop.finished is not None
    assert "duration" in bench.loop.finished.reason


def test_after_an_end_by_itself_the_next_start_has_the_whole_duration(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duration_s=30.0)
    for _ in range(2):
        bench.run(20)
        bench.stop()
        assert "duration" not in bench.end().reason
        bench.die()
        bench.begin()
    bench.run(28)
    assert bench.loop.finished is None
    assert "duration" in bench.end().reason


def test_a_second_stop_changes_nothing(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.loop.begin_stop("first", 75)
    bench.loop.begin_stop("second", 0)
    bench.run(5)
    assert bench.loop.finished is not None
    assert (bench.loop.finished.status, bench.loop.finished.reason) == (75, "first")


def test_counters_are_saved_at_the_end_and_go_on_in_the_next_run(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.stop()
    bench.die()
    bench.begin()
    bench.run(1)
    assert bench.loop.snapshot()["stats"]["orders_created"] == 12


def test_nothing_is_sent_once_a_stop_has_begun_whatever_the_strategy_says(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.strategy.wanted = BOTH
    bench.run(1)
    sent = len(bench.venue.submitted)
    bench.loop.begin_stop("asked")
    bench.strategy.says = [Take(Side.BUY, 10_001, 10)]
    bench.run(1)
    assert bench.loop.finished is not None
    assert len(bench.venue.submitted) == sent


def test_another_supervisor_begins_another_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duration_s=30.0)
    bench.run(22)
    bench.die()
    bench.begin(new_run=True)
    bench.run(28)
    assert bench.loop.finished is None
    assert "duration" in bench.end().reason
