"""Keeps a sequenced book whole and fresh: when to ask for a snapshot, when to believe it, when to withdraw it.

A stream of deltas that is silent may be a quiet market or a dead subscription. After a while of silence the venue is
asked for the number of its newest update: the same as ours confirms the book; a newer one that the stream does not
deliver soon means that the stream is dead. From then on a snapshot alone is not enough: the stream must speak, or the
number must stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from api.sequenced_book import BookDelta, BookStep, Change, SequencedBook
from core.market.book import OrderBook

_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class UpkeepTiming:
    """Monotonic nanoseconds."""

    settle_ns: int = _S // 4  # after subscribing, for the first delta to come before the snapshot is asked for
    check_after_ns: int = 3 * _S  # of silence
    catch_up_ns: int = 2 * _S  # for the stream to deliver what a check has seen
    first_backoff_ns: int = _S // 5  # between snapshots that do not fit
    max_backoff_ns: int = 10 * _S
    least_gap_ns: int = _S  # between snapshots of a book that breaks again and again
    answer_ns: int = 30 * _S  # a question without an answer is asked again


@dataclass(frozen=True, slots=True)
class BookQuestion:
    """What the venue is asked: the whole book, or only the number of its newest update."""

    number: int
    is_check: bool


class BookUpkeep:
    """The upkeep of one book. `ask` sends a question to the venue, `deliver` takes a picture that is right.

    `on_withdrawn` hears why the last picture is not to be trusted any more; the next one is right again.
    """

    def __init__(
        self,
        depth: int,
        ask: Callable[[BookQuestion], None],
        deliver: Callable[[OrderBook], None],
        on_dead_stream: Callable[[], None],
        on_withdrawn: Callable[[str], None],
        timing: UpkeepTiming | None = None,
    ) -> None:
        self.book = SequencedBook()
        self._depth, self._ask, self._deliver, self._on_dead_stream = depth, ask, deliver, on_dead_stream
        self._on_withdrawn = on_withdrawn
        self._timing = timing or UpkeepTiming()
        self._asked = 0  # questions so far
        self._open_question: BookQuestion | None = None
        self._give_up_ns = 0
        self._snapshot_asked_ns = -self._timing.least_gap_ns
        self._snapshot_due_ns: int | None = None
        self._misfits = 0  # snapshots in a row that were of no use
        self._right_ns = 0  # when the book was last known to be right
        self._check_due_ns = 0
        self._behind: tuple[int, int] | None = None  # number seen by a check, and until when the stream may deliver it
        self._proof_needed = False
        self._is_news = False
        self._is_settling = False  # subscribed, and the stream has not spoken yet

    # What happens

    def connected(self, now_ns: int) -> None:
        """Begin anew: the stream was just subscribed to."""
        self._forget()
        self._misfits = 0
        self._is_settling = True
        self._snapshot_due_ns = now_ns + self._timing.settle_ns

    def disconnected(self) -> None:
        """Withdraw the book until the stream is there again."""
        self._forget()
        self._snapshot_due_ns = None

    def _forget(self) -> None:
        self.book.reset()
        self._open_question = self._behind = None
        self._is_news = self._is_settling = False

    def delta(self, delta: BookDelta, received_ns: int) -> None:
        """Take what the stream says."""
        step = self.book.delta(delta)
        if step is BookStep.APPLIED:
            self._proof_needed = False
            self._is_right(received_ns)
        elif step is BookStep.GAP:
            self._withdraw(received_ns, "a gap in the stream")
        elif self._is_settling:
            self._is_settling = False
            self._snapshot_due_ns = received_ns  # the stream speaks: no need to wait for it any longer

    def overflow(self, now_ns: int) -> None:
        """Withdraw the book: messages were dropped."""
        self.book.reset()
        self._withdraw(now_ns, "messages were dropped")

    def _withdraw(self, now_ns: int, reason: str) -> None:
        self._is_news = False
        self._behind = None
        self._on_withdrawn(reason)
        if self._open_question is None or self._open_question.is_check:
            self._open_question = None
            self._want_snapshot(max(now_ns, self._snapshot_asked_ns + self._timing.least_gap_ns))

    def _want_snapshot(self, now_ns: int) -> None:
        pause_ns = 0
        if self._misfits:
            pause_ns = min(self._timing.first_backoff_ns << min(self._misfits - 1, 20), self._timing.max_backoff_ns)
        self._snapshot_due_ns = now_ns + pause_ns

    def _is_right(self, at_ns: int) -> None:
        self._right_ns = max(self._right_ns, at_ns)
        self._check_due_ns = self._right_ns + self._timing.check_after_ns
        self._is_news = not self._proof_needed
        if self._behind is not None and self.book.sequence >= self._behind[0]:
            self._behind = None

    # Answers

    def snapshot(
        self, question: BookQuestion, sequence: int, levels: Iterable[Change], venue_ns: int, sent_ns: int, now_ns: int
    ) -> None:
        """Take a whole book, which was asked for at `sent_ns`."""
        if not self._answers(question):
            return
        if self.book.snapshot(sequence, levels, venue_ns) is BookStep.GAP:
            self._misfits += 1
            self._want_snapshot(now_ns)
            return
        self._misfits = 0
        self._is_right(sent_ns)

    def check(self, question: BookQuestion, sequence: int, sent_ns: int, now_ns: int) -> None:
        """Take the number of the venue's newest update."""
        if not self._answers(question) or not self.book.is_whole:
            return
        self._check_due_ns = now_ns + self._timing.check_after_ns
        if sequence == self.book.sequence:
            self._proof_needed = False
            self._is_right(sent_ns)
        elif sequence > self.book.sequence and self._behind is None:
            self._behind = (sequence, now_ns + self._timing.catch_up_ns)

    def failed(self, question: BookQuestion, now_ns: int) -> None:
        """Note that a question was not answered."""
        if not self._answers(question):
            return
        if question.is_check:
            self._check_due_ns = now_ns + self._timing.check_after_ns
        else:
            self._misfits += 1
            self._want_snapshot(now_ns)

    def _answers(self, question: BookQuestion) -> bool:
        """Tell whether the question is still open: an answer from before a reconnect is of no use."""
        if question != self._open_question:
            return False
        self._open_question = None
        return True

    # Time

    def step(self, now_ns: int) -> int | None:
        """Ask what is due, deliver what is new; return when to be called next."""
        if self._open_question is not None and now_ns >= self._give_up_ns:
            self.failed(self._open_question, now_ns)
        if self._behind is not None and now_ns >= self._behind[1]:
            self._stream_is_dead(now_ns)
        if self._open_question is None:
            self._ask_if_due(now_ns)
        if self._is_news and self.book.is_whole:
            self._is_news = False
            self._deliver(self.book.picture(self._depth, self._right_ns))
        return min(self._times(), default=None)

    def _ask_if_due(self, now_ns: int) -> None:
        if self._snapshot_due_ns is not None:
            if now_ns >= self._snapshot_due_ns:
                self._snapshot_due_ns = None
                self._put(False, now_ns)
        elif self.book.is_whole and now_ns >= self._check_due_ns:
            self._put(True, now_ns)

    def _put(self, is_check: bool, now_ns: int) -> None:
        self._asked += 1
        self._open_question = BookQuestion(self._asked, is_check)
        self._give_up_ns = now_ns + self._timing.answer_ns
        if not is_check:
            self._snapshot_asked_ns = now_ns
            self._is_settling = False
        self._ask(self._open_question)

    def _stream_is_dead(self, now_ns: int) -> None:
        self.book.reset()
        self._proof_needed = True
        self._withdraw(now_ns, "the stream is silent while the book moves")
        self._on_dead_stream()

    def _times(self) -> Iterable[int]:
        if self._open_question is not None:
            yield self._give_up_ns
        elif self._snapshot_due_ns is not None:
            yield self._snapshot_due_ns
        elif self.book.is_whole:
            yield self._check_due_ns
        if self._behind is not None:
            yield self._behind[1]
