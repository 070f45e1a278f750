"""A book is asked for, believed, checked and withdrawn at the right times."""

from __future__ import annotations

from api.book_upkeep import BookQuestion, BookUpkeep, UpkeepTiming
from api.sequenced_book import BookDelta, Change
from core.market.book import OrderBook
from core.market.order import Side

S = 1_000_000_000
START: list[Change] = [(Side.BUY, 99, 5), (Side.SELL, 101, 3)]


class Bench:
    """An upkeep with everything that it says written down; `now` is the time."""

    def __init__(self) -> None:
        self.asked: list[BookQuestion] = []
        self.pictures: list[OrderBook] = []
        self.deaths = 0
        self.now = 100 * S
        self.withdrawn: list[str] = []
        self.upkeep = BookUpkeep(5, self.asked.append, self.pictures.append, self._die, self.withdrawn.append)

    def _die(self) -> None:
        self.deaths += 1

    def step(self, after_s: float = 0) -> int | None:
        self.now += int(after_s * S)
        return self.upkeep.step(self.now)

    def delta(self, first: int, last: int | None = None, after_s: float = 0) -> None:
        self.now += int(after_s * S)
        change = (Side.BUY, 90, first)
        self.upkeep.delta(BookDelta(first, last or first, (change,), 0), self.now)

    def answer(self, sequence: int, after_s: float = 0) -> None:
        sent_ns, self.now = self.now, self.now + int(after_s * S)
        question = self.asked[-1]
        if question.is_check:
            self.upkeep.check(question, sequence, sent_ns, self.now)
        else:
            self.upkeep.snapshot(question, sequence, START, 0, sent_ns, self.now)

    def live(self) -> Bench:
        """Connect, and have a whole book of number 10."""
        self.upkeep.connected(self.now)
        self.step(0.25)
        self.answer(10)
        self.step()
        return self


def test_snapshot_is_asked_for_a_moment_after_subscribing() -> None:
    bench = Bench()
    bench.upkeep.connected(bench.now)
    assert bench.step() == bench.now + S // 4 and not bench.asked
    bench.step(0.25)
    assert [question.is_check for question in bench.asked] == [False]


def test_snapshot_is_asked_for_as_soon_as_the_stream_speaks() -> None:
    bench = Bench()
    bench.upkeep.connected(bench.now)
    bench.delta(11)
    bench.step()
    assert len(bench.asked) == 1


def test_picture_is_as_old_as_the_question_for_it() -> None:
    bench = Bench()
    bench.upkeep.connected(bench.now)
    bench.step(0.25)
    asked_ns = bench.now
    bench.answer(10, after_s=0.5)
    bench.step()
    (picture,) = bench.pictures
    assert (picture.sequence, picture.local_ns) == (10, asked_ns)


def test_many_deltas_are_one_picture_with_the_time_of_the_last() -> None:
    bench = Bench().live()
    for number in range(11, 15):
        bench.delta(number, after_s=0.01)
    bench.step()
    assert [picture.sequence for picture in bench.pictures] == [10, 14]
    assert bench.pictures[-1].local_ns == bench.now


def test_nothing_is_delivered_when_nothing_happened() -> None:
    bench = Bench().live()
    bench.step(1)
    assert len(bench.pictures) == 1


def test_book_that_breaks_again_and_again_is_asked_for_once_a_second() -> None:
    bench = Bench().live()
    for number in range(12, 72, 2):
        bench.delta(number, after_s=0.1)
        bench.step()
        bench.answer(number - 1)
        bench.step()
    assert len(bench.asked) == 4


def test_after_a_gap_nothing_is_delivered_until_a_new_snapshot_fits() -> None:
    bench = Bench().live()
    bench.step(1)
    bench.delta(12)
    assert bench.withdrawn == ["a gap in the stream"]  # at once: the picture that was told is no price any more
    bench.step()
    assert len(bench.pictures) == 1 and not bench.asked[-1].is_check
    bench.delta(13)
    bench.step()
    assert len(bench.asked) == 2
    bench.answer(11)
    bench.step()
    assert bench.pictures[-1].sequence == 13


def test_snapshots_that_are_too_old_are_asked_for_again_ever_more_slowly() -> None:
    bench = Bench().live()
    bench.delta(15, after_s=1)
    bench.step()
    pauses = []
    for _ in range(4):
        bench.answer(11)
        asked, began = len(bench.asked), bench.now
        while len(bench.asked) == asked:
            bench.step(0.01)
        pauses.append(round((bench.now - began) / S, 1))
    assert pauses == [0.2, 0.4, 0.8, 1.6]
    bench.answer(14)
    bench.step()
    assert bench.pictures[-1].sequence == 15


