"""The ledger's series: written with what a bot writes anyway, coarser with age, bounded, never in its way."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.backtest.memory_ledger import MemoryLedger
from core.history import ledger_reader
from core.trading import ledger_series as series
from core.trading.ledger import Ledger, LedgerBatch
from tests.history.ledger_parts import BEGIN_NS, DAY_NS, SECOND_NS, Past
from tests.trading.scripted_venue import SPOT
from tests.trading.workbench import Bench
from utils.errors import LedgerError

ALL_NS = (0, 2**62)


def rows_of(bench: Bench) -> list[ledger_reader.SeriesPoint]:
    return ledger_reader.series(bench.ledger.path, *ALL_NS, points=2**62)


def sample(at_ns: int, net: int = 0) -> series.Sample:
    return series.Sample("main", at_ns, *(Decimal(0),) * 5, Decimal(net), None)


def written(times_ns: list[int]) -> list[tuple[int, int, str]]:
    """Return step, time and net of what is left of rows that were written at some times."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript("CREATE TABLE fills (venue_ns INTEGER);" + series.SCHEMA)
    connection.execute("BEGIN")
    for number, at_ns in enumerate(times_ns):
        series.write_samples(connection, (sample(at_ns, number),))
    found = connection.execute("SELECT step_s, utc_ns, net FROM series ORDER BY utc_ns").fetchall()
    connection.close()
    return found


def test_a_quoting_bot_leaves_a_row_about_every_ten_seconds(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(61)
    times = [point.utc_ns for point in rows_of(bench)]
    gaps_s = {round((after - before) / SECOND_NS) for before, after in pairwise(times)}
    assert (len(times), gaps_s) == (7, {10})


def test_a_row_says_what_the_bot_is_worth_and_what_it_holds(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(2)
    bench.venue.fill(bench.order_id("buy.0"), 5)
    bench.run(1)
    last = rows_of(bench)[-1]
    equity = Decimal(1000) * 100 + 100_000 + Decimal("0.5") * (100 - Decimal("99.9")) - Decimal("0.01")
    assert (last.position, last.mid, last.realised, last.fees, last.net) == ("0.5", "100", "0", "0.01", "0.04")
    assert last.equity is not None and Decimal(last.equity) == equity


def test_the_row_of_a_fill_is_in_the_transaction_of_the_fill(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(5.2)
    batches: list[LedgerBatch] = []
    write = bench.ledger.write
    bench.ledger.write = lambda batch: batches.append(batch) or write(batch)  # type: ignore[method-assign,func-returns-value]
    bench.venue.fill(bench.order_id("buy.0"), 5)
    bench.step(1)
    assert [len(batch.samples) for batch in batches if batch.fills] == [1]
    assert batches[0].samples[0].position == Decimal("0.5")


def test_a_flood_of_fills_is_no_flood_of_rows(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(2)
    before = len(rows_of(bench))
    for _ in range(10):
        bench.venue.fill(bench.order_id("buy.0"), 1)
        bench.run(0.1)
    assert len(rows_of(bench)) <= before + 2


def test_rows_wait_for_a_position_that_the_venue_confirmed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.die()
    bench.venue.script.reports.extend(["none"] * 50)
    bench.begin()
    before = len(rows_of(bench))
    bench.run(20)
    assert (bench.loop.reconciled, len(rows_of(bench))) == (False, before)


def test_a_ledger_that_cannot_be_written_keeps_one_row_and_not_a_pile(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(2)
    write = bench.ledger.write

    def fail(batch: LedgerBatch) -> int:
        raise LedgerError("full")

    bench.ledger.write = fail  # type: ignore[method-assign]
    bench.run(65)
    assert len(bench.loop._bot.journal._pending.samples) == 1
    before = len(rows_of(bench))
    bench.ledger.write = write  # type: ignore[method-assign]
    bench.run(2)
    assert len(rows_of(bench)) == before + 1


def test_the_end_of_a_life_leaves_a_last_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(3)
    bench.stop()
    assert rows_of(bench)[-1].utc_ns == bench.clock.utc_ns() or bench.loop.finished
    bench.ledger.close()
    assert ledger_reader.instruments(bench.ledger.path)["main"].base == SPOT.base


def test_old_rows_are_thinned_to_the_last_one_of_a_coarser_bucket() -> None:
    step_ns = 60 * SECOND_NS
    found = written([BEGIN_NS + at * step_ns for at in range(3 * 1440)])
    now_ns = BEGIN_NS + (3 * 1440 - 1) * step_ns
    fine = [utc_ns for step_s, utc_ns, _ in found if step_s == 10]
    coarse = [utc_ns for step_s, utc_ns, _ in found if step_s == 300]
    assert min(fine) > now_ns - DAY_NS - 600 * SECOND_NS
    assert len(coarse) == len({utc_ns // (300 * SECOND_NS) for utc_ns in coarse})
    assert all(utc_ns % (300 * SECOND_NS) == 240 * SECOND_NS for utc_ns in coarse)


def test_the_series_of_years_is_bounded_and_the_oldest_rows_go() -> None:
    step_ns = 3 * 3600 * SECOND_NS
    found = written([BEGIN_NS + at * step_ns for at in range(3 * 365 * 8)])
    oldest_ns, newest_ns = found[0][1], found[-1][1]
    assert newest_ns - oldest_ns <= 730 * DAY_NS + step_ns
    assert {step_s for step_s, _, _ in found} == {10, 300, 3600}


@settings(max_examples=30)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=400))
def test_the_last_row_and_the_last_of_each_day_stay_whatever_the_gaps(gaps_s: list[int]) -> None:
    times, at_ns = [], BEGIN_NS
    for gap_s in gaps_s:
        at_ns += gap_s * SECOND_NS
        times.append(at_ns)
    kept = {utc_ns: int(net) for _, utc_ns, net in written(times)}
    ends = {utc_ns // DAY_NS: utc_ns for utc_ns in times}
    assert times[-1] in kept
    assert set(ends.values()) <= set(kept)
    assert all(times[number] == utc_ns for utc_ns, number in kept.items())


def test_a_backtest_keeps_no_series() -> None:
    assert not MemoryLedger().keeps_series


def test_a_ledger_of_the_third_format_gets_its_series_and_keeps_its_fills(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.fill(1)
    past.ledger.close()
    with sqlite3.connect(past.path) as connection:
        connection.executescript("DROP TABLE series; DROP TABLE instruments; DROP INDEX fills_time;")
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    ledger = Ledger.open(past.path)
    ledger.use_instrument("main", SPOT)
    assert ledger.write(LedgerBatch(samples=(sample(BEGIN_NS),))) == 0
    assert (len(ledger.fills("main")), len(ledger_reader.series(past.path, *ALL_NS, points=5))) == (1, 1)
    ledger.close()


def test_the_reader_knows_the_steps_that_the_writer_writes() -> None:
    assert tuple(step_s for step_s, _ in series.TIERS) == ledger_reader.STEPS_S
