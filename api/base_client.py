"""What a venue is to us: commands go out without waiting, everything it says arrives in one inbox."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate, TradePrint
from core.market.instrument import Instrument
from core.market.order import Order
from core.market.reports import Balance, VenuePosition, VenueReport

__all__ = [
    "Balance",
    "Capabilities",
    "ClientContext",
    "DeadManScope",
    "ExchangeClient",
    "Inbox",
    "InboxItem",
    "VenuePosition",
    "VenueReport",
]

InboxItem = BookUpdate | TradePrint | OrderUpdate | FillEvent | LinkUp | LinkDown | VenueReport
MAX_TRADE_PRINTS = 10_000


class DeadManScope(str, Enum):
    """What a venue cancels by itself when we fall silent."""

    NONE = "none"
    CONNECTION = "connection"
    SYMBOL = "symbol"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do; the rooms above ask this table, never a venue's name."""

    post_only: bool = True
    reduce_only: bool = False
    amend: bool = False
    batch_cancel: bool = False
    cancel_all_by_prefix: bool = False
    dead_man_scope: DeadManScope = DeadManScope.NONE
    dead_man_min_s: float | None = None
    late_arrival_s: float = 0.0  # how long after sending a submit can still be accepted
    max_open_orders: int = 500
    client_id_format: str = "text36"
    funding: bool = False


class Inbox:
    """What the venue said, in order; any thread may put, one thread drains.

    Bound and policy: of books only the newest per leg is kept, of trade prints the newest 10,000; order updates,
    fills, links and reports are never dropped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[InboxItem] = deque()
        self._prints: deque[TradePrint] = deque(maxlen=MAX_TRADE_PRINTS)
        self._books: dict[str, BookUpdate] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return a descriptor that is readable when another thread has put something."""
        return self._wake

    def put(self, item: InboxItem, wake: bool = False) -> None:
        """Add an item; `wake` when the draining thread may be asleep in another thread's time."""
        with self._lock:
            if isinstance(item, BookUpdate):
                self._books[item.leg] = item
            elif isinstance(item, TradePrint):
                self._prints.append(item)
            else:
                self._items.append(item)
        if wake:
            os.eventfd_write(self._wake, 1)

    def drain(self) -> list[InboxItem]:
        """Return and forget everything: orders, fills, links and reports first, then prints, then newest books."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            pass
        with self._lock:
            items: list[InboxItem] = [*self._items, *self._prints, *self._books.values()]
            self._items.clear()
            self._prints.clear()
            self._books.clear()
        return items

    def close(self) -> None:
        """Give the descriptor back."""
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1


@dataclass(frozen=True, slots=True)
class ClientContext:
    """What a client is told beside its config section."""

    exchange: str  # as configured: `paper`, `paper:a`
    symbol: str
    account: str
    bot_name: str
    state_dir: str  # where an embedded venue keeps its files (home/var/state)
    data_dirs: tuple[str, ...]  # where a `replay:FILE` is looked up, in order
    now_ns: Callable[[], int] = time.monotonic_ns  # the loop's clock, as given to poll()
    utc_ns: Callable[[], int] = time.time_ns


class ExchangeClient(ABC):
    """One venue account, for one leg of one bot.

    Nothing here waits for the venue but `open` and `close`: an answer to `submit`, `cancel` and `request_report`
    arrives in the inbox as OrderUpdate, FillEvent and VenueReport. An order is accepted, rejected or of unknown
    outcome (OrderUpdate ACCEPTED, REJECTED, OUTCOME_UNKNOWN); unknown is never "rejected".
    """

    per_home: ClassVar[bool] = False  # an embedded venue: it exists once per home, not once for everybody
    capabilities: Capabilities
    instrument: Instrument  # set by open()

    def __init__(self, config: Mapping[str, Any], context: ClientContext) -> None:
        self.config = config  # the validated `exchange_config`, defaults filled in, secrets resolved
        self.context = context

    @classmethod
    def config_complaints(cls, exchange_config: Mapping[str, Any], symbol: str, data_dirs: Sequence[str]) -> list[str]:
        """Return what is wrong with a config that can be told without an account or a network; one line each."""
        return []

    @abstractmethod
    def open(self, inbox: Inbox, leg: str) -> None:
        """Connect and set `instrument`. Raises VenueRefused (unknown symbol), VenueUnreachable, VenueAuthError."""

    @abstractmethod
    def start_market_data(self) -> None:
        """Begin to deliver LinkUp, books and trade prints."""

    @abstractmethod
    def submit(self, orders: Sequence[Order]) -> None:
        """Send new orders; each is answered by an OrderUpdate."""

    @abstractmethod
    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Send cancels; each is answered by CANCELED, or CANCEL_REJECTED when the venue has no such open order."""

    @abstractmethod
    def cancel_all(self, prefix: str) -> None:
        """Cancel every open order whose client order id begins with `prefix`; a CANCELED for each."""

    @abstractmethod
    def request_report(self, request_id: int, since: str | None) -> None:
        """Ask for open orders, fills after the mark `since`, positions and balances: a VenueReport arrives."""

    @abstractmethod
    def poll(self, now_ns: int) -> int | None:
        """Do what is due at `now_ns` (the loop's clock) and return when to be called next.

        None: everything arrives by itself, from threads that put into the inbox with `wake`.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect. Orders stay as they are."""
