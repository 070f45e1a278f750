"""Clients of the monitor as the benchmark needs them: an open stream, askers that cost little, a page and its files."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

PATIENCE_S = 60.0
_LINKS = re.compile(r'(?:src|href)="([^"#?]+)')
_IMPORTS = re.compile(r'(?:from|import)\s+"(\.[^"]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


def connect(url: str) -> http.client.HTTPConnection:
    """Return a connection to a monitor."""
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)


class Stream:
    """An open stream, read by a thread; `on_row` hears what has changed of a row as it comes."""

    def __init__(self, url: str, on_row: Callable[[dict[str, Any]], None] | None = None) -> None:
        self._connection = connect(url)
        self._connection.request("GET", "/api/v1/stream")
        self._response = self._connection.getresponse()
        self.bytes = 0
        self._on_row = on_row
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        event = b""
        try:
            while line := self._response.readline():
                self.bytes += len(line)
                if line.startswith(b"event: "):
                    event = line[7:].strip()
                elif self._on_row and line.startswith(b"data: ") and event == b"bots":
                    for row in json.loads(line[6:])["rows"]:
                        self._on_row(row)
        except (OSError, ValueError, AttributeError):  # closed under its feet
            pass

    def close(self) -> None:
        """Leave."""
        if self._connection.sock is not None:
            self._connection.sock.close()
        self._connection.close()


class Asker:
    """Asks for the same thing again and again over one connection, and spends next to nothing on it."""

    def __init__(self, url: str, path: str) -> None:
        parts = urlsplit(url)
        self._line = socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE_S)
        self._request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()

    def ask(self) -> int:
        """Ask once; return the length of the answer in bytes. Raises OSError when it is no answer."""
        self._line.sendall(self._request)
        got = b""
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self._some()
        length = _LENGTH.search(got, 0, end + 2)
        if length is None or not got.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"this is no answer: {got[:100]!r}")
        left = int(length[1]) - (len(got) - end - 4)
        while left > 0:
            left -= len(self._some())
        return int(length[1])

    def _some(self) -> bytes:
        if not (chunk := self._line.recv(1 << 18)):
            raise ConnectionError("the monitor hung up")
        return chunk

    def close(self) -> None:
        """Leave."""
        self._line.close()


def files_of(url: str) -> dict[str, int]:
    """Return the sizes of a page and of everything that it loads, in bytes, by their paths."""
    left, sizes, connection = [urlsplit(url).path], dict[str, int](), connect(url)
    while left:
        path = left.pop()
        if path in sizes:
            continue
        connection.request("GET", path, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ConnectionError(f"{path}: {answer.status}")
        sizes[path] = len(body)
        text = body.decode("utf-8", "replace")
        links = _LINKS.findall(text) if len(sizes) == 1 else _IMPORTS.findall(text)
        left += [found for link in links if (found := urljoin(path, link)).startswith("/static/")]
    connection.close()
    return sizes
