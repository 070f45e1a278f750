"""An operator's pause: every quote off by the venue's word, at any time of a life, until it is taken back."""

from __future__ import annotations

from pathlib import Path

from tests.trading.scripted_venue import LOSE, ScriptedVenue
from tests.trading.workbench import Bench


def told(bench: Bench) -> tuple[bool, list[str], str, int]:
    shot = bench.loop.snapshot()
    return shot["paused"], shot["gates"], shot["phase"], shot["live_orders"]


def test_a_pause_takes_quotes_off_at_once_whatever_the_interval_and_a_resume_brings_them_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=600.0, min_cycle_s=1.0)
    bench.run(2)
    assert told(bench) == (False, [], "QUOTING", 2)
    bench.loop.pause()
    bench.step(3)
    assert told(bench) == (True, ["paused"], "PAUSED", 0)
    bench.run(30)
    assert len(bench.venue.submitted) == 2
    bench.loop.resume()
    bench.step(3)
    assert told(bench) == (False, [], "QUOTING", 2)


def test_quotes_are_not_called_off_before_the_venue_has_confirmed_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.venue.script.cancel = LOSE
    bench.loop.pause()
    bench.run(1)
    assert told(bench) == (True, ["paused"], "PAUSED", 2)
    bench.venue.script.cancel = "answer"
    bench.run(5)  # unanswered, looked up, and cancelled again
    assert (told(bench), bench.venue.open_orders) == ((True, ["paused"], "PAUSED", 0), {})


def test_an_order_in_flight_counts_until_it_is_known_to_be_gone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(late_arrival_s=3.0))
    bench.venue.script.submit = LOSE
    bench.run(0.5)
    bench.loop.pause()
    bench.run(1)
    assert bench.loop.snapshot()["open_orders"] == 0
    assert told(bench)[3] == 2
    for order in bench.venue.unsent:
        bench.venue.rest(order)
    bench.run(1)
    assert told(bench)[3] == 0
    assert bench.venue.open_orders == {}


def test_a_pause_said_before_the_first_report_holds(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.loop.pause()
    bench.run(3)
    assert told(bench) == (True, ["paused"], "PAUSED", 0)
    assert bench.venue.submitted == []


def test_the_orders_of_an_earlier_life_go_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.die()
    bench.begin()
    bench.loop.pause()
    bench.run(2)
    assert bench.venue.open_orders == {}


def test_a_pause_does_not_outlive_its_worker(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.loop.pause()
    bench.run(1)
    bench.die()
    bench.begin()
    bench.run(2)
    assert told(bench) == (False, [], "QUOTING", 2)


def test_saying_it_twice_is_saying_it_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    for _ in range(2):
        bench.loop.pause()
        bench.run(1)
    assert len(bench.venue.cancels) == 2
    bench.loop.resume()
    bench.loop.resume()
    bench.run(2)
    assert told(bench) == (False, [], "QUOTING", 2)
