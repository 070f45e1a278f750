"""The checks themselves: true books pass, and each kind of wrong is named. What finds nothing must be able to."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.market.instrument import Instrument
from core.market.order import Fill, Side
from core.market.position import Position
from core.trading.ledger import Ledger
from tests.chaos import checks
from tests.chaos.books import (
    FillFact,
    LedgerBook,
    OpenOrder,
    RunFacts,
    VenueBook,
    incarnation_of,
    read_ledger,
    read_runs,
)
from tests.chaos.kinds import KINDS
from tests.chaos.plan import MOST_AT_ONCE, make_plan
from tests.chaos.processes import Found
from tests.chaos.report import Outcome, report
from tests.chaos.roster import roster
from tests.chaos.watch import Tally

BOTS = roster(2, 1, 1)
BOT = replace(BOTS[1], max_position=Decimal("1.2"))  # a perpetual
BUY = FillFact("buy", Decimal("150"), Decimal("0.5"), Decimal("0.01"))
SELL = FillFact("sell", Decimal("151"), Decimal("0.2"), Decimal("0.01"))
ASK = OpenOrder("7", "sell", Decimal("152"), Decimal("0.1"))
VENUE = VenueBook((ASK,), {"t1": BUY, "t2": SELL}, Decimal("0.3"))
LEDGER = LedgerBook({"t1": BUY, "t2": SELL}, 2, Decimal("0.30"), frozenset({"7"}))


def everything(venue: VenueBook, ledger: LedgerBook) -> list[str]:
    return [
        *checks.fills_differ(BOT, venue, ledger),
        *checks.positions_differ(BOT, venue, ledger),
        *checks.strange_orders(BOT, venue, ledger),
        *checks.limit_passed(BOT, venue),
    ]


def test_true_books_pass() -> None:
    assert everything(VENUE, LEDGER) == []


@pytest.mark.parametrize(
    ("ledger", "word"),
    [
        (LedgerBook({"t1": BUY}, 1, Decimal("0.3"), LEDGER.open_ids), "t2 of the venue is not in the ledger"),
        (LedgerBook({**LEDGER.fills, "t3": BUY}, 3, Decimal("0.3"), LEDGER.open_ids), "does not know: t3"),
        (
            LedgerBook({**LEDGER.fills, "adjustment-1": BUY}, 3, Decimal("0.3"), LEDGER.open_ids),
            "balanced its position",
        ),
        (LedgerBook({"t1": BUY, "t2": BUY}, 2, Decimal("0.3"), LEDGER.open_ids), "fill t2 is"),
        (LedgerBook(LEDGER.fills, 3, Decimal("0.3"), LEDGER.open_ids), "3 rows for 2 fills"),
        (LedgerBook(LEDGER.fills, 2, Decimal("0.31"), LEDGER.open_ids), "position 0.31 in the ledger"),
        (LedgerBook(LEDGER.fills, 2, Decimal("0.3"), frozenset()), "no ledger calls it open"),
    ],
)
def test_a_wrong_ledger_is_named(ledger: LedgerBook, word: str) -> None:
    found = everything(VENUE, ledger)
    assert any(word in line for line in found), found


def test_a_venue_whose_position_is_not_its_fills_is_named() -> None:
    venue = VenueBook((), VENUE.fills, Decimal("0.2"))
    assert any("add up to 0.3" in line for line in checks.positions_differ(BOT, venue, LEDGER))


@pytest.mark.parametrize(("side", "remaining", "passed"), [("buy", "0.9", False), ("buy", "0.91", True)])
def test_a_limit_counts_what_rests_on_the_same_side(side: str, remaining: str, passed: bool) -> None:
    order = OpenOrder("8", side, Decimal(1), Decimal(remaining))
    assert bool(checks.limit_passed(BOT, VenueBook((order, ASK), VENUE.fills, Decimal("0.3")))) is passed


def test_a_position_alone_can_pass_the_limit() -> None:
    assert checks.limit_passed(BOT, VenueBook((), {}, Decimal("-1.21")))


def test_an_order_that_outlived_its_worker_is_named() -> None:
    assert checks.survivors(BOT, VENUE, {"7", "6"}) == [f"{BOT.name}: order 7 outlived its worker"]


@pytest.mark.parametrize(("worker", "incarnation", "wrong"), [(9, 4, 1), (9, 5, 0), (8, 4, 0), (None, 4, 0)])
def test_an_order_of_a_dead_worker_that_rests_when_its_successor_lives_is_named(
    worker: int | None, incarnation: int, wrong: int
) -> None:
    book = VenueBook((OpenOrder("7", "buy", Decimal(1), Decimal("0.1"), incarnation),))
    assert len(checks.born_before_swept(BOT, book, checks.Dead(8, 4), worker)) == wrong


@pytest.mark.parametrize(
    ("client_order_id", "incarnation"),
    [("mkq9e3o735000010000009", 1), ("mkq9e3o73500010000000a", 32), (str(871 << 22 | 8200), 2), ("x", 0), ("", 0)],
)
def test_the_worker_that_sent_an_order_is_read_off_its_id(client_order_id: str, incarnation: int) -> None:
    assert incarnation_of(client_order_id) == incarnation


def test_two_processes_with_one_ledger_are_named() -> None:
    first, second = (Found(pid, f"makerd: {BOT.name}", frozenset({BOT.name})) for pid in (1, 2))
    assert checks.owners_doubled([first]) == []
    assert len(checks.owners_doubled([first, second])) == 1


@pytest.mark.parametrize(
    ("pid", "run", "pids"),
    [
        (5, RunFacts(False, frozenset({5})), (5, 6)),
        (5, RunFacts(False, frozenset({4, 5})), (5,)),
        (5, RunFacts(True, frozenset({5})), (5,)),
        (None, RunFacts(False, frozenset({5})), (5,)),
    ],
)
def test_an_owner_that_is_not_the_only_one_is_named(pid: int | None, run: RunFacts, pids: tuple[int, ...]) -> None:
    workers = [Found(one, f"makerd: {BOT.name}") for one in pids]
    assert checks.runs_wrong(BOT, 5, RunFacts(False, frozenset({5})), [Found(5, f"makerd: {BOT.name}")]) == []
    assert checks.runs_wrong(BOT, pid, run, workers)


def test_what_a_stop_left_is_named() -> None:
    clean = {bot.name: RunFacts(True, frozenset()) for bot in BOTS}
    none = {bot.name: VenueBook() for bot in BOTS}
    assert checks.left_behind(BOTS, none, clean, []) == []
    dirty = {**clean, BOT.name: RunFacts(False, frozenset())}
    assert len(checks.left_behind(BOTS, {**none, BOT.name: VENUE}, dirty, [Found(1, "makerd: zygote")])) == 3


def test_a_ledger_is_read_as_it_is_on_disk(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / BOT.name / "ledger.db")
    instrument = Instrument("X-Y", "X_Y", "perp", "X", "Y", Decimal("0.01"), Decimal("0.1"))
    ledger.use_instrument("main", instrument)
    fill = Fill("t1", "c1", "main", Side.SELL, 15_000, 5, "maker", Decimal("0.01"), "Y", 1, "7")
    ledger.record_fill(fill, Position("main").after_fill(fill, instrument))
    found = read_ledger(tmp_path, BOT)
    ledger.close()
    assert found.fills == {"t1": FillFact("sell", Decimal("150"), Decimal("0.5"), Decimal("0.01"))}
    assert (found.rows, found.position) == (1, Decimal("-0.5"))


def test_claims_and_run_records_are_read_as_they_are_on_disk(tmp_path: Path) -> None:
    claims, record = tmp_path / "claims", tmp_path / "var" / "state" / BOT.name / "run.json"
    claims.mkdir()
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"clean": False}))
    (claims / "a.lock").write_text(json.dumps({"bot": BOT.name, "identity": {"pid": 7}}))
    (claims / "b.lock").write_text("half")
    assert read_runs(tmp_path, claims, [BOT]) == {BOT.name: RunFacts(False, frozenset({7}))}


def test_a_tally_of_the_newest_fills_is_the_position_of_all(tmp_path: Path) -> None:
    tally = Tally()
    tally.add(VenueBook((), {"t1": BUY}))
    assert tally.add(VenueBook((), {"t1": BUY, "t2": SELL})).position == Decimal("0.3")


def test_a_seed_makes_the_same_plan_again_with_every_kind_in_it() -> None:
    bots = roster(8, 6, 6)
    plan = make_plan(3, 100, bots)
    assert plan == make_plan(3, 100, bots) != make_plan(4, 100, bots)
    strikes = [strike for strikes in plan for strike in strikes]
    assert len(strikes) == 100
    assert {strike.kind.name for strike in strikes} == {kind.name for kind in KINDS}
    assert max(len(strikes) for strikes in plan) <= MOST_AT_ONCE
    assert all(strike.kind.hits_all or strike.bot.venue in strike.kind.venues for strike in strikes)


def test_the_report_has_a_row_for_each_kind_with_its_worst_recovery() -> None:
    outcome = Outcome(7, 60.0, {"paper": 2}, {"worker_kill": [1.0, 3.0, None]}, 2, 10, 30, 40, 0, True)
    (row,) = [line for line in report(outcome).splitlines() if line.startswith("| worker_kill")]
    assert row.endswith("| 3 | 2.0 | 3.0 |")


def test_sqlite_files_can_be_read_while_their_owner_has_them(tmp_path: Path) -> None:
    from tests.chaos.books import paper_file, read_paper

    bot = BOTS[-1]
    path = paper_file(tmp_path, bot)
    path.parent.mkdir()
    owner = sqlite3.connect(path, isolation_level=None)
    owner.execute("PRAGMA locking_mode=EXCLUSIVE")
    owner.execute("PRAGMA journal_mode=WAL")
    owner.execute("CREATE TABLE meta (key, value)")
    owner.execute("CREATE TABLE orders (venue_order_id, client_order_id, side, price, size, filled)")
    owner.execute("CREATE TABLE fills (trade_id, side, price, size, fee)")
    owner.execute("INSERT INTO orders VALUES ('o1', 'mkq9e3o73500003000000a', 'buy', '150', '0.3', '0.1')")
    found = read_paper(tmp_path, bot)
    owner.close()
    assert found.orders == (OpenOrder("o1", "buy", Decimal("150"), Decimal("0.2"), 3),)
