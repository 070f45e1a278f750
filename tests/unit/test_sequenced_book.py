"""A book from a snapshot and numbered deltas: whole, or not there."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.sequenced_book import BookDelta, BookStep, Change, SequencedBook
from core.market.book import LocalBook
from core.market.order import Side

BID, ASK = Side.BUY, Side.SELL
START: list[Change] = [(BID, 99, 5), (BID, 98, 7), (ASK, 101, 3), (ASK, 102, 4)]


def delta(first: int, last: int, *changes: Change, previous: int | None = None) -> BookDelta:
    return BookDelta(first, last, changes, last * 1000, previous)


def whole_book(sequence: int = 10) -> SequencedBook:
    book = SequencedBook()
    assert book.snapshot(sequence, START, 1) is BookStep.APPLIED
    return book


def bids(book: SequencedBook) -> list[tuple[int, int]]:
    return [tuple(level) for level in book.picture(10, 0).bids]  # type: ignore[misc]


def test_there_is_no_book_before_a_snapshot() -> None:
    book = SequencedBook()
    assert book.delta(delta(1, 1, (BID, 1, 1))) is BookStep.KEPT
    assert not book.is_whole and book.picture(5, 0).bids == ()


def test_snapshot_may_come_in_any_order() -> None:
    book = SequencedBook()
    book.snapshot(1, reversed(START), 7)
    picture = book.picture(10, 42)
    assert [level.price_ticks for level in picture.bids] == [99, 98]
    assert [level.price_ticks for level in picture.asks] == [101, 102]
    assert (picture.sequence, picture.venue_ns, picture.local_ns) == (1, 7, 42)


def test_deltas_replace_sizes_and_zero_removes() -> None:
    book = whole_book()
    assert book.delta(delta(11, 12, (BID, 99, 0), (BID, 97, 2))) is BookStep.APPLIED
    assert bids(book) == [(98, 7), (97, 2)]
    assert book.sequence == 12


def test_deltas_from_before_the_snapshot_are_dropped_and_later_ones_applied() -> None:
    book = SequencedBook()
    for each in (delta(9, 10, (BID, 99, 1)), delta(11, 11, (BID, 99, 2))):
        book.delta(each)
    assert book.snapshot(10, START, 1) is BookStep.APPLIED
    assert bids(book)[0] == (99, 2)


def test_first_delta_may_begin_before_the_end_of_the_snapshot() -> None:
    book = whole_book()
    assert book.delta(delta(8, 9, (BID, 99, 1))) is BookStep.KEPT
    assert book.delta(delta(9, 12, (BID, 99, 2))) is BookStep.APPLIED
    assert bids(book)[0] == (99, 2)


@pytest.mark.parametrize("wrong", [(12, 12), (13, 20)])
def test_gap_behind_the_snapshot_throws_the_book_away(wrong: tuple[int, int]) -> None:
    book = whole_book()
    assert book.delta(delta(*wrong)) is BookStep.GAP
    assert not book.is_whole and book.picture(5, 0).bids == ()


@pytest.mark.parametrize("wrong", [(13, 13), (11, 11), (11, 12), (10, 14)])
def test_each_delta_must_follow_on_the_one_before(wrong: tuple[int, int]) -> None:
    book = whole_book()
    book.delta(delta(11, 11))
    assert book.delta(delta(*wrong)) is BookStep.GAP


def test_what_came_behind_the_gap_completes_the_next_snapshot() -> None:
    book = whole_book()
    assert book.delta(delta(12, 12, (BID, 99, 8))) is BookStep.GAP
    assert book.delta(delta(13, 13, (BID, 98, 9))) is BookStep.KEPT
    assert book.snapshot(11, START, 2) is BookStep.APPLIED
    assert (bids(book), book.sequence) == ([(99, 8), (98, 9)], 13)


def test_snapshot_that_is_too_old_for_the_kept_deltas_is_refused_and_a_newer_one_taken() -> None:
    book = SequencedBook()
    book.delta(delta(15, 15, (BID, 99, 8)))
    assert book.snapshot(12, START, 1) is BookStep.GAP
    assert not book.is_whole
    assert book.snapshot(14, START, 1) is BookStep.APPLIED
    assert bids(book)[0] == (99, 8)


def test_snapshot_never_takes_the_book_back_in_time() -> None:
    book = whole_book(20)
    book.delta(delta(21, 25))
    assert book.snapshot(23, START, 1) is BookStep.GAP
    assert book.snapshot(25, START, 1) is BookStep.APPLIED


def test_new_connection_may_count_anew() -> None:
    book = whole_book(1000)
    book.reset()
    assert book.snapshot(3, START, 1) is BookStep.APPLIED


def test_gap_among_the_kept_deltas_is_found() -> None:
    book = SequencedBook()
    for each in (delta(11, 11), delta(13, 13), delta(14, 14)):
        book.delta(each)
    assert book.snapshot(10, START, 1) is BookStep.GAP
    assert book.snapshot(12, START, 1) is BookStep.APPLIED
    assert book.sequence == 14


def test_crossed_book_is_thrown_away() -> None:
    book = whole_book()
    assert book.delta(delta(11, 11, (BID, 101, 1))) is BookStep.GAP
    assert not book.is_whole


def test_kept_deltas_are_bounded_and_the_oldest_go_first() -> None:
    book = SequencedBook(max_kept=3)
    for number in range(11, 21):
        book.delta(delta(number, number))
    assert book.snapshot(10, START, 1) is BookStep.GAP
    assert book.snapshot(17, START, 1) is BookStep.APPLIED


def test_levels_are_bounded() -> None:
    book = SequencedBook(max_levels=5)
    book.snapshot(10, START, 1)
    assert book.delta(delta(11, 11, (BID, 1, 1))) is BookStep.APPLIED
    assert book.delta(delta(12, 12, (BID, 2, 1))) is BookStep.GAP


def test_venue_that_names_the_delta_before_may_leave_numbers_out() -> None:
    book = whole_book()
    assert book.delta(delta(14, 16, previous=10)) is BookStep.APPLIED
    assert book.delta(delta(19, 22, previous=16)) is BookStep.APPLIED
    assert book.delta(delta(25, 26, previous=24)) is BookStep.GAP


@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(1, 5))
def test_book_equals_a_plain_one_wherever_the_snapshot_is_taken(seed: int, taken: int, at_once: int) -> None:
    draw = random.Random(seed)
    sides = {BID: range(50, 100), ASK: range(101, 150)}
    stream = [(side := draw.choice([BID, ASK]), draw.choice(sides[side]), draw.randrange(4)) for _ in range(60)]
    plain, levels = LocalBook(), dict[tuple[Side, int], int]()
    for number, change in enumerate(stream):
        if number < taken:
            levels[change[:2]] = change[2]
        plain.set_level(*change)
    book, snapshot = SequencedBook(), [(*key, lots) for key, lots in levels.items()]
    told_at = draw.randrange(taken, 61)
    for first in range(0, 60, at_once):
        if first >= told_at and not book.is_whole:
            assert book.snapshot(taken - 1, snapshot, 0) is BookStep.APPLIED
        part = stream[first : first + at_once]
        assert book.delta(delta(first, first + len(part) - 1, *part)) is not BookStep.GAP
    if not book.is_whole:
        assert book.snapshot(taken - 1, snapshot, 0) is BookStep.APPLIED
    assert book.picture(200, 0).bids == plain.top(BID, 200) and book.picture(200, 0).asks == plain.top(ASK, 200)
