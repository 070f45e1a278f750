"""Fan-out: what the feed has to say goes to every open stream, each with a bounded queue of its own."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any

QUEUE = 64  # messages; a reader that is so far behind is dropped and reconnects
JOINED = 256 * 1024  # bytes that a reader takes at once, a larger message apart


class Full(Exception):
    """There are as many streams as there may be."""


def message(event: str, data: Any) -> bytes:
    """Return one server-sent event; JSON has no line break, so its data is one line."""
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class Subscriber:
    """One open stream. `bot`: also wants what concerns this bot."""

    def __init__(self, bot: str | None) -> None:
        self.bot = bot
        self.dropped = False
        self._queue: queue.Queue[bytes] = queue.Queue(QUEUE)

    def put(self, text: bytes) -> None:
        """Queue a message; a reader that does not keep up is dropped."""
        try:
            self._queue.put_nowait(text)
        except queue.Full:
            self.dropped = True

    def take(self, timeout_s: float) -> bytes | None:
        """Return what is waiting, at once; None when nothing came within `timeout_s`."""
        parts: list[bytes] = []
        try:
            parts = [self._queue.get(timeout=timeout_s)]
            while sum(map(len, parts)) < JOINED:
                parts.append(self._queue.get_nowait())
        except queue.Empty:
            if not parts:
                return None
        return b"".join(parts)


class Hub:
    """All open streams of the monitor."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._open: set[Subscriber] = set()
        self.closed = False

    def subscribe(self, bot: str | None = None) -> Subscriber:
        """Open a stream. Raises Full."""
        with self._lock:
            if self.closed or len(self._open) >= self._limit:
                raise Full()
            subscriber = Subscriber(bot)
            self._open.add(subscriber)
            return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Close a stream."""
        with self._lock:
            self._open.discard(subscriber)

    @property
    def count(self) -> int:
        """Return how many streams are open."""
        return len(self._open)

    def bots(self) -> set[str]:
        """Return the bots that somebody looks at."""
        with self._lock:
            return {one.bot for one in self._open if one.bot}

    def publish(self, event: str, make: Callable[[], Any], bot: str | None = None) -> None:
        """Send an event to all streams, or to those that look at `bot`; it is made only when somebody listens."""
        with self._lock:
            readers = [one for one in self._open if bot is None or one.bot == bot]
        if readers:
            text = message(event, make())
            for reader in readers:
                reader.put(text)

    def publish_all(self, event: str, items: Iterable[Any], bot: str | None = None) -> None:
        """Send several events of a kind as one message: a flood of them is not what a reader is dropped for."""
        text = b"".join(message(event, item) for item in items)
        with self._lock:
            readers = [one for one in self._open if bot is None or one.bot == bot]
        for reader in readers if text else ():
            reader.put(text)

    def close(self) -> None:
        """End every stream; no new one is opened. Takes no lock: a signal handler may call it."""
        self.closed = True
