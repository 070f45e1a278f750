"""A market that is only read: it opens beside the caller, never raises, and is tried again for as long as it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.base_client import Inbox
from api.market_reader import FIRST_PAUSE_NS, LONGEST_PAUSE_NS, MarketReader
from core.market.events import BookUpdate
from tests.market_parts import book
from tests.trading.scripted_venue import ScriptedVenue
from utils.errors import NotListed, VenueAuthError, VenueUnreachable

SECOND = 1_000_000_000
PATIENCE_S = 30.0


class Market(ScriptedVenue):
    """A venue whose opening can wait, and fail."""

    def __init__(self, *problems: BaseException) -> None:
        super().__init__()
        self.problems = list(problems)
        self.opens = self.closes = self.polls = 0
        self.may_open = threading.Event()
        self.may_open.set()
        self.poll_error: Exception | None = None
        self.start_error: Exception | None = None
        self.opened_in = ""

    def open(self, inbox: Inbox, leg: str) -> None:
        self.opens += 1
        self.opened_in = threading.current_thread().name
        assert self.may_open.wait(PATIENCE_S)
        if self.problems:
            raise self.problems.pop(0)
        super().open(inbox, leg)

    def start_market_data(self) -> None:
        if self.start_error is not None:
            raise self.start_error
        super().start_market_data()

    def poll(self, now_ns: int) -> int | None:
        self.polls += 1
        if self.poll_error is not None:
            raise self.poll_error
        return now_ns + 7

    def close(self) -> None:
        self.closes += 1
        super().close()


@pytest.fixture
def readers() -> Iterator[list[MarketReader]]:
    made: list[MarketReader] = []
    yield made
    for reader in made:
        reader.close()


def reader_of(market: Market, readers: list[MarketReader], waits: bool) -> MarketReader:
    readers.append(MarketReader(lambda: market, "reference", waits))
    return readers[-1]


def until(what: Callable[[], Any]) -> None:
    """Wait until something is so; fails the test when it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def books(reader: MarketReader) -> list[BookUpdate]:
    return [item for item in reader.heard() if isinstance(item, BookUpdate)]


def test_an_embedded_market_is_open_after_the_first_poll(readers: list[MarketReader]) -> None:
    market = Market()
    reader = reader_of(market, readers, waits=False)
    assert reader.instrument is None
    assert reader.poll(0) == 7
    assert reader.instrument is market.instrument
    market.inbox.put(BookUpdate("reference", book(1, 3)))
    assert [update.book for update in books(reader)] == [book(1, 3)]


def test_a_market_of_the_network_is_opened_by_a_thread_and_nobody_waits(readers: list[MarketReader]) -> None:
    market = Market()
    market.may_open.clear()
    reader = reader_of(market, readers, waits=True)
    assert reader.poll(0) == SECOND
    until(lambda: market.opens)
    assert (reader.poll(1), reader.instrument) == (SECOND + 1, None)
    market.may_open.set()
    until(lambda: reader.poll(2) == 9)
    assert reader.instrument is market.instrument
    assert market.opened_in == "reference-open"
    assert market.opens == 1


def after_a_failure(reader: MarketReader, now_ns: int, said: list[str]) -> int:
    """Wait until an attempt has failed in a way that was not heard yet; return when the next one is due."""
    until(lambda: (reader.poll(now_ns), reader.problem)[1] not in ("", *said))
    said.append(reader.problem)
    due_ns = reader.poll(now_ns)
    assert due_ns is not None
    return due_ns


