"""Thalex's market data: books, prints, the ticker, and the listing that is read again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from core.market.events import PerpFacts
from tests.thalex_parts import (
    BOOK,
    INSTRUMENTS,
    NAME,
    SILENCE,
    TAPE,
    TICKER,
    Bench,
    FakeThalex,
    Refused,
    bid,
    quoting_bench,
)
from utils.errors import VenueUnreachable

MARKET = "public/subscribe"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with quoting_bench() as opened:
        yield opened


# Market data


def test_books_are_told_newest_only_and_move_on(bench: Bench) -> None:
    for price in (101, 102, 103):
        bench.venue.say_book(bids=((price, 1),), asks=((price, 0), (price + 1, 1)))
    bench.poll()
    (update,) = bench.books
    assert update.book.best_bid_ticks == 103 and update.book.best_ask_ticks == 104


def test_first_message_of_the_tape_is_old_and_not_told(bench: Bench) -> None:
    bench.venue.say(TAPE, [[99, 0.02, "buy", 1795189600.5, NAME, False]])
    bench.venue.say(TAPE, [[101, 0.03, "sell", 1795189678.25, NAME, False]])
    bench.poll()
    (told,) = bench.prints
    assert (told.price_ticks, told.size_lots, told.aggressor.value) == (101, 30, "sell")
    assert told.venue_ns == 1795189678250000000


def test_trades_within_a_book_are_not_told_as_prints(bench: Bench) -> None:
    bench.venue.say_book(bids=((100, 2),), asks=(), trades=[[100, 1, "buy", 1795189678.25, False]])
    bench.poll()
    assert bench.prints == []


def test_book_that_does_not_add_up_is_down_until_it_was_read_anew() -> None:
    bench = Bench().open()
    bench.client.start_market_data()
    bench.poll()
    bench.venue.say_book(total_bid_amount=1, total_ask_amount=1)
    bench.venue.say_book(bids=((99, 1),), asks=(), total_bid_amount=5, total_ask_amount=1)
    bench.poll()
    assert bench.links == ["up", "down"]
    assert bench.venue.params("unsubscribe") == [{"channels": [BOOK]}]
    assert bench.venue.params(MARKET)[-1] == {"channels": [BOOK]}
    bench.venue.say_book(bids=((98, 2),), total_bid_amount=2, total_ask_amount=1)
    bench.poll()
    assert bench.links == ["up", "down", "up"] and bench.books[-1].book.bids == ((98, 2000),)


def test_dropped_market_data_has_the_book_read_anew(bench: Bench) -> None:
    bench.venue.overflow()
    bench.poll()
    assert bench.links == ["down"] and bench.venue.params("unsubscribe") == [{"channels": [BOOK]}]


def test_old_subscription_does_not_speak_for_the_new_one(bench: Bench) -> None:
    bench.venue.answers["unsubscribe"] = SILENCE
    bench.venue.overflow()
    bench.poll()
    bench.venue.say_book(bids=((1, 1),))
    bench.poll()
    assert bench.links == ["down"] and bench.books == []


def test_book_that_is_renewed_over_and_over_is_renewed_ever_more_slowly(bench: Bench) -> None:
    for _ in range(20):
        bench.venue.overflow()
        bench.poll(1)
        bench.venue.say_book()
        bench.poll()
    assert 3 <= len(bench.venue.params("unsubscribe")) <= 6


def test_subscription_that_brings_no_book_is_made_again() -> None:
    bench = Bench().open()
    bench.client.start_market_data()
    due = bench.poll()
    assert due is not None and due <= bench.now + 10**10
    bench.poll(10.1)
    bench.poll()
    assert bench.venue.params("unsubscribe") == [{"channels": [BOOK]}]
    bench.venue.say_book()
    bench.poll()
    assert bench.links == ["up"]


def test_subscription_that_stands_already_is_waited_for_and_then_made_again(bench: Bench) -> None:
    bench.venue.answers[MARKET] = Refused(8)
    bench.venue.overflow()
    bench.poll()
    del bench.venue.answers[MARKET]
    for _ in range(4):
        bench.poll(6)
    bench.venue.say_book()
    bench.poll()
    assert len(bench.venue.params("unsubscribe")) >= 2 and bench.links == ["down", "up"]


@pytest.mark.parametrize(("told", "per_s"), [({"message_rate": 20}, 20), ({"message_rate": 20.5}, 20), ({}, 50)])
def test_pace_is_what_the_venue_grants_this_connection(told: dict[str, Any], per_s: int) -> None:
    bench = Bench(venue=FakeThalex(answers={"private/set_cancel_on_disconnect": told})).open()
    bench.poll(10)
    for step in range(100):
        bench.client.submit([bid(f"mk-{step}-{number}") for number in range(3)])
        bench.poll(0.01)
    assert 0.7 * per_s <= len(bench.venue.params("private/insert")) <= per_s + 1


def test_crossed_book_is_read_anew_after_a_second(bench: Bench) -> None:
    bench.venue.say_book(bids=((105, 1),), asks=())
    due = bench.poll()
    assert due is not None and bench.links == []
    bench.poll(1.1)
    assert bench.links == ["down"]


def test_agreeing_ticker_keeps_a_quiet_book_fresh(bench: Bench) -> None:
    bench.poll(1)
    bench.venue.say(TICKER, {"best_bid_price": 100, "best_bid_amount": 1, "best_ask_price": 102, "best_ask_amount": 1})
    bench.poll()
    (update,) = bench.books
    assert update.book.local_ns == bench.now and update.book.sequence == 2


def test_the_mark_price_of_a_ticker_is_told(bench: Bench) -> None:
    bench.venue.say(TICKER, {"mark_price": 100.75, "index": 100.5})
    bench.poll()
    (facts,) = [item for item in bench.said if isinstance(item, PerpFacts)]
    assert (facts.mark_price, facts.funding_rate, facts.local_ns) == (Decimal("100.75"), None, bench.now)
    assert facts.index_price == Decimal("100.5")


def test_book_is_as_old_as_its_message_however_long_that_has_waited(bench: Bench) -> None:
    received_ns = bench.now
    bench.venue.say_book(bids=((101, 2),), asks=())
    bench.poll(3)
    assert bench.books[-1].book.best_bid_ticks == 101 and bench.books[-1].book.local_ns == received_ns


def test_ticker_that_moves_on_without_the_book_takes_the_link_down(bench: Bench) -> None:
    for price in (100, 110, 111, 112, 113):
        body = {"best_bid_price": price, "best_bid_amount": 1, "best_ask_price": price + 2, "best_ask_amount": 1}
        bench.venue.say(TICKER, body)
        bench.poll(1)
    assert bench.links == ["down"]


# The listing

READ = "public/instrument"
COARSER = {**INSTRUMENTS[0], "tick_size": 5}


def test_listing_that_has_not_changed_is_read_again_now_and_then(bench: Bench) -> None:
    bench.poll(299)
    assert bench.venue.params(READ) == []
    bench.poll(1)
    bench.poll()
    assert bench.venue.params(READ) == [{"instrument_name": NAME}]


@pytest.mark.parametrize("answer", [Refused(5), SILENCE, {"nonsense": 1}, {"type": "option"}])
def test_listing_that_cannot_be_read_changes_nothing(bench: Bench, answer: Any) -> None:
    bench.venue.answers[READ] = answer
    bench.poll(300)
    bench.poll(20)
    assert len(bench.venue.params(READ)) == 1


@pytest.mark.parametrize("listed", [COARSER, {**INSTRUMENTS[0], "volume_tick_size": 0.01}])
def test_increments_that_have_changed_end_the_client(bench: Bench, listed: dict[str, Any]) -> None:
    bench.venue.answers[READ] = listed
    with pytest.raises(VenueUnreachable, match=r"the venue changed BTC-PERPETUAL: (tick|lot) size from"):
        bench.poll(300)
        bench.poll()


def test_listing_is_read_soon_on_a_new_connection(bench: Bench) -> None:
    bench.venue.answers[READ] = COARSER
    bench.poll(10)
    bench.venue.down()
    bench.venue.up()
    with pytest.raises(VenueUnreachable, match="tick size from 1 to 5"):
        for _ in range(3):
            bench.poll()


@pytest.mark.parametrize("code", [13, 14, 15])
def test_listing_is_read_soon_when_an_orders_price_or_size_is_refused(bench: Bench, code: int) -> None:
    bench.venue.answers |= {READ: COARSER, "private/insert": Refused(code)}
    bench.poll(10)
    with pytest.raises(VenueUnreachable, match="tick size from 1 to 5"):
        bench.submit(bid("mk-a-1"))


def test_listing_is_read_soon_when_the_book_is_off_the_tick(bench: Bench) -> None:
    bench.venue.answers[READ] = {**INSTRUMENTS[0], "tick_size": 0.5}
    bench.poll(10)
    bench.venue.say_book(bids=((101.5, 1),), asks=())
    with pytest.raises(VenueUnreachable, match=r"tick size from 1 to 0\.5"):
        for _ in range(3):
            bench.poll()
