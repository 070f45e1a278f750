"""A websocket that stays up: one thread connects, reads, writes and pings it, and makes it anew when it has died.

`start`, `send`, `drain`, `reconnect` and `close` belong to the deciding thread; after every handful of messages the
websocket's thread calls `wake`.

`send` writes at once when the connection is not being read at this moment, else it hands over: a thread that was asked
to write would have to wait until the deciding thread lets go of the interpreter. `_io` makes sure that only one thread
at a time touches a socket and its TLS object.
"""

from __future__ import annotations

import logging
import math
import os
import random
import select
import threading
import time
from collections.abc import Callable, Sequence

from api.proxies import endpoint_of, proxy_for
from api.ws_connection import (
    CLOSE_PROTOCOL_ERROR,
    MAX_UNSENT_BYTES,
    HandshakeFailed,
    WsConnection,
    WsRoute,
    open_connection,
)
from api.ws_frames import ConnectionEnded
from api.ws_queue import WsClosed, WsItem, WsMessage, WsOpened, WsOverflow, WsQueue
from utils.env import Secret
from utils.errors import VenueError, VenueUnreachable

__all__ = ["WsClosed", "WsItem", "WsMessage", "WsOpened", "WsOverflow", "WsTransport"]
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
STABLE_BACKOFFS = 25  # a connection that lived so many first backoffs was a good one: 5 s
GOODBYE_S = 0.5
END_WAIT_S = 2.0
NS = 1_000_000_000
_log = logging.getLogger("makerd.market")


