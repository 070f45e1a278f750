"""One websocket connection that never waits: what has come is read, what fits is written. One thread owns it."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Any

import websocket
from websocket import ABNF

from api.dialing import dial
from api.http_retry import limit_s
from api.proxies import Endpoint, Proxy
from api.ws_frames import ConnectionEnded, MessageReader, NeedMore, close_words, frame_of
from utils.errors import VenueAuthError, VenueError, VenueRefused, VenueUnreachable

MAX_HANDSHAKE_BYTES = 64 * 1024
MAX_UNSENT_BYTES = 1024 * 1024  # a venue that takes nothing
RECEIVE_BYTES = 64 * 1024
RECEIVE_ROUNDS = 16  # then it is the writer's turn
CLOSE_NORMAL, CLOSE_PROTOCOL_ERROR = 1000, 1002


@dataclass(frozen=True, slots=True)
class WsRoute:
    """How a websocket is reached, and what bounds it."""

    url: str
    endpoint: Endpoint
    proxy: Proxy | None
    ca_file: str | None
    headers: tuple[str, ...]
    connect_timeout_s: float
    max_message_bytes: int


class _Guarded:
    """A socket during the handshake: one deadline and one size for all of it, however slowly it drips."""

    def __init__(self, opened: socket.socket, timeout_s: float) -> None:
        self._socket = opened
        self._deadline_s = time.monotonic() + timeout_s
        self._bytes_left = MAX_HANDSHAKE_BYTES

    def recv(self, count: int) -> bytes:
        self._bytes_left -= count
        left_s = self._deadline_s - time.monotonic()
        if self._bytes_left < 0 or left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        return self._socket.recv(count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class HandshakeFailed(Exception):
    """No websocket; `error` says why, `silent_s` how long the venue wants no other try."""

    def __init__(self, error: VenueError, silent_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.silent_s = silent_s


def open_connection(route: WsRoute) -> WsConnection:
    """Connect and shake hands. Raises HandshakeFailed."""
    started_s = time.monotonic()
    try:
        opened = dial(route.endpoint, route.proxy, route.ca_file, route.connect_timeout_s, tunnel=True)
    except VenueError as error:
        raise HandshakeFailed(error) from error
    left_s = max(0.001, route.connect_timeout_s - (time.monotonic() - started_s))
    try:
        headers = _shake_hands(route, _Guarded(opened, left_s))
        opened.settimeout(0)
    except BaseException:
        opened.close()
        raise
    return WsConnection(opened, headers.get("date"), route.max_message_bytes)


def _shake_hands(route: WsRoute, guarded: _Guarded) -> dict[str, str]:
    shaking = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)
    name = route.endpoint.name
    options = {"header": list(route.headers), "redirect_limit": 0, "suppress_origin": True}
    try:
        shaking.connect(route.url, socket=guarded, **options)  # type: ignore[no-untyped-call]
    except websocket.WebSocketBadStatusException as error:
        raise _refusal(name, error) from None  # its message repeats the venue's whole answer
    except (TimeoutError, websocket.WebSocketTimeoutException) as error:
        raise HandshakeFailed(VenueUnreachable(f"{name} did not finish the websocket handshake in time")) from error
    except (websocket.WebSocketException, OSError, ValueError) as error:
        raise HandshakeFailed(VenueUnreachable(f"no websocket with {name}: {type(error).__name__}")) from error
    return shaking.getheaders() or {}


def _refusal(name: str, error: websocket.WebSocketBadStatusException) -> HandshakeFailed:
    status = error.status_code
    kinds: dict[int, type[VenueError]] = {401: VenueAuthError, 403: VenueRefused}
    said = kinds.get(status, VenueUnreachable)(f"{name} answered {status} instead of opening a websocket")
    return HandshakeFailed(said, limit_s(error.resp_headers or {}, 0) if status in (429, 503) else 0.0)


class WsConnection:
    """An open websocket on a socket that does not block."""

    def __init__(self, opened: socket.socket, http_date: str | None, max_message_bytes: int) -> None:
        self.http_date = http_date
        self.has_ended = False
        self._socket = opened
        self._reader = MessageReader(max_message_bytes)
        self._unsent = bytearray()

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    @property
    def unsent_bytes(self) -> int:
        """Return how much the venue has not taken yet."""
        return len(self._unsent)

    def has_buffered(self) -> bool:
        """Tell whether TLS holds bytes that no select would tell of."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def read(self, messages: list[str | bytes]) -> bool:
        """Append the messages that are whole by now; tell whether any byte came. Raises ConnectionEnded."""
        has_heard, trouble = self._receive()
        try:
            while True:
                self._take(*self._reader.next(), messages)
        except NeedMore:
            pass
        if trouble:
            raise ConnectionEnded(trouble)
        return has_heard

    def write(self, text: str) -> None:
        """Add a message to what is to be sent."""
        self._unsent += frame_of(text, ABNF.OPCODE_TEXT)

    def ping(self) -> None:
        """Ask for a sign of life, unless the last ones are still unsent."""
        if len(self._unsent) < MAX_UNSENT_BYTES:
            self._unsent += frame_of(b"", ABNF.OPCODE_PING)

    def flush(self) -> None:
        """Send what the socket takes. Raises ConnectionEnded."""
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            except OSError as error:
                raise ConnectionEnded(f"the connection was lost ({type(error).__name__})") from error
            del self._unsent[:sent]

    def say_goodbye(self, code: int = CLOSE_NORMAL) -> None:
        """Add a close frame to what is to be sent, once."""
        if not self.has_ended:
            self.has_ended = True
            self._unsent += frame_of(struct.pack("!H", code), ABNF.OPCODE_CLOSE)

    def close(self) -> None:
        """Close the socket; a last frame goes if it can go at once."""
        try:
            self.flush()
        except ConnectionEnded:
            pass
        self._socket.close()

    def _receive(self) -> tuple[bool, str]:
        has_heard = False
        for _ in range(RECEIVE_ROUNDS):
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError as error:
                return has_heard, f"the connection was lost ({type(error).__name__})"
            if not data:
                return has_heard, "the venue cut the connection"
            has_heard = True
            self._reader.feed(data)
        return has_heard, ""

    def _take(self, opcode: int, payload: bytes, messages: list[str | bytes]) -> None:
        if opcode == ABNF.OPCODE_TEXT:
            try:
                messages.append(payload.decode())
            except UnicodeDecodeError as error:
                raise ConnectionEnded("the venue sent text that is not UTF-8") from error
        elif opcode == ABNF.OPCODE_BINARY:
            messages.append(payload)
        elif opcode == ABNF.OPCODE_PING and len(self._unsent) < MAX_UNSENT_BYTES:
            self._unsent += frame_of(payload, ABNF.OPCODE_PONG)
        elif opcode == ABNF.OPCODE_CLOSE:
            self.say_goodbye()
            raise ConnectionEnded(close_words(payload))
