"""Many quiet channels on one descriptor: nothing is lost, the first word is heard at once, the others together."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator

import pytest

from core.process.quiet_lines import PAUSE_NS, QuietLines


class Office:
    """Quiet lines in a selector, and what came over them; time is a number."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.lines = QuietLines(self.selector)
        self.now_ns = 0
        self.wakes = 0
        self.heard: list[bytes] = []
        self.ends: list[socket.socket] = []

    def open(self) -> socket.socket:
        """Add a line; return the end that speaks."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.ends += [ours, theirs]
        self.lines.add(ours.fileno(), lambda: self.read(ours))
        return theirs

    def read(self, end: socket.socket) -> None:
        try:
            while word := end.recv(100):
                self.heard.append(word)
            self.lines.drop(end.fileno())
            end.close()
        except BlockingIOError:
            pass

    def turn(self, after_ns: int = 0) -> None:
        """Do what one turn of the supervisor's loop does."""
        self.now_ns += after_ns
        for key, mask in self.selector.select(0):
            self.wakes += 1
            key.data(mask)
        self.lines.tend(self.now_ns)


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    yield made
    for end in made.ends:
        end.close()
    made.selector.close()


def test_the_first_word_after_a_silence_is_heard_at_once(office: Office) -> None:
    office.open().send(b"1")
    office.turn()
    assert office.heard == [b"1"]


def test_what_is_said_within_the_pause_is_heard_together_and_wakes_nobody(office: Office) -> None:
    speakers = [office.open() for _ in range(20)]
    speakers[0].send(b"first")
    office.turn()
    for speaker in speakers:
        speaker.send(b"x")
        office.turn(1000)
    assert (office.heard, office.wakes) == ([b"first"], 1)
    office.turn(PAUSE_NS)
    assert (len(office.heard), office.wakes) == (21, 1)


def test_after_a_pause_without_a_word_the_next_one_is_heard_at_once_again(office: Office) -> None:
    speaker = office.open()
    for number in (b"1", b"2"):
        speaker.send(number)
        office.turn()
        assert office.lines.due_ns == office.now_ns + PAUSE_NS
        office.turn(PAUSE_NS)
        assert office.lines.due_ns is None
    assert office.heard == [b"1", b"2"]


def test_a_line_that_closes_is_dropped_and_the_others_go_on(office: Office) -> None:
    gone, stays = office.open(), office.open()
    gone.send(b"last")
    gone.close()
    stays.send(b"on")
    office.turn()
    office.turn(PAUSE_NS)
    stays.send(b"and on")
    office.turn(PAUSE_NS)
    office.turn(PAUSE_NS)
    assert sorted(office.heard) == [b"and on", b"last", b"on"]


def test_hearing_one_line_may_drop_another(office: Office) -> None:
    first, second = office.open(), office.open()
    ours = office.ends[2]
    office.lines.drop(office.ends[0].fileno())
    office.lines.add(office.ends[0].fileno(), lambda: office.lines.drop(ours.fileno()) if not office.heard else None)
    first.send(b"1")
    second.send(b"2")
    office.turn()
    assert office.heard in ([], [b"2"])
