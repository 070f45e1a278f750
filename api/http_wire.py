"""HTTP/1.1 as bytes: write a request in one piece, read an answer within a time and a size.

Requests are put together here, and answers read by the standard library on a socket that we own, because only so it
is known whether a byte of a request has left. It is also what makes it fast: from the call to the bytes on the wire an
adapter of `requests` takes 170 us, a connection of urllib3 100, this and the bookkeeping of the transport 55.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.proxies import Endpoint, Proxy

PIECE_BYTES = 16 * 1024
_NOT_IN_A_HEADER = re.compile(r"[\x00-\x1f\x7f]")
_NOT_IN_A_TARGET = re.compile(r"[\x00-\x20\x7f-\uffff]")
AGENT = "makerd"


class TooBig(Exception):
    """An answer is longer than allowed."""


class Headers(dict[str, str]):
    """The headers of an answer; names in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header, `default` when there is none."""
        return super().get(name.lower(), default)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A whole answer; `keep_alive`: the connection can be used again."""

    status: int
    headers: Headers
    body: bytes
    keep_alive: bool


def request_head(endpoint: Endpoint, proxy: Proxy | None) -> tuple[str, str]:
    """Return what stands before the target of every request, and the headers that are the same in each."""
    lines = [f"Host: {endpoint.authority}", f"User-Agent: {AGENT}", "Accept-Encoding: identity"]
    is_forwarded = proxy is not None and not endpoint.tls
    if is_forwarded and proxy is not None and proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization.reveal()}")
    base = f"http://{endpoint.authority}" if is_forwarded else ""
    return base + endpoint.path.rstrip("/"), "\r\n".join(lines)


def request_bytes(head: tuple[str, str], method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a request as it goes on the wire. Raises ValueError for what would be read as more than one."""
    before, common = head
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if _NOT_IN_A_TARGET.search(target) or any(_NOT_IN_A_HEADER.search(line) for line in lines):
        raise ValueError("a request's target or header holds a character that is not allowed there")
    if body or method not in ("GET", "HEAD"):
        lines.append(f"Content-Length: {len(body)}")
    text = "\r\n".join([f"{method} {before}{target} HTTP/1.1", common, *lines, "", ""])
    return text.encode("latin-1") + body


class _Incoming(io.RawIOBase):
    """The reading side of a socket, within one deadline for all of an answer."""

    def __init__(self, opened: socket.socket, deadline_ns: int, now_ns: Callable[[], int]) -> None:
        self._socket = opened
        self._deadline_ns = deadline_ns
        self._now_ns = now_ns
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.is_over:
            return 0
        left_ns = self._deadline_ns - self._now_ns()
        if left_ns <= 0:
            raise TimeoutError
        self._socket.settimeout(left_ns / 1e9)
        return self._socket.recv_into(buffer)


class _Reader(io.BufferedReader):
    """What HTTPResponse reads from; it tells at its end whether bytes are left that belong to no answer."""

    has_leftover = False

    def close(self) -> None:
        if not self.closed:
            raw = self.raw
            assert isinstance(raw, _Incoming)
            raw.is_over = True
            self.has_leftover = bool(self.peek(1))
        super().close()


class _Opened:
    """As much of a socket as HTTPResponse asks for."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def makefile(self, *_: Any, **__: Any) -> _Reader:
        return self._reader


def read_answer(
    opened: socket.socket, method: str, deadline_ns: int, max_body_bytes: int, now_ns: Callable[[], int]
) -> RawAnswer:
    """Read one answer. Raises OSError (cut, TimeoutError), HTTPException (not HTTP) or TooBig."""
    reader = _Reader(_Incoming(opened, deadline_ns, now_ns), PIECE_BYTES)
    response = http.client.HTTPResponse(_Opened(reader), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        body = _body(response, max_body_bytes)
        headers = Headers((name.lower(), value) for name, value in response.getheaders())
        ends = response.will_close
    finally:
        response.close()
        reader.close()
    return RawAnswer(response.status, headers, body, not ends and not reader.has_leftover)


def _body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.length is not None:
        if response.length > max_bytes:
            raise TooBig
        return response.read()
    body = bytearray()
    while piece := response.read(PIECE_BYTES):
        body += piece
        if len(body) > max_bytes:
            raise TooBig
    return bytes(body)
