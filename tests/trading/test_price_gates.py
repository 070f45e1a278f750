"""A market that jumps, or that is not where its index is, is not quoted in."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from core.market.events import PerpFacts
from tests.trading.scripted_venue import PERP, ScriptedVenue
from tests.trading.workbench import Bench

RISK = {"max_price_move_pct": 1, "price_move_window_s": 10, "price_move_cooldown_s": 20}


def test_a_jump_takes_the_quotes_off_before_the_next_regular_decision_and_they_come_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0, risk=RISK)
    bench.run(1)
    bench.feed = (10_119, 10_121)
    bench.run(0.2)
    assert (bench.gates, bench.resting, bench.phase) == (["price_move"], {}, "PAUSED")
    bench.run(19)  # the old price is out of the window, the pause goes on
    assert bench.gates == ["price_move"]
    bench.run(15)
    assert (bench.gates, len(bench.resting)) == ([], 2)


def test_a_slow_move_is_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0, risk=RISK)
    for step in range(10):
        bench.feed = (9_999 + 30 * step, 10_001 + 30 * step)
        bench.run(5)
        assert bench.gates == []


def test_a_restart_does_not_end_the_pause_after_a_jump(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk=RISK)
    bench.run(1)
    bench.feed = (10_119, 10_121)
    bench.run(1)
    bench.die()
    bench.begin()
    bench.run(5)
    assert (bench.gates, bench.resting) == (["price_move"], {})
    bench.run(30)
    assert (bench.gates, len(bench.resting)) == ([], 2)


def test_a_clock_that_was_set_back_makes_the_pause_no_longer_than_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk=RISK)
    bench.run(1)
    bench.feed = (10_119, 10_121)
    bench.run(1)
    bench.loop._bot.counters["price_move_utc_s.main"] += 86_400
    bench.loop._bot.journal.note_counters(dict(bench.loop._bot.counters))
    bench.run(0.1)
    bench.die()
    bench.begin()
    bench.run(22)
    assert bench.gates == []


def test_quotes_are_off_while_the_index_is_elsewhere_or_silent(tmp_path: Path) -> None:
    venue = ScriptedVenue(PERP)
    bench = Bench(tmp_path, venue, interval_s=60.0, risk={"reference_deviation_bps": 20, "max_position": 100})
    bench.run(1)
    assert (bench.gates, bench.resting) == (["reference_unknown"], {})
    index = [Decimal("100.1"), Decimal("100.3"), Decimal("99.9")]
    found = []
    for price in index:
        venue.inbox.put(PerpFacts("main", None, index_price=price))
        bench.run(1)
        found.append((bench.gates, len(bench.resting)))
    assert found == [([], 2), (["reference_deviation"], 0), ([], 2)]
    bench.run(6)
    assert (bench.gates, bench.resting) == (["reference_unknown"], {})


def test_a_book_that_jumps_is_answered_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0, risk=RISK)
    bench.run(1)
    bench.feed = None
    bench.run(0.1)
    bench.venue.book(10_119, 10_121)
    bench.run(0.1)
    assert (bench.gates, bench.resting) == (["price_move"], {})


def test_while_the_book_is_still_the_index_alone_shuts_the_gate_and_so_does_its_silence(tmp_path: Path) -> None:
    venue = ScriptedVenue(PERP)
    risk = {"reference_deviation_bps": 20, "max_position": 100, "max_book_age_s": 60}
    bench = Bench(tmp_path, venue, interval_s=600.0, risk=risk)
    found = []
    for price in ("100", "100.3", "100"):
        venue.inbox.put(PerpFacts("main", None, index_price=Decimal(price)))
        bench.run(1)
        bench.feed = None
        found.append((bench.gates, len(bench.resting)))
    assert found == [([], 2), (["reference_deviation"], 0), ([], 2)]
    bench.run(3.5)
    assert (bench.gates, len(bench.resting)) == ([], 2)
    bench.run(2)
    assert (bench.gates, bench.resting) == (["reference_unknown"], {})
