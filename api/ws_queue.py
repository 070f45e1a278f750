"""What a websocket's thread hands over: in order, bounded; only market data is ever dropped, and that is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from utils.errors import VenueError

MAX_QUEUED_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WsOpened:
    """A connection is up: subscribe (again) now. `http_date` is the Date header of the handshake."""

    number: int
    http_date: str | None


@dataclass(frozen=True, slots=True)
class WsMessage:
    """A whole message; text unless the venue sent binary."""

    text: str | bytes
    received_ns: int


@dataclass(frozen=True, slots=True)
class WsClosed:
    """The connection ended, or could not be made; it is tried again by itself.

    `error` is None when we wanted it; VenueAuthError, VenueRefused for a handshake answered by 401, 403.
    """

    reason: str
    error: VenueError | None


@dataclass(frozen=True, slots=True)
class WsOverflow:
    """Market data was dropped because too much waited: books must be read anew."""

    dropped: int


WsItem = WsOpened | WsMessage | WsClosed | WsOverflow


class WsQueue:
    """Filled by the websocket's thread, emptied by the deciding thread."""

    def __init__(self, is_market_data: Callable[[str], bool], max_items: int) -> None:
        self._is_market_data = is_market_data
        self._lock = threading.Lock()
        self._max_items = max_items
        self._forget()
        self._last_link: int | None = None
        self.seen: int | None = None  # number of the connection that the deciding thread knows to be open

    def link(self, item: WsOpened | WsClosed) -> None:
        """Add that a connection was opened or has ended."""
        with self._lock:
            self._items.append(item)
            self._last_link = item.number if isinstance(item, WsOpened) else None

    def messages(self, texts: list[str | bytes], received_ns: int) -> None:
        """Add messages; when too much waits, drop all the market data that does."""
        with self._lock:
            for text in texts:
                self._items.append(WsMessage(text, received_ns))
                self._bytes += len(text)
            if len(self._items) > self._drop_at_items or self._bytes > self._drop_at_bytes:
                self._drop_market_data()

    def drain(self) -> list[WsItem]:
        """Return and forget everything, in order."""
        with self._lock:
            items = self._items
            self._forget()
            self.seen = self._last_link
        return items

    def _forget(self) -> None:
        self._items: list[WsItem] = []
        self._bytes = 0
        self._drop_at_items, self._drop_at_bytes = self._max_items, MAX_QUEUED_BYTES

    def _drop_market_data(self) -> None:
        """Keep what is private, however much: the next look is when it has doubled."""
        kept = [item for item in self._items if not self._may_be_dropped(item)]
        dropped = len(self._items) - len(kept)
        if dropped:
            kept.append(WsOverflow(dropped))
        self._items = kept
        self._bytes = sum(len(item.text) for item in kept if isinstance(item, WsMessage))
        self._drop_at_items = max(self._max_items, 2 * len(kept))
        self._drop_at_bytes = max(MAX_QUEUED_BYTES, 2 * self._bytes)

    def _may_be_dropped(self, item: WsItem) -> bool:
        if not isinstance(item, WsMessage) or not isinstance(item.text, str):
            return False
        try:
            return self._is_market_data(item.text)
        except Exception:  # whatever it is, it may be private
            return False
