"""One keep-alive connection to a venue. It has one owner at a time, so no socket or TLS object is ever shared:

    CLOSED      the deciding thread; `connect` gives it away
    CONNECTING  the connection's own thread
    IDLE        the deciding thread; `send` writes the request at once, then gives it away
    BUSY        the connection's own thread, which reads the answer

The deciding thread writes itself because that saves the hand-over: a request is on the wire before another thread
could have woken up. The socket's buffer is empty then, so writing does not wait.
"""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from api.dialing import dial
from api.http_wire import RawAnswer, TooBig, read_answer
from api.proxies import Endpoint, Proxy
from utils.errors import VenueError, VenueUnreachable

FIRST_PIECE_BYTES = 16_000


class ConnectionState(Enum):
    """Who owns the connection, see above."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    IDLE = "idle"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Route:
    """How connections of one transport are made, and what bounds them."""

    endpoint: Endpoint
    proxy: Proxy | None
    ca_file: str | None
    connect_timeout_s: float
    max_body_bytes: int
    now_ns: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Done:
    """What a connection's thread has done: a connection (`note` is None) or an exchange.

    `trouble` says in words why there is no answer, `error` why there is no connection.
    """

    connection: HttpConnection
    note: Any
    answer: RawAnswer | None
    trouble: str
    error: VenueError | None
    done_ns: int


@dataclass(frozen=True, slots=True)
class _Exchange:
    note: Any
    method: str
    unsent: bytes
    deadline_ns: int


class HttpConnection:
    """A socket and the thread that waits for it; the thread starts at the first use."""

    def __init__(self, route: Route, report: Callable[[Done], None], name: str) -> None:
        self.state = ConnectionState.CLOSED
        self._route = route
        self._report = report
        self._name = name
        self._socket: socket.socket | None = None
        self._jobs: queue.SimpleQueue[_Exchange | str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_ending = False

    # -- the deciding thread ---------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Begin to connect."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self.state = ConnectionState.CONNECTING
        self._jobs.put("connect")

    def is_fresh(self) -> bool:
        """Tell whether an idle connection can take a request; one that the venue closed is closed here too."""
        if self._socket is not None and _is_quiet(self._socket):
            return True
        self._drop()
        return False

    def send(self, note: Any, method: str, request: bytes, deadline_ns: int) -> bool:
        """Write a request; its answer is reported with `note`. False: not a byte went, and the connection is closed."""
        assert self._socket is not None
        try:
            # One TLS record at most: when this raises, nothing was taken.
            written = self._socket.send(request[:FIRST_PIECE_BYTES])
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            written = 0
        except OSError:
            self._drop()
            return False
        self.state = ConnectionState.BUSY
        self._jobs.put(_Exchange(note, method, request[written:], deadline_ns))
        return True

    def settled(self, done: Done) -> None:
        """Take the connection back after its thread has reported."""
        usable = self._socket is not None and (done.answer is None or done.answer.keep_alive)
        if usable and not done.trouble and done.error is None:
            self.state = ConnectionState.IDLE
        else:
            self._drop()

    def end(self) -> None:
        """Ask the thread to end, and interrupt what it waits for."""
        self._is_ending = True
        self._jobs.put("end")
        opened = self._socket
        if opened is not None:
            try:
                socket.socket.shutdown(opened, socket.SHUT_RDWR)  # the plain one: it leaves the TLS object alone
            except OSError:
                pass

    def join(self, timeout_s: float) -> None:
        """Wait for the thread; one that is still connecting ends by itself later."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._thread is None or not self._thread.is_alive():
            self._drop()

    def _drop(self) -> None:
        opened, self._socket = self._socket, None
        self.state = ConnectionState.CLOSED
        if opened is not None:
            opened.close()

    # -- the connection's own thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._jobs.get()) != "end":
            if isinstance(job, _Exchange):
                self._exchange(job)
            else:
                self._connect()

    def _connect(self) -> None:
        route, error, opened = self._route, None, None
        try:
            opened = dial(route.endpoint, route.proxy, route.ca_file, route.connect_timeout_s, tunnel=False)
            opened.settimeout(0)
        except VenueError as failure:
            error = failure
        except Exception as failure:  # the thread must live, and the caller must hear of it
            error = VenueUnreachable(f"no connection to {route.endpoint.name}: {type(failure).__name__}")
        if self._is_ending and opened is not None:
            opened.close()
            opened = None
        self._socket = opened
        self._report(Done(self, None, None, "", error, route.now_ns()))

    def _exchange(self, job: _Exchange) -> None:
        answer, trouble = None, ""
        try:
            answer = self._answer(job)
        except TimeoutError:
            trouble = "did not answer in time"
        except TooBig:
            trouble = f"answered with more than {self._route.max_body_bytes} bytes"
        except (ConnectionError, http.client.IncompleteRead):
            trouble = "cut the connection before its answer was whole"
        except http.client.HTTPException as failure:
            trouble = f"answered something that is not HTTP ({type(failure).__name__})"
        except Exception as failure:  # whatever it was: the thread must live, and the caller must hear of it
            trouble = f"could not be read ({type(failure).__name__})"
        self._report(Done(self, job.note, answer, trouble, None, self._route.now_ns()))

    def _answer(self, job: _Exchange) -> RawAnswer:
        opened, route = self._socket, self._route
        assert opened is not None
        if job.unsent:
            opened.settimeout(max(0.001, (job.deadline_ns - route.now_ns()) / 1e9))
            opened.sendall(job.unsent)
        answer = read_answer(opened, job.method, job.deadline_ns, route.max_body_bytes, route.now_ns)
        opened.settimeout(0)
        return answer


def _is_quiet(opened: socket.socket) -> bool:
    """Tell whether nothing has come on an idle connection: neither an end nor bytes that nobody asked for.

    A TLS session ticket is neither, and is taken in here.
    """
    try:
        opened.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        pass
    return False
