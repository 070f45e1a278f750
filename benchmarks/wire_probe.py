"""Where the time goes between a book message and the request that it causes; put around the parts that do the work."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from api.http_connection import HttpConnection
from api.http_transport import Lane
from api.ws_connection import WsConnection
from api.ws_transport import WsMessage, WsOverflow, WsTransport

_ORDERS = {Lane.CREATE: "order", Lane.CANCEL: "cancel"}
_now_ns = time.monotonic_ns


@dataclass(slots=True)
class Trip:
    """From one book message to the first request that it caused; monotonic nanoseconds."""

    kind: str  # order or cancel
    received_ns: int  # the message that made the book
    oldest_ns: int  # the first one that was taken in with it
    step_ns: int  # the loop's step began
    taken_ns: int  # the client had parsed everything and had made the book
    ledger_ns: int  # spent in the ledger's commit
    sending_ns: int  # the client was told to send
    written_ns: int = 0

    @property
    def total_ns(self) -> int:
        """Return the whole way."""
        return self.written_ns - self.received_ns

    def parts(self) -> dict[str, int]:
        """Return the way in parts; they add up."""
        return {
            "hand-over to the deciding thread": self.step_ns - self.received_ns,
            "parse, apply to the book": self.taken_ns - self.step_ns,
            "decide, diff, limits": self.sending_ns - self.taken_ns - self.ledger_ns,
            "ledger": self.ledger_ns,
            "build, sign, write": self.written_ns - self.sending_ns,
        }


@dataclass(slots=True)
class Probe:
    """What happened in one bot; it belongs to the deciding thread but for `_finish`."""

    trips: list[Trip] = field(default_factory=list)
    books: int = 0
    dropped: int = 0  # market data messages that the transport gave up
    backlog: int = 0  # the most messages that waited at once
    lags_ns: list[int] = field(default_factory=list)  # age of each book message when it was taken in
    bytes: int = 0
    _received_ns: int | None = None
    _oldest_ns: int = 0
    _step_ns: int = 0
    _taken_ns: int = 0
    _ledger_ns: int = 0
    _sending_ns: int = 0
    _http_trip: Trip | None = None
    _by_text: dict[str, Trip] = field(default_factory=dict)  # Thalex: messages that are not written yet
    _written: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Begin to count anew."""
        self.trips, self.lags_ns = [], []
        self.books = self.dropped = self.backlog = self.bytes = 0

    # In the deciding thread

    def step_begins(self) -> None:
        """Note that the loop was called."""
        self._received_ns, self._ledger_ns, self._sending_ns = None, 0, 0
        self._step_ns = _now_ns()

    def took(self) -> None:
        """Note that the client has taken in what came."""
        self._taken_ns = _now_ns()

    def wrote_ledger(self, for_ns: int) -> None:
        """Note a commit."""
        if not self._sending_ns:
            self._ledger_ns += for_ns

    def sends(self) -> None:
        """Note that the client is told to send."""
        self._sending_ns = self._sending_ns or _now_ns()

    def drained(self, items: list[Any]) -> None:
        """Look for books in what came."""
        now_ns, count = _now_ns(), 0
        for item in items:
            if isinstance(item, WsMessage) and _is_book(item.text):
                if self._received_ns is None:
                    self._oldest_ns = item.received_ns
                self._received_ns = item.received_ns
                self.lags_ns.append(now_ns - item.received_ns)
                self.bytes += len(item.text)
                count += 1
            elif isinstance(item, WsOverflow):
                self.dropped += item.dropped
        self.books += count
        self.backlog = max(self.backlog, count)

    def trip(self, kind: str) -> Trip | None:
        """Return the way that ends with a request of this kind; None when no book of this step caused it."""
        if self._received_ns is None or not self._sending_ns:
            return None
        times = (self._received_ns, self._oldest_ns, self._step_ns, self._taken_ns, self._ledger_ns, self._sending_ns)
        self._received_ns = None  # the first request counts
        return Trip(kind, *times)

    def wrote(self, trip: Trip) -> None:
        """Note that a request is on the wire."""
        trip.written_ns = _now_ns()
        self.trips.append(trip)

    # Put around

    def watch_transports(self) -> Callable[[], None]:
        """Put the probe around the transports of this process; returns what takes it off again."""
        undo = [
            _around(WsTransport, "drain", self._around_drain),
            _around(WsTransport, "send", self._around_ws_send),
            _around(WsConnection, "write", self._around_ws_write),
            _around(WsConnection, "flush", self._around_ws_flush),
            _around(HttpConnection, "send", self._around_http_send),
            _around(socket.socket, "send", self._around_socket_send),
        ]

        def take_off() -> None:
            for each in undo:
                each()

        return take_off

    def _around_drain(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def drain(transport: WsTransport) -> Any:
            items = true(transport)
            if items:
                self.drained(items)
            return items

        return drain

    def _around_http_send(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def send(connection: HttpConnection, note: Any, *rest: Any) -> Any:
            kind = _ORDERS.get(note.call.lane)
            self._http_trip = self.trip(kind) if kind else None
            return true(connection, note, *rest)

        return send

    def _around_socket_send(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def send(opened: socket.socket, *what: Any) -> Any:
            count = true(opened, *what)
            if self._http_trip is not None:  # what follows, the hand-over to a reading thread, is after the request
                self.wrote(self._http_trip)
                self._http_trip = None
            return count

        return send

    def _around_ws_send(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def send(transport: WsTransport, text: str) -> Any:
            kind = "order" if '"private/insert"' in text else "cancel" if '"private/cancel' in text else ""
            trip = self.trip(kind) if kind else None
            if trip is not None:
                self._by_text[text] = trip
            return true(transport, text)

        return send

    def _around_ws_write(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def write(connection: WsConnection, text: str) -> Any:
            if text in self._by_text:
                self._written.append(text)
            return true(connection, text)

        return write

    def _around_ws_flush(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def flush(connection: WsConnection) -> Any:
            true(connection)
            while self._written and not connection.unsent_bytes:
                self.wrote(self._by_text.pop(self._written.pop()))

        return flush


def _is_book(text: str | bytes) -> bool:
    return isinstance(text, str) and ('"depth.' in text or '"book.' in text)


def _around(kind: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[[], None]:
    """Replace a method; returns what puts it back."""
    true, own = getattr(kind, name), name in vars(kind)
    setattr(kind, name, wraps(true)(make(true)))
    return lambda: setattr(kind, name, true) if own else delattr(kind, name)