@pytest.mark.parametrize("waits", [False, True])
def test_what_does_not_open_is_tried_again_with_growing_pauses(readers: list[MarketReader], waits: bool) -> None:
    market = Market(NotListed("no SOL"), VenueUnreachable("down"), ValueError("odd"))
    reader = reader_of(market, readers, waits)
    now_ns, pauses, said = 0, list[int](), list[str]()
    for _ in range(3):
        due_ns = after_a_failure(reader, now_ns, said)
        assert reader.poll(due_ns - 1) == due_ns  # not before
        pauses.append(due_ns - now_ns)
        now_ns = due_ns
    until(lambda: reader.poll(now_ns) == now_ns + 7)
    assert said == ["NotListed: no SOL", "VenueUnreachable: down", "ValueError: odd"]
    assert pauses == [FIRST_PAUSE_NS, 2 * FIRST_PAUSE_NS, 4 * FIRST_PAUSE_NS]
    assert (reader.problem, market.opens) == ("", 4)


def test_a_thread_that_is_ended_from_within_is_an_attempt_that_failed(readers: list[MarketReader]) -> None:
    market = Market(SystemExit(3))
    reader = reader_of(market, readers, waits=True)
    until(lambda: (reader.poll(SECOND), reader.problem)[1])
    assert (reader.problem, reader.instrument) == ("SystemExit: 3", None)
    until(lambda: reader.poll(2 * SECOND) is not None and reader.instrument)
    assert (market.opens, reader.problem) == (2, "")


def test_who_asks_to_leave_while_an_embedded_market_opens_leaves(readers: list[MarketReader]) -> None:
    with pytest.raises(SystemExit):
        reader_of(Market(SystemExit(3)), readers, waits=False).poll(SECOND)


def test_where_no_thread_can_be_had_it_is_tried_again(
    readers: list[MarketReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    market = Market()
    reader = reader_of(market, readers, waits=True)
    until(lambda: reader.poll(SECOND) is not None and reader.instrument)
    market.poll_error = VenueUnreachable("the line is down")
    assert reader.poll(SECOND) == 2 * SECOND
    market.poll_error = None
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert reader.poll(2 * SECOND) == 4 * SECOND
    assert ("new thread" in reader.problem, market.closes) == (True, 0)
    until(lambda: reader.poll(4 * SECOND) is not None and reader.instrument)
    assert (market.opens, market.closes) == (2, 1)  # the one that failed was disconnected, by a thread


def test_pauses_end_growing(readers: list[MarketReader]) -> None:
    reader = reader_of(Market(*[VenueUnreachable("down")] * 20), readers, waits=False)
    now_ns = 0
    for _ in range(20):
        due_ns = reader.poll(now_ns)
        assert due_ns is not None
        pause_ns, now_ns = due_ns - now_ns, due_ns
    assert pause_ns == LONGEST_PAUSE_NS


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("where", ["poll_error", "start_error"])
def test_a_client_that_raises_is_left_and_another_one_made(
    readers: list[MarketReader], where: str, waits: bool
) -> None:
    first, second = Market(), Market()
    setattr(first, where, VenueAuthError("no"))
    left = [first, second]
    reader = MarketReader(lambda: left.pop(0), "reference", waits)
    readers.append(reader)
    until(lambda: (reader.poll(0), reader.problem)[1])
    assert (reader.problem, reader.instrument) == ("VenueAuthError: no", None)
    until(lambda: reader.poll(FIRST_PAUSE_NS) == FIRST_PAUSE_NS + 7)
    assert (first.closes, second.closes, reader.instrument is second.instrument) == (1, 0, True)


def test_a_close_while_it_opens_waits_for_nobody_and_leaves_nothing_open(readers: list[MarketReader]) -> None:
    market = Market()
    market.may_open.clear()
    reader = reader_of(market, readers, waits=True)
    reader.poll(0)
    until(lambda: market.opens)
    reader.close()
    assert market.closes == 0
    market.may_open.set()
    until(lambda: market.closes == 1)
    until(lambda: not market.is_open)
    assert reader.poll(SECOND) is None
    assert market.polls == 0


def test_it_is_closed_once(readers: list[MarketReader]) -> None:
    market = Market()
    reader = reader_of(market, readers, waits=False)
    reader.poll(0)
    reader.close()
    reader.close()
    assert market.closes == 1
