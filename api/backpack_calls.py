"""Calls to Backpack and what became of them: answers are read here once, for everybody who asks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.backpack_errors import AUTH, BAD_REQUEST, CLOCK, FUNDS, INVALID, LIMIT, NOT_FOUND, Problem, problem_of
from api.backpack_values import whole
from api.backpack_wire import CLOCK_TARGET
from api.http_call import BuiltRequest, HttpAnswer, HttpCall, Lane
from api.venue_clock import VenueClock
from api.wire_json import loads
from utils.errors import OutcomeUnknown, VenueAuthError, VenueError, VenueRefused, VenueUnreachable

if TYPE_CHECKING:
    from api.http_transport import HttpTransport

_log = logging.getLogger("makerd.orders")
_CLOCK_INTERVAL_NS = 300 * 1_000_000_000
_DEFINITE = frozenset({BAD_REQUEST, INVALID, FUNDS, LIMIT, NOT_FOUND})

Build = Callable[[], BuiltRequest]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was read. Neither problem nor error: the venue said yes, with `payload` (None: no words)."""

    status: int | None
    payload: Any
    problem: Problem | None
    error: VenueError | None
    sent_ns: int
    received_ns: int

    @property
    def trouble(self) -> str:
        """Return why there is no yes, or an empty text."""
        if self.problem is not None:
            return self.problem.text
        return "" if self.error is None else str(self.error)


Done = Callable[[Reply], None]


def reply_of(answer: HttpAnswer) -> Reply:
    """Return an answer as the venue meant it."""
    if answer.error is not None or answer.status is None:
        error = answer.error or OutcomeUnknown("the answer has no status")
        return Reply(None, None, None, error, answer.sent_ns, answer.received_ns)
    said_yes = 200 <= answer.status < 300
    try:
        payload = loads(answer.body) if answer.body.strip() else None
        problem = None if said_yes else problem_of(answer.status, payload)
    except ValueError as exc:
        payload, problem = None, problem_of(answer.status, None)
        if said_yes:
            problem = problem_of(None, {"code": "UNREADABLE", "message": f"the answer is not JSON ({exc})"})
    return Reply(answer.status, payload, problem, None, answer.sent_ns, answer.received_ns)


class Calls:
    """Sends calls and hands each reply to whoever asked; measures the venue's clock."""

    def __init__(
        self, http: HttpTransport, clock: VenueClock, utc_ns: Callable[[], int], now_ns: Callable[[], int]
    ) -> None:
        self._http, self._clock, self._utc_ns, self._now_ns = http, clock, utc_ns, now_ns
        self._measuring = False
        self._measure_due_ns = now_ns() + _CLOCK_INTERVAL_NS
        self._behind_clock: list[Callable[[], None]] = []  # what is repeated once the clock is measured
        self._refusal: VenueAuthError | None = None

    def send(self, lane: Lane, build: Build, done: Done, timeout_s: float | None = None) -> None:
        """Send a call; `done` gets its reply in a later `take`.

        A read or a cancel that was refused for the time in it is repeated once, after the clock was measured: it did
        nothing. A create is not: by then its price is old.
        """

        def first(reply: Reply) -> None:
            if reply.problem is None or reply.problem.kind != CLOCK:
                done(reply)
                return
            self.measure_clock()
            if lane is Lane.CREATE:
                done(reply)
            else:
                self._behind_clock.append(lambda: self._start(lane, build, done, timeout_s))

        self._start(lane, build, first, timeout_s)

    def _start(self, lane: Lane, build: Build, done: Done, timeout_s: float | None) -> None:
        self._http.start(HttpCall(done, lane, build, timeout_s=timeout_s))

    def take(self) -> bool:
        """Hand out the replies that have come; tell whether there were any. Raises VenueAuthError when all are."""
        found = False
        while answers := self._http.take_answers():
            found = True
            for answer in answers:
                self._hand_out(answer)
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal
        return found

    def _hand_out(self, answer: HttpAnswer) -> None:
        reply = reply_of(answer)
        if reply.problem is not None and reply.problem.kind == AUTH:
            self.refuse(reply.problem)
        answer.call.tag(reply)

    def refuse(self, problem: Problem) -> None:
        """Note that the venue refused the key within an answer that was a yes as a whole: `take` raises it."""
        self._refusal = VenueAuthError(problem.text)

    def step(self, now_ns: int) -> int:
        """Send what may go now and measure the clock in an interval; return when to be called next."""
        if now_ns >= self._measure_due_ns:
            self.measure_clock()
        next_ns = self._http.pump(now_ns)
        return self._measure_due_ns if next_ns is None else min(next_ns, self._measure_due_ns)

    # The clock

    def measure_clock(self) -> None:
        """Ask the venue for its time, unless that is under way."""
        self._measure_due_ns = self._now_ns() + _CLOCK_INTERVAL_NS
        if not self._measuring:
            self._measuring = True
            self._start(Lane.READ, lambda: BuiltRequest("GET", CLOCK_TARGET), self._measured, None)

    def _measured(self, reply: Reply) -> None:
        self._measuring = False
        if reply.trouble:
            _log.warning("clock_not_measured", extra={"fields": {"reason": reply.trouble}})
        else:
            self.note_time(reply)
        waiting, self._behind_clock = self._behind_clock, []
        for repeat in waiting:
            repeat()

    def note_time(self, reply: Reply) -> None:
        """Take the venue's time from a reply to the question for it."""
        try:
            venue_ms = whole(reply.payload)
        except ValueError as exc:
            _log.warning("clock_not_measured", extra={"fields": {"reason": str(exc)}})
            return
        ahead_ns = self._utc_ns() - self._now_ns()
        self._clock.note(venue_ms, reply.sent_ns + ahead_ns, reply.received_ns + ahead_ns)

    # Waiting for an answer

    def wait(self, build: Build, lane: Lane = Lane.READ) -> Reply:
        """Make a call and wait for its yes. Raises the VenueError that fits what was said instead."""
        reply = self._waited(build, lane)
        if reply.problem is not None and reply.problem.kind == CLOCK:
            self.note_time(self._waited(lambda: BuiltRequest("GET", CLOCK_TARGET), Lane.READ))
            reply = self._waited(build, lane)
        if reply.problem is not None:
            raise _error_of(reply.problem)
        return reply

    def _waited(self, build: Build, lane: Lane) -> Reply:
        return reply_of(self._http.call(HttpCall(_ignore, lane, build)))


def _ignore(reply: Reply) -> None:
    """Take a reply that somebody waits for elsewhere."""


def _error_of(problem: Problem) -> VenueError:
    if problem.kind == AUTH:
        return VenueAuthError(problem.text)
    is_definite = problem.kind in _DEFINITE and problem.is_spoken
    return VenueRefused(problem.text) if is_definite else VenueUnreachable(problem.text)
