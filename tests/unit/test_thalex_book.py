"""The book rule of Thalex, and what guards a book without sequence numbers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.thalex_book import ThalexBook
from api.thalex_messages import BookChange, Row, Ticker, read_book
from api.wire_json import loads_exact
from core.market.instrument import Instrument

SECOND = 10**9
MESSAGES = Path(__file__).resolve().parents[1] / "golden/thalex/messages.json"
SCENARIOS: list[dict[str, Any]] = [
    sample for sample in loads_exact(MESSAGES.read_text())["samples"] if sample["transport"] == "scenario"
]


def instrument(tick: str = "1", lot: str = "0.001") -> Instrument:
    return Instrument("BTC-PERP", "BTC-PERPETUAL", "perp", "BTC", "USD", Decimal(tick), Decimal(lot))


def rows(*pairs: tuple[int | str, int | str]) -> tuple[Row, ...]:
    return tuple((Decimal(price), Decimal(amount)) for price, amount in pairs)


def change(
    bids: tuple[Row, ...] = (), asks: tuple[Row, ...] = (), total_bid: str | None = None, total_ask: str | None = None
) -> BookChange:
    totals = [None if total is None else Decimal(total) for total in (total_bid, total_ask)]
    return BookChange(bids, asks, totals[0], totals[1], 5)


@pytest.fixture
def book() -> ThalexBook:
    """A book of two bids and one ask whose totals agree."""
    fresh = ThalexBook(instrument())
    assert fresh.apply(change(rows((100, 1), (99, 2)), rows((102, 1)), "3", "1"), 0) == ""
    return fresh


def ticker(bid: int | None, ask: int | None) -> Ticker:
    def side(price: int | None) -> Row | None:
        return None if price is None else (Decimal(price), Decimal(1))

    return Ticker(side(bid), side(ask), None, None, None, None, None)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["id"])
def test_book_scenario_ends_in_the_expected_book(scenario: dict[str, Any]) -> None:
    found, restarted = ThalexBook(instrument()), None
    for index, step in enumerate(scenario["payload"]["steps"]):
        if step.get("reconnect"):
            found.start_over()
            restarted = index
        else:
            assert found.apply(read_book(step["notification"]), 0) == ""
    expected = scenario["normalised"]
    assert restarted == expected["resync_at_step"]
    picture = found.picture(10, 0)
    for side, levels in (("bids", picture.bids), ("asks", picture.asks)):
        told = [[str(level.price_ticks), str(level.size_lots // 1000)] for level in levels]
        assert told == expected["book"][side]


def test_change_sets_and_removes_absolute_sizes(book: ThalexBook) -> None:
    assert book.apply(change(rows((100, 0), (101, "0.5")), (), "2.5", "1"), 1) == ""
    picture = book.picture(10, 7)
    assert picture.bids == ((101, 500), (99, 2000)) and picture.asks == ((102, 1000),)
    assert (picture.sequence, picture.venue_ns, picture.local_ns) == (2, 5, 7)


def test_first_notification_after_a_new_subscription_replaces_the_book(book: ThalexBook) -> None:
    book.start_over()
    assert not book.ready
    assert book.apply(change(rows((50, 1)), rows((60, 1)), "1", "1"), 1) == ""
    assert book.picture(10, 0).bids == ((50, 1000),) and book.ready


def test_missed_change_shows_in_the_totals(book: ThalexBook) -> None:
    assert "total" in book.apply(change(rows((98, 1)), (), "5", "1"), 1)


def test_sizes_that_add_up_again_are_no_fault(book: ThalexBook) -> None:
    for lots in range(1, 50):
        assert book.apply(change(rows((99, lots)), (), str(1 + lots), "1"), lots) == ""


def test_totals_that_never_fit_are_not_believed_for_ever() -> None:
    book = ThalexBook(instrument())
    whole = change(rows((100, 1)), rows((102, 1)), "77", "1")
    for _ in range(2):
        assert "whole book" in book.apply(whole, 0)
        book.start_over()
    assert book.apply(whole, 1) == ""
    assert book.apply(change(rows((99, 1)), (), "99", "1"), 2) == ""


def test_totals_that_are_off_between_whole_books_are_not_believed_for_ever() -> None:
    book = ThalexBook(instrument())
    found = []
    for _ in range(5):
        assert book.apply(change(rows((100, 1)), rows((102, 1)), "1", "1"), 0) == ""
        found.append(bool(book.apply(change(rows((99, 1)), (), "1", "1"), 1)))
        book.start_over()
    assert found == [True, True, False, False, False]


def test_guard_that_was_right_for_a_while_is_believed_every_time() -> None:
    book = ThalexBook(instrument())
    for _ in range(5):
        assert book.apply(change(rows((100, 1)), rows((102, 1)), "1", "1"), 0) == ""
        for lots in range(1, 12):
            assert book.apply(change(rows((100, lots)), (), str(lots), "1"), lots) == ""
        assert book.apply(change(rows((99, 1)), (), "1", "1"), 1)
        book.start_over()


def test_ticker_that_never_agrees_with_a_quiet_book_is_not_believed_for_ever() -> None:
    book, found = ThalexBook(instrument()), []
    for _ in range(5):
        book.apply(change(rows((100, 1)), rows((102, 1))), 0)
        book.compare(ticker(90, 92), 0)
        found.append(bool(book.overdue(3 * SECOND)))
        book.start_over()
    assert found == [True, True, False, False, False]


def test_implied_odd_sizes_are_levels_and_end_the_use_of_totals() -> None:
    book = ThalexBook(instrument())
    assert book.apply(change(rows((100, "0.0005")), rows((102, "0.0015")), "9", "9"), 0) == ""
    assert book.picture(5, 0).bids == ((100, 1),) and book.picture(5, 0).asks == ((102, 2),)


def test_price_off_the_tick_is_a_fault(book: ThalexBook) -> None:
    assert "tick" in book.apply(change(rows(("100.5", 1))), 1)


def test_book_may_be_crossed_for_a_moment(book: ThalexBook) -> None:
    assert book.apply(change(rows((102, 1))), 0) == ""
    assert book.overdue(SECOND) == ""
    assert book.apply(change((), rows((102, 0), (103, 1))), SECOND) == ""
    assert book.overdue(10 * SECOND) == "" and book.due_ns() is None


def test_book_that_stays_crossed_is_a_fault(book: ThalexBook) -> None:
    book.apply(change(rows((102, 1))), 0)
    due_ns = book.due_ns()
    assert due_ns is not None and "crossed" in book.overdue(due_ns)
    book.start_over()
    assert book.overdue(due_ns) == ""


def test_ticker_that_agrees_says_that_a_silent_book_is_fresh(book: ThalexBook) -> None:
    assert book.compare(ticker(100, 102), 0)
    assert book.due_ns() is None


def test_ticker_that_moves_away_from_a_silent_book_is_a_fault(book: ThalexBook) -> None:
    assert not book.compare(ticker(110, 112), 0)
    assert not book.compare(ticker(111, 113), SECOND)
    due_ns = book.due_ns()
    assert due_ns is not None and 2 * SECOND < due_ns < 3 * SECOND and "ticker" in book.overdue(due_ns)


@pytest.mark.parametrize("word", ["change", "agreeing ticker"])
def test_sign_of_life_of_the_book_forgets_the_difference(book: ThalexBook, word: str) -> None:
    book.compare(ticker(110, 112), 0)
    if word == "change":
        book.apply(change(rows((98, 1)), (), "4", "1"), SECOND)
    else:
        book.compare(ticker(100, 102), SECOND)
    assert book.overdue(10 * SECOND) == ""


def test_empty_sides_are_compared_too() -> None:
    book = ThalexBook(instrument())
    book.apply(change(rows((100, 1))), 0)
    assert book.compare(ticker(100, None), 0) and not book.compare(ticker(100, 101), 0)


@pytest.mark.parametrize(
    ("tick", "lot", "price", "amount"), [("0.1", "0.001", "0.3", "0.003"), ("5", "0.1", "15", "0.3")]
)
def test_prices_and_sizes_are_counted_exactly(tick: str, lot: str, price: str, amount: str) -> None:
    book = ThalexBook(instrument(tick, lot))
    assert book.apply(change(rows((price, amount)), (), amount, "0"), 0) == ""
    assert book.picture(1, 0).bids == ((3, 3),)