def test_silence_is_checked_and_the_same_number_makes_the_book_fresh() -> None:
    bench = Bench().live()
    assert bench.step(2.9) == bench.now - int(2.9 * S) - S // 4 + int(3.25 * S)
    bench.step(0.1)
    assert bench.asked[-1].is_check
    asked_ns = bench.now
    bench.answer(10, after_s=0.2)
    bench.step()
    assert [picture.local_ns for picture in bench.pictures][1:] == [asked_ns]


def test_older_number_of_a_check_proves_nothing() -> None:
    bench = Bench().live()
    bench.step(3)
    bench.answer(9)
    bench.step(1)
    assert len(bench.pictures) == 1 and bench.deaths == 0


def test_newer_number_that_the_stream_delivers_soon_is_well() -> None:
    bench = Bench().live()
    bench.step(3)
    bench.answer(11)
    bench.delta(11, after_s=1)
    bench.step(2)
    assert bench.deaths == 0 and bench.pictures[-1].sequence == 11


def test_newer_number_that_the_stream_does_not_deliver_is_a_dead_stream() -> None:
    bench = Bench().live()
    bench.step(3)
    bench.answer(12)
    bench.step(1.9)
    assert bench.deaths == 0
    bench.step(0.1)
    assert bench.deaths == 1 and not bench.upkeep.book.is_whole
    assert bench.withdrawn == ["the stream is silent while the book moves"]


def dead(bench: Bench) -> Bench:
    bench.live()
    bench.step(3)
    bench.answer(12)
    bench.step(2)
    bench.upkeep.connected(bench.now)
    bench.step(0.25)
    bench.answer(20)
    bench.step()
    return bench


def test_after_a_dead_stream_a_snapshot_alone_is_not_believed() -> None:
    bench = dead(Bench())
    assert bench.upkeep.book.is_whole and len(bench.pictures) == 1


def test_after_a_dead_stream_its_first_word_is_believed() -> None:
    bench = dead(Bench())
    bench.delta(21)
    bench.step()
    assert bench.pictures[-1].sequence == 21


def test_after_a_dead_stream_a_number_that_stays_is_believed() -> None:
    bench = dead(Bench())
    bench.step(3)
    bench.answer(20)
    bench.step()
    assert bench.pictures[-1].sequence == 20


def test_answer_from_before_a_reconnect_is_ignored() -> None:
    bench = Bench()
    bench.upkeep.connected(bench.now)
    bench.step(0.25)
    old = bench.asked[-1]
    bench.upkeep.disconnected()
    bench.upkeep.connected(bench.now)
    bench.upkeep.snapshot(old, 10, START, 0, bench.now, bench.now)
    assert not bench.upkeep.book.is_whole


def test_disconnected_book_is_neither_asked_for_nor_delivered() -> None:
    bench = Bench().live()
    bench.delta(11)
    bench.upkeep.disconnected()
    assert bench.step(60) is None
    assert len(bench.pictures) == 1 and len(bench.asked) == 1


def test_question_without_an_answer_is_asked_again() -> None:
    bench = Bench()
    bench.upkeep.connected(bench.now)
    bench.step(0.25)
    bench.step(30)
    bench.step(0.2)
    assert len(bench.asked) == 2


def test_failed_snapshot_is_asked_for_again_and_a_failed_check_withdraws_nothing() -> None:
    bench = Bench()
    bench.upkeep.connected(bench.now)
    bench.step(0.25)
    bench.upkeep.failed(bench.asked[-1], bench.now)
    bench.step(0.2)
    bench.answer(10)
    bench.step()
    bench.step(3)
    bench.upkeep.failed(bench.asked[-1], bench.now)
    bench.step()
    assert bench.upkeep.book.is_whole and [question.is_check for question in bench.asked] == [False, False, True]


def test_dropped_messages_withdraw_the_book() -> None:
    bench = Bench().live()
    bench.delta(11, after_s=1)
    bench.upkeep.overflow(bench.now)
    assert bench.withdrawn == ["messages were dropped"]
    bench.step()
    assert len(bench.pictures) == 1 and not bench.asked[-1].is_check


def test_gap_during_a_check_asks_for_a_snapshot_at_once() -> None:
    bench = Bench().live()
    bench.step(3)
    bench.delta(15)
    bench.step()
    assert [question.is_check for question in bench.asked] == [False, True, False]


def test_timing_is_settable() -> None:
    asked: list[BookQuestion] = []
    upkeep = BookUpkeep(1, asked.append, lambda book: None, lambda: None, lambda why: None, UpkeepTiming(settle_ns=0))
    upkeep.connected(5)
    upkeep.step(5)
    assert len(asked) == 1