class WsTransport:
    """One websocket; its thread starts with `start`.

    `unseen_s`: a connection is ended when the deciding thread has not drained for so long. Where a venue cancels our
    orders with the connection, a bot that is stuck must not keep it alive.
    """

    def __init__(
        self,
        url: str,
        wake: Callable[[], None],
        *,
        is_market_data: Callable[[str], bool],
        ping_interval_s: float = 5,
        silence_s: float = 15,
        unseen_s: float = math.inf,
        connect_timeout_s: float = 5,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_queue: int = 20_000,
        proxy: Secret | str | None = None,
        headers: Sequence[str] = (),
        now_ns: Callable[[], int] = time.monotonic_ns,
        draw: Callable[[], float] = random.random,
        first_backoff_s: float = 0.2,
        max_backoff_s: float = 30,
        ca_file: str | None = None,
    ) -> None:
        endpoint = endpoint_of(url)
        bounds = (tuple(headers), connect_timeout_s, max_message_bytes)
        self._route = WsRoute(url, endpoint, proxy_for(endpoint, proxy), ca_file, *bounds)
        self._host = endpoint.name
        self._wake = wake
        self._queue = WsQueue(is_market_data, max_queue)
        self._ping_ns, self._silence_ns = int(ping_interval_s * NS), int(silence_s * NS)
        self._unseen_ns, self._seen_ns = unseen_s * NS, now_ns()
        self._now_ns = now_ns
        self._draw = draw
        self._first_backoff_s, self._max_backoff_s = first_backoff_s, max_backoff_s
        self._lock = threading.Lock()  # for the six below; taken before _io where both are
        self._live: int | None = None  # number of the open connection
        self._connection: WsConnection | None = None
        self._outgoing: list[str] = []
        self._outgoing_bytes = 0
        self._wanted_end: str | None = None
        self._bell = -1  # wakes our thread
        self._io = threading.Lock()
        self._is_ending = False
        self._thread: threading.Thread | None = None

    # -- the deciding thread ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect; returns at once."""
        if self._thread is None and not self._is_ending:
            self._seen_ns = self._now_ns()
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._thread = threading.Thread(target=self._run, name="websocket", daemon=True)
            self._thread.start()

    def send(self, text: str) -> None:
        """Hand a message to the thread. Raises VenueUnreachable when not connected: then it was certainly not sent.

        It goes on the connection whose WsOpened was drained last, or not at all.
        """
        with self._lock:
            if self._live is None or self._live != self._queue.seen:
                raise VenueUnreachable(f"not sent to {self._host}: not connected")
            if self._outgoing_bytes > MAX_UNSENT_BYTES:
                raise VenueUnreachable(f"not sent to {self._host}: it has stopped to take what we send")
            if self._write_now(text):
                return
            self._outgoing.append(text)
            self._outgoing_bytes += len(text)
            self._ring()

    def drain(self) -> list[WsItem]:
        """Return and forget what has come, in order."""
        self._seen_ns = self._now_ns()
        return self._queue.drain()

    def reconnect(self, reason: str) -> None:
        """Close the connection that the last drained WsOpened told of, and make a new one."""
        with self._lock:
            if self._live is not None and self._live == self._queue.seen:
                self._wanted_end = reason
                self._ring()

    @property
    def connected(self) -> bool:
        """Tell whether a message can be sent now."""
        with self._lock:
            return self._live is not None and self._live == self._queue.seen

    def close(self) -> None:
        """Say goodbye and end the thread; one that is still connecting ends by itself. Bounded in time."""
        with self._lock:
            self._is_ending = True
            self._ring()
        if self._thread is not None:
            self._thread.join(END_WAIT_S)

    def _write_now(self, text: str) -> bool:
        """Write a message here and now; False when it is not its turn, or the thread has the connection."""
        connection = self._connection
        if connection is None or self._outgoing or not self._io.acquire(blocking=False):
            return False
        try:
            connection.write(text)
            connection.flush()
        except ConnectionEnded:
            pass  # the thread will find out the same; until then the outcome is not known
        finally:
            self._io.release()
        if connection.unsent_bytes:
            self._outgoing_bytes = connection.unsent_bytes
            self._ring()
        return True

    def _ring(self) -> None:
        if self._bell >= 0:
            os.eventfd_write(self._bell, 1)

    # -- the websocket's thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        number = failures = 0
        while not self._is_ending:
            number += 1
            lived_s, silent_s = self._live_once(number)
            failures = 0 if lived_s >= STABLE_BACKOFFS * self._first_backoff_s else failures + 1
            ceiling_s = min(self._max_backoff_s, self._first_backoff_s * 2.0 ** min(failures, 20))
            self._pause(max(self._draw() * ceiling_s, silent_s))
        with self._lock:
            os.close(self._bell)
            self._bell = -1

    def _live_once(self, number: int) -> tuple[float, float]:
        """Connect and serve until the end; return how long it lived, and how long the venue wants us silent."""
        try:
            connection = open_connection(self._route)
        except HandshakeFailed as failure:
            self._tell_end(str(failure.error), failure.error)
            return 0.0, failure.silent_s
        except Exception as failure:  # the thread must live
            _log.exception("websocket_failed", extra={"fields": {"host": self._host}})
            self._tell_end(f"no websocket with {self._host}: {type(failure).__name__}", VenueUnreachable())
            return 0.0, 0.0
        opened_ns = self._now_ns()
        self._serve_until_the_end(connection, number)
        return (self._now_ns() - opened_ns) / NS, 0.0

    def _serve_until_the_end(self, connection: WsConnection, number: int) -> None:
        reason, is_wanted = "closed", True
        try:
            self._tell_opened(WsOpened(number, connection.http_date), connection)
            self._serve(connection)
            wanted = self._wanted_end
            reason = "closed" if wanted is None else wanted
        except ConnectionEnded as end:
            reason, is_wanted = str(end), False
        except Exception as failure:  # the thread must live
            _log.exception("websocket_failed", extra={"fields": {"host": self._host}})
            reason, is_wanted = f"{type(failure).__name__} in the websocket's thread", False
        self._take_back()
        connection.say_goodbye(CLOSE_PROTOCOL_ERROR)
        connection.close()
        self._tell_end(reason, None if is_wanted else VenueUnreachable(f"{self._host}: {reason}"))

    def _serve(self, connection: WsConnection) -> None:
        """Move bytes until somebody wants the end. Raises ConnectionEnded."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        heard_ns = now_ns = self._now_ns()
        ping_ns = now_ns + self._ping_ns
        messages: list[str | bytes] = []
        while self._take_orders(connection):
            with self._io:
                if now_ns >= ping_ns:
                    connection.ping()
                    ping_ns = now_ns + self._ping_ns
                connection.flush()
            due_ns = min(ping_ns, heard_ns + self._silence_ns, self._seen_ns + self._unseen_ns)
            self._wait(poll, connection, due_ns - now_ns)
            try:
                with self._io:
                    has_heard = connection.read(messages)
            finally:
                now_ns = self._now_ns()
                messages = self._hand_over(messages, now_ns)
            heard_ns = now_ns if has_heard else heard_ns
            if now_ns - heard_ns >= self._silence_ns:
                raise ConnectionEnded(f"nothing was heard for {self._silence_ns / NS:g} s")
            if now_ns - self._seen_ns >= self._unseen_ns:
                raise ConnectionEnded(f"nobody here looked at it for {self._unseen_ns / NS:g} s")
        self._take_back()
        self._part(connection)

    def _take_orders(self, connection: WsConnection) -> bool:
        """Take what is to be sent; False when the connection is to end."""
        with self._lock:
            texts, self._outgoing = self._outgoing, []
            for text in texts:
                connection.write(text)
            self._outgoing_bytes = connection.unsent_bytes
            return not self._is_ending and self._wanted_end is None

    def _wait(self, poll: select.poll, connection: WsConnection, for_ns: float) -> None:
        flags = select.POLLIN | (select.POLLOUT if connection.unsent_bytes else 0)
        poll.register(connection.fileno(), flags)
        with self._io:
            has_buffered = connection.has_buffered()
        ready = poll.poll(0 if has_buffered else max(0, for_ns) / 1_000_000)
        if any(descriptor == self._bell for descriptor, _ in ready):
            os.eventfd_read(self._bell)
            self._take_orders(connection)
            with self._io:
                connection.flush()  # before anything is read: what we want to send is in a hurry

    def _hand_over(self, messages: list[str | bytes], now_ns: int) -> list[str | bytes]:
        if messages:
            self._queue.messages(messages, now_ns)
            self._wake()
        return []

    def _part(self, connection: WsConnection) -> None:
        """Send what is left and a close frame, and wait a little for the venue's."""
        connection.say_goodbye()
        deadline_ns = self._now_ns() + int(GOODBYE_S * NS)
        poll = select.poll()
        while (left_ns := deadline_ns - self._now_ns()) > 0:
            connection.flush()
            poll.register(connection.fileno(), select.POLLIN | (select.POLLOUT if connection.unsent_bytes else 0))
            poll.poll(left_ns / 1_000_000)
            try:
                connection.read([])
            except ConnectionEnded:
                return

    def _pause(self, pause_s: float) -> None:
        deadline_ns = self._now_ns() + int(pause_s * NS)
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        while not self._is_ending and (left_ns := deadline_ns - self._now_ns()) > 0:
            if poll.poll(left_ns / 1_000_000):
                os.eventfd_read(self._bell)

    def _tell_opened(self, opened: WsOpened, connection: WsConnection) -> None:
        with self._lock:
            self._live, self._connection, self._wanted_end = opened.number, connection, None
            self._outgoing, self._outgoing_bytes = [], 0
        _log.info("websocket_opened", extra={"fields": {"host": self._host, "number": opened.number}})
        self._queue.link(opened)
        self._wake()

    def _take_back(self) -> None:
        """See that nobody else sends on the connection from now on."""
        with self._lock:
            self._live = self._connection = None

    def _tell_end(self, reason: str, error: VenueError | None) -> None:
        with self._lock:
            self._wanted_end = None
            self._outgoing, self._outgoing_bytes = [], 0
        _log.info("websocket_closed", extra={"fields": {"host": self._host, "reason": reason}})
        self._queue.link(WsClosed(reason, error))
        self._wake()
