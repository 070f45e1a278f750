"""The order book in ticks and lots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.book import Level, LocalBook, OrderBook
from core.market.order import Side
from tests.market_parts import book, sides

GOLDEN = Path(__file__).parents[1] / "golden" / "quant" / "book_prices.json"
BOOKS = json.loads(GOLDEN.read_text())["books"]
TICKS_PER_UNIT = 100

changes = st.lists(st.tuples(sides, st.integers(1, 40), st.integers(0, 5)), max_size=60)
level_lists = st.lists(st.tuples(st.integers(1, 100), st.integers(0, 50)), min_size=1, max_size=6)


def golden_book(rows: dict[str, Any]) -> OrderBook:
    def levels(side: str) -> tuple[Level, ...]:
        return tuple(Level(round(price * TICKS_PER_UNIT), int(size)) for price, size in rows[side])

    return OrderBook(levels("bids"), levels("asks"))


@pytest.mark.parametrize("rows", BOOKS)
def test_golden_book_prices_are_met(rows: dict[str, Any]) -> None:
    picture, expected = golden_book(rows), rows["expected"]
    assert picture.mid_ticks() / TICKS_PER_UNIT == pytest.approx(expected["mid"], rel=1e-12)
    assert picture.microprice_ticks() / TICKS_PER_UNIT == pytest.approx(expected["micro"], rel=1e-12)
    assert picture.imbalance() == pytest.approx(expected["imbalance"], rel=1e-12)
    assert picture.imbalance(rows["depth"]) == pytest.approx(expected["depth_imbalance"], rel=1e-12)
    assert picture.depth_mid_ticks(rows["depth"]) / TICKS_PER_UNIT == pytest.approx(expected["vamp_mid"], rel=1e-12)


@given(st.integers(1, 10**9), st.integers(1, 1000), st.integers(0, 10**9), st.integers(0, 10**9))
def test_microprice_is_between_bid_and_ask_and_follows_the_imbalance(bid: int, gap: int, here: int, there: int) -> None:
    picture = book(bid, bid + gap, here, there)
    micro = picture.microprice_ticks()
    assert bid - 1e-6 <= micro <= bid + gap + 1e-6
    assert micro - picture.mid_ticks() == pytest.approx(picture.imbalance() * gap / 2, abs=1e-5)


def test_sizes_of_zero_give_the_mid_and_no_imbalance() -> None:
    picture = book(100, 102, 0, 0)
    assert picture.microprice_ticks() == picture.depth_mid_ticks(3) == 101
    assert picture.imbalance() == 0


@pytest.mark.parametrize(
    ("picture", "quotable"),
    [
        (book(100, 101), True),
        (book(101, 101), False),
        (book(102, 101), False),
        (OrderBook((), (Level(101, 1),)), False),
        (OrderBook((Level(100, 1),), ()), False),
        (OrderBook((), ()), False),
    ],
)
def test_only_a_two_sided_uncrossed_book_is_quotable(picture: OrderBook, quotable: bool) -> None:
    assert picture.is_quotable is quotable


@given(changes)
def test_local_book_equals_a_plain_dictionary_after_any_changes(moves: list[tuple[Side, int, int]]) -> None:
    local, plain = LocalBook(), {Side.BUY: {}, Side.SELL: {}}
    for side, price, size in moves:
        local.set_level(side, price, size)
        plain[side][price] = size
    for side in Side:
        expected = sorted((row for row in plain[side].items() if row[1]), reverse=side is Side.BUY)
        assert list(local.top(side, 100)) == expected
        assert local.best(side) == (expected[0] if expected else None)
        assert all(local.size_at(side, price) == size for price, size in plain[side].items())


@given(changes, st.integers(1, 5))
def test_picture_is_the_best_levels_first(moves: list[tuple[Side, int, int]], depth: int) -> None:
    local = LocalBook()
    for side, price, size in moves:
        local.set_level(side, price, size)
    picture = local.picture(depth, sequence=7, venue_ns=8, local_ns=9)
    assert (picture.sequence, picture.venue_ns, picture.local_ns) == (7, 8, 9)
    assert picture.bids == local.top(Side.BUY, 100)[:depth]
    assert picture.asks == local.top(Side.SELL, 100)[:depth]


def test_picture_does_not_change_with_the_book_it_was_taken_of() -> None:
    local = LocalBook()
    local.set_level(Side.BUY, 100, 5)
    picture = local.picture(10)
    local.set_level(Side.BUY, 100, 6)
    assert picture.bids == (Level(100, 5),)


def test_cleared_book_is_empty_and_takes_levels_again() -> None:
    local = LocalBook()
    local.set_level(Side.SELL, 100, 5)
    local.clear()
    assert local.best(Side.SELL) is None
    local.set_level(Side.SELL, 101, 1)
    assert local.best(Side.SELL) == Level(101, 1)


def test_depth_of_zero_shows_nothing() -> None:
    local = LocalBook()
    local.set_level(Side.BUY, 100, 5)
    local.set_level(Side.SELL, 101, 5)
    assert local.picture(0) == OrderBook((), ())
