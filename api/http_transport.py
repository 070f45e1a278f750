"""Requests to a venue that never hold up the deciding thread, nor a cancel behind a read.

`start`, `pump`, `take_answers`, `call` and `close` belong to the deciding thread. It writes requests itself, on
connections that are idle; threads only connect and wait for answers (`http_connection.py`), and then call `wake`.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from api.base_client import RateScope
from api.connection_pool import ConnectionPool
from api.http_call import BuiltRequest, HttpAnswer, HttpCall, Waiting
from api.http_connection import ConnectionState, Done, HttpConnection, Route
from api.http_retry import TOO_MANY, after_limit_ns, again_ns, limit_s
from api.http_wire import RawAnswer, request_bytes, request_head
from api.proxies import endpoint_of, proxy_for
from api.rate_budget import Lane, RateBudget
from utils.env import Secret
from utils.errors import OutcomeUnknown, VenueError, VenueUnreachable

__all__ = ["BuiltRequest", "HttpAnswer", "HttpCall", "HttpTransport", "Lane"]
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_WAITING = 1000  # of each lane; more than that is not worth waiting for
MAX_CONNECTS = 4  # for one call: a venue that closes each at once is not stormed
CANCEL_PATIENCE_S = 30.0  # how long a cancel is worth sending
NS = 1_000_000_000
_log = logging.getLogger("makerd.orders")


class HttpTransport:
    """Keep-alive connections to one host (at least three), each with a thread that starts at the first use."""

    def __init__(
        self,
        base_url: str,
        wake: Callable[[], None],
        budgets: Sequence[RateBudget] = (),
        *,
        connections: int = 3,
        connect_timeout_s: float = 5,
        read_timeout_s: float = 10,
        proxy: Secret | str | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
        max_body_bytes: int = MAX_BODY_BYTES,
        ca_file: str | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        endpoint = endpoint_of(base_url)
        route = Route(endpoint, proxy_for(endpoint, proxy), ca_file, connect_timeout_s, max_body_bytes, now_ns)
        self._host = endpoint.name
        self._head_parts = request_head(endpoint, route.proxy)
        self._wake = wake
        self._budgets = tuple(budgets) or (RateBudget(RateScope("unlimited", 1e9, 1e9), now_ns()),)
        self._read_timeout_s = read_timeout_s
        self._now_ns = now_ns
        self._draw = draw
        self._waiting: dict[Lane, deque[Waiting]] = {lane: deque() for lane in Lane}
        self._done: deque[Done] = deque()  # filled by the threads
        self._answers: list[HttpAnswer] = []
        self._bell = threading.Event()
        self._limits_in_a_row = 0
        self._is_closed = False
        self._pool = ConnectionPool(route, self._report, connections)

    def start(self, call: HttpCall) -> None:
        """Queue a call, and send it at once when budget and a connection allow."""
        now_ns = self._now_ns()
        patience_s = CANCEL_PATIENCE_S if call.lane is Lane.CANCEL else self._timeout_s(call)
        waiting = Waiting(call, now_ns + int(patience_s * NS))
        if self._is_closed or len(self._waiting[call.lane]) >= MAX_WAITING:
            why = "the connection was closed" if self._is_closed else f"{MAX_WAITING} others wait"
            self._fail(waiting, VenueUnreachable(f"not sent to {self._host}: {why}"), now_ns)
            return
        self._waiting[call.lane].append(waiting)
        self.pump(now_ns)

    def pump(self, now_ns: int) -> int | None:
        """Send what may go now; return the time at which to be called next, None when no call waits."""
        self._collect()
        if not any(self._waiting.values()):  # nearly always, and then on the way from a book to an order
            return None
        next_ns = self._send_what_may_go(now_ns)
        for waiting in self._expired(now_ns):
            self._fail(waiting, VenueUnreachable(f"not sent to {self._host}: {waiting.trouble}"), now_ns)
        times = [max(each.not_before_ns, now_ns) for each in self._all_waiting() if each.not_before_ns > now_ns]
        times += [each.give_up_ns for each in self._all_waiting()]
        return min([*times, *([next_ns] if next_ns else [])], default=None)

    def take_answers(self) -> list[HttpAnswer]:
        """Return and forget the answers that have come; a connection that became free takes the next call."""
        if self._done:
            self.pump(self._now_ns())
        answers, self._answers = self._answers, []
        return answers

    def call(self, call: HttpCall) -> HttpAnswer:
        """Make a call and wait for its answer, whatever its status. Raises VenueUnreachable, OutcomeUnknown."""
        self.start(call)
        while True:
            self._bell.clear()
            now_ns = self._now_ns()
            next_ns = self.pump(now_ns)
            for answer in self._answers:
                if answer.call is call:
                    self._answers.remove(answer)
                    if answer.error:
                        raise answer.error
                    return answer
            self._bell.wait(None if next_ns is None else max(0.0, (next_ns - now_ns) / NS))

    def close(self) -> None:
        """Close every connection; what waits is not sent. Bounded in time."""
        if self._is_closed:
            return
        self._is_closed = True
        self._pool.close()
        now_ns = self._now_ns()
        for waiting in list(self._all_waiting()):
            self._fail(waiting, VenueUnreachable(f"not sent to {self._host}: the connection was closed"), now_ns)
        self._waiting = {lane: deque() for lane in Lane}
        self._collect()

    # -- sending ---------------------------------------------------------------------------------------------------

    def _send_what_may_go(self, now_ns: int) -> int | None:
        """Send in the order of the lanes; return when the budget lets the next one go."""
        for lane, queue in self._waiting.items():
            for waiting in list(queue):
                if waiting.not_before_ns > now_ns or waiting.give_up_ns <= now_ns:
                    continue
                wait_ns = max(budget.wait_ns(waiting.call.cost, lane, now_ns) for budget in self._budgets)
                if wait_ns:
                    return now_ns + wait_ns  # a lower lane must not take what this one waits for
                if not self._send_by_any(waiting, now_ns):
                    break
        return None

    def _send_by_any(self, waiting: Waiting, now_ns: int) -> bool:
        """Send a call on a connection that takes it; False when there is none yet: one that comes will wake us."""
        while (connection := self._connection_for(waiting)) is not None:
            if self._send(waiting, connection, now_ns):
                return True
        return False

    def _connection_for(self, waiting: Waiting) -> HttpConnection | None:
        lane = waiting.call.lane
        ready = self._pool.ready_for(lane)
        if ready is None and not _is_being_made(waiting.connection):
            if waiting.connects >= MAX_CONNECTS:
                waiting.give_up_ns, waiting.trouble = 0, f"{MAX_CONNECTS} connections were closed at once"
                return None
            waiting.connection = self._pool.begin_for(lane)
            waiting.connects += waiting.connection is not None
        return ready

    def _send(self, waiting: Waiting, connection: HttpConnection, now_ns: int) -> bool:
        """Write a request; False when nothing of it left, because the connection was closed meanwhile."""
        self._waiting[waiting.call.lane].remove(waiting)
        call = waiting.call
        built = call.build()
        request = request_bytes(self._head_parts, built.method, built.target, built.headers, built.body or b"")
        sent_ns = self._now_ns()
        deadline_ns = sent_ns + int(self._timeout_s(call) * NS)
        if call.lane is Lane.READ:
            deadline_ns = waiting.give_up_ns
        if not connection.send(waiting, built.method, request, deadline_ns):
            self._waiting[call.lane].appendleft(waiting)
            return False
        waiting.sent_ns, waiting.connection = sent_ns, None
        waiting.tries += 1
        for budget in self._budgets:
            budget.take(call.cost, call.lane, now_ns)
        if call.lane is Lane.CREATE:
            self._pool.keep_a_way_for_cancels()
        return True

    # -- what the threads report -----------------------------------------------------------------------------------

    def _report(self, done: Done) -> None:
        self._done.append(done)
        self._bell.set()
        self._wake()

    def _collect(self) -> None:
        while self._done:
            done = self._done.popleft()
            done.connection.settled(done)
            if done.note is None:
                self._take_connection(done)
            elif done.answer is not None:
                self._take_answer(done.note, done.answer, done.done_ns)
            else:
                self._take_failure(done.note, done.trouble, done.done_ns)

    def _take_connection(self, done: Done) -> None:
        if done.error is None:
            return
        for waiting in [each for each in self._all_waiting() if each.connection is done.connection]:
            self._waiting[waiting.call.lane].remove(waiting)
            waiting.connection = None
            waiting.tries += 1
            if not self._retry(waiting, again_ns(waiting, done.done_ns, self._draw)):
                self._fail(waiting, done.error, done.done_ns)

    def _take_failure(self, waiting: Waiting, trouble: str, now_ns: int) -> None:
        if self._retry(waiting, again_ns(waiting, now_ns, self._draw)):
            return
        kind = VenueUnreachable if waiting.call.lane is Lane.READ else OutcomeUnknown
        self._fail(waiting, kind(f"{self._host} {trouble}"), now_ns)

    def _take_answer(self, waiting: Waiting, answer: RawAnswer, now_ns: int) -> None:
        again: int | None = None
        if answer.status == TOO_MANY:
            again = after_limit_ns(waiting, self._obey_limit(answer.headers, now_ns))
        else:
            self._limits_in_a_row = 0
            if answer.status >= 500:
                again = again_ns(waiting, now_ns, self._draw)
        if not self._retry(waiting, again):
            said = (answer.status, answer.headers, answer.body, None)
            self._answers.append(HttpAnswer(waiting.call, *said, waiting.sent_ns, now_ns))

    def _obey_limit(self, headers: Mapping[str, str], now_ns: int) -> int:
        """Be silent as long as a 429 says; return until when."""
        silent_s = limit_s(headers, self._limits_in_a_row)
        self._limits_in_a_row += 1
        _log.warning("rate_limited", extra={"fields": {"host": self._host, "silent_s": silent_s}})
        for budget in self._budgets:
            budget.block(now_ns + int(silent_s * NS))
        return now_ns + int(silent_s * NS)

    def _retry(self, waiting: Waiting, at_ns: int | None) -> bool:
        if at_ns is None or self._is_closed:
            return False
        waiting.not_before_ns = at_ns
        self._waiting[waiting.call.lane].appendleft(waiting)
        return True

    def _fail(self, waiting: Waiting, error: VenueError, now_ns: int) -> None:
        self._answers.append(HttpAnswer(waiting.call, None, {}, b"", error, waiting.sent_ns or now_ns, now_ns))

    # -- small things ----------------------------------------------------------------------------------------------

    def _timeout_s(self, call: HttpCall) -> float:
        return self._read_timeout_s if call.timeout_s is None else call.timeout_s

    def _all_waiting(self) -> Iterator[Waiting]:
        return chain.from_iterable(self._waiting.values())

    def _expired(self, now_ns: int) -> list[Waiting]:
        expired = [each for each in self._all_waiting() if each.give_up_ns <= now_ns]
        for waiting in expired:
            self._waiting[waiting.call.lane].remove(waiting)
        return expired


def _is_being_made(connection: object | None) -> bool:
    return isinstance(connection, HttpConnection) and connection.state is ConnectionState.CONNECTING
