"""The calls under way on one Thalex socket: what waits for its turn, what waits for its answer.

Three lanes in front of the venue's request budget: cancels first, then new orders, then reads. Every call is answered
exactly once to the one who asked, in the end by "lost"; an order's answer may still come after that, late.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api.rate_budget import Lane, RateBudget
from api.thalex_wire import Answer, Refusal, Request
from utils.errors import VenueUnreachable

SECOND = 1_000_000_000
ANSWER_NS = 10 * SECOND
_LATE_NS = 60 * SECOND  # how long an answer that came too late still counts
_MAX_WAITING = 2_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a call: a result, a code with the venue's words, or nothing."""

    result: Any = None
    code: int | None = None
    message: str = ""
    lost: str = ""  # why there is no answer
    sent: bool = True  # of a lost call: whether it may have arrived


Done = Callable[[Reply], None]


@dataclass(slots=True)
class Call:
    """One request and who wants its answer."""

    number: int
    request: Request
    lane: Lane
    done: Done
    queue_until_ns: int  # not sent later than this
    answer_ns: int = ANSWER_NS
    takes_late_answers: bool = False
    sent_ns: int = -1


class Calls:
    """All calls of one client. `send` hands a text to the socket, it raises VenueUnreachable when there is none."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._queues: dict[Lane, deque[Call]] = {lane: deque() for lane in Lane}
        self._pending: dict[int, Call] = {}
        self._late: dict[int, Call] = {}
        self._expiry_ns: int | None = None  # nothing is overdue before
        self.budget: RateBudget | None = None  # none: as fast as asked

    def next_number(self) -> int:
        """Return a number that no call of this client has had."""
        return next(self._numbers)

    def ask(
        self,
        request: Request,
        lane: Lane,
        done: Done,
        now_ns: int,
        *,
        number: int | None = None,
        queue_ns: int = ANSWER_NS,
        answer_ns: int = ANSWER_NS,
        takes_late_answers: bool = False,
    ) -> int:
        """Queue a call; `pump` sends it. Returns its number."""
        chosen = self.next_number() if number is None else number
        call = Call(chosen, request, lane, done, now_ns + queue_ns, answer_ns, takes_late_answers)
        if sum(map(len, self._queues.values())) >= _MAX_WAITING:
            done(Reply(lost="too many requests wait for their turn", sent=False))
        else:
            self._queues[lane].append(call)
        return chosen

    def ask_now(self, request: Request, done: Done, now_ns: int, answer_ns: int = ANSWER_NS) -> None:
        """Send a call of the handshake: a handful in the life of a connection, they do not wait for the budget."""
        self._write(Call(self.next_number(), request, Lane.READ, done, now_ns, answer_ns), now_ns)

    def withdraw(self, number: int) -> bool:
        """Take back a call that was not sent; False when it was, or is unknown."""
        for queue in self._queues.values():
            for call in queue:
                if call.number == number:
                    queue.remove(call)
                    return True
        return False

    def pump(self, now_ns: int) -> int | None:
        """Send what may go now and give up on what waited too long; return when to be called next."""
        due_ns = self._expire(now_ns)
        for lane in Lane:
            queue = self._queues[lane]
            while queue:
                call = queue[0]
                if now_ns > call.queue_until_ns:
                    queue.popleft()
                    call.done(Reply(lost="waited too long for its turn", sent=False))
                    continue
                wait_ns = self.budget.wait_ns(1, lane, now_ns) if self.budget is not None else 0
                if wait_ns > 0:
                    due_ns = _earlier(due_ns, now_ns + wait_ns)
                    break
                queue.popleft()
                if self.budget is not None:
                    self.budget.take(1, lane, now_ns)
                self._write(call, now_ns)
        return due_ns

    def _write(self, call: Call, now_ns: int) -> None:
        call.sent_ns = now_ns
        try:
            self._send(call.request.text(call.number))
        except VenueUnreachable as exc:
            call.done(Reply(lost=str(exc), sent=False))
        else:
            self._pending[call.number] = call
            self._expiry_ns = _earlier(self._expiry_ns, now_ns + call.answer_ns)

    def _expire(self, now_ns: int) -> int | None:
        """Answer "lost" where the venue was silent for too long; return when the next one is due."""
        if not self._pending:
            self._expiry_ns = None
        if self._expiry_ns is None or now_ns < self._expiry_ns:
            return self._expiry_ns
        overdue = [call for call in self._pending.values() if now_ns >= call.sent_ns + call.answer_ns]
        for call in overdue:
            if self._pending.pop(call.number, None) is None:
                continue  # the one before had the connection closed, and with it this one was lost
            if call.takes_late_answers:
                self._late[call.number] = call
            call.done(Reply(lost=f"no answer to {call.request.method} in time"))
        for call in list(self._late.values()):
            if now_ns >= call.sent_ns + _LATE_NS:
                del self._late[call.number]
        ends = (call.sent_ns + call.answer_ns for call in self._pending.values())
        self._expiry_ns = min(ends, default=None)
        return self._expiry_ns

    def take(self, frame: Answer | Refusal) -> None:
        """Pass an answer on to the one who asked; one that nobody waits for is left alone."""
        if frame.number is None:
            return
        call = self._pending.pop(frame.number, None) or self._late.pop(frame.number, None)
        if call is None:
            return
        if isinstance(frame, Answer):
            call.done(Reply(result=frame.result))
        else:
            call.done(Reply(code=frame.code, message=frame.message))

    def lose_queued(self, reason: str) -> None:
        """Give up on what was not sent."""
        waiting = [call for queue in self._queues.values() for call in queue]
        for queue in self._queues.values():
            queue.clear()
        for call in waiting:
            call.done(Reply(lost=reason, sent=False))

    def lose_all(self, reason: str) -> None:
        """Give up on everything: the connection is gone."""
        asked = list(self._pending.values())
        self._pending.clear()
        self._late.clear()
        self.lose_queued(reason)
        for call in asked:
            call.done(Reply(lost=reason))

    @property
    def waiting(self) -> int:
        """Return how many calls have no answer yet."""
        return len(self._pending) + sum(map(len, self._queues.values()))


def _earlier(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)
