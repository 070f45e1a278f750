"""What a venue is to us: commands go out without waiting, everything it says arrives in one inbox."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate, PerpFacts, TradePrint
from core.market.funding import FundingPayment
from core.market.reports import Balance, VenuePosition, VenueReport
from utils.errors import VenueRefused

if TYPE_CHECKING:
    from core.market.account_needs import MarginTerms
    from core.market.client_ids import OrderIds
    from core.market.instrument import Instrument
    from core.market.order import Amend, Order

__all__ = [
    "Balance",
    "Candle",
    "Capabilities",
    "ClientContext",
    "DeadManScope",
    "ExchangeClient",
    "Inbox",
    "InboxItem",
    "KeyReport",
    "RateScope",
    "VenuePosition",
    "VenueReport",
]

InboxItem = (
    BookUpdate | PerpFacts | TradePrint | OrderUpdate | FillEvent | FundingPayment | LinkUp | LinkDown | VenueReport
)
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
    amend: bool = False  # `amend` may be called
    amend_keeps_post_only: bool = False  # no amendment of a post-only order trades at once: it is refused, or ends it
    batch_cancel: bool = False
    cancel_all_at_once: bool = False  # `cancel_all` reaches the venue as fast as a single cancel
    dead_man_scope: DeadManScope = DeadManScope.NONE
    dead_man_min_s: float | None = None
    late_arrival_s: float = 0.0  # how long after sending a submit can still be accepted
    history_lag_s: float = 0.0  # how long a fill may be missing from a report whose open orders know of it already
    max_open_orders: int = 500
    funding: bool = False


@dataclass(frozen=True, slots=True)
class RateScope:
    """A budget of requests that a venue counts, shared by every process that uses the same key, address or host.

    `key` is the same text in each of them and says nothing secret: venue, kind of scope, a hash.
    """

    key: str
    per_s: float
    burst: float


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle of a venue's own history, oldest first in lists; prices and volume in the venue's decimals."""

    start_ns: int  # UTC
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None  # base; None where the venue's candles are of the mark price


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What a venue says of our key. `refused`: why it must not be used; `warnings`: what a person should know."""

    refused: str = ""
    warnings: tuple[str, ...] = ()


class Inbox:
    """What the venue said, in order; any thread may put, one thread drains.

    Bound and policy: of books and facts only the newest per leg is kept, of trade prints the newest 10,000; order
    updates, fills, payments, links and reports are never dropped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[InboxItem] = deque()
        self._prints: deque[TradePrint] = deque(maxlen=MAX_TRADE_PRINTS)
        self._books: dict[str, BookUpdate] = {}
        self._facts: dict[str, PerpFacts] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._woken = False

    def fileno(self) -> int:
        """Return a descriptor that is readable when another thread has put something."""
        return self._wake

    def put(self, item: InboxItem, wake: bool = False) -> None:
        """Add an item; `wake` when the draining thread may be asleep in another thread's time."""
        with self._lock:
            if isinstance(item, BookUpdate):
                self._books[item.leg] = item
            elif isinstance(item, PerpFacts):
                self._facts[item.leg] = item
            elif isinstance(item, TradePrint):
                self._prints.append(item)
            else:
                self._items.append(item)
        if wake:
            self.wake()

    def wake(self) -> None:
        """Make the descriptor readable, from any thread."""
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)
            self._woken = True  # after it: whoever reads the flag finds the descriptor readable

    def hush(self) -> None:
        """Make the descriptor unreadable. Called before the client is polled: what comes from then on wakes again."""
        if not self._woken:
            return
        self._woken = False
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            pass

    def drain(self) -> list[InboxItem]:
        """Return and forget everything: orders, fills, links and reports, then prints, then newest facts and books."""
        if not (self._items or self._books or self._prints or self._facts):
            return []
        with self._lock:
            items: list[InboxItem] = list(self._items)
            self._items.clear()
            if self._prints:
                items += self._prints
                self._prints.clear()
            if self._facts or self._books:
                items += (*self._facts.values(), *self._books.values())
                self._facts.clear()
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
    ids: OrderIds | None = None  # how our orders are named; None for a client that only reads
    public_only: bool = False  # market data without a key: open, start_market_data, poll, close and candles only


class ExchangeClient(ABC):
    """One venue account, for one leg of one bot.

    Nothing here waits for the venue but `open` and `close`: an answer to `submit`, `amend`, `cancel` and
    `request_report` arrives in the inbox as OrderUpdate, FillEvent and VenueReport. An order is accepted, rejected or
    of unknown outcome (OrderUpdate ACCEPTED, REJECTED, OUTCOME_UNKNOWN); unknown is never "rejected".
    """

    per_home: ClassVar[bool] = False  # an embedded venue: it exists once per home, not once for everybody
    embedded: ClassVar[bool] = False  # needs no network at all: may be run for a moment to load its code
    client_id_format: ClassVar[str] = "text"  # text | uint32: which of `core/market/client_ids.py` fits the venue
    capabilities: Capabilities
    instrument: Instrument  # set by open()

    def __init__(self, config: Mapping[str, Any], context: ClientContext) -> None:
        self.config = config  # the validated `exchange_config`, defaults filled in, secrets resolved
        self.context = context

    @classmethod
    def config_complaints(cls, exchange_config: Mapping[str, Any], symbol: str, data_dirs: Sequence[str]) -> list[str]:
        """Return what is wrong with a config that can be told without an account or a network; one line each."""
        return []

    @classmethod
    def key_problems(cls, parts: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with the form of a key's parts, by their key in the config; never the parts themselves.

        Nobody is asked: whether the venue knows the key is another question.
        """
        return {}

    @classmethod
    def addresses(cls, exchange_config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the URLs that a config's bot connects to, none for an embedded venue."""
        return ()

    @classmethod
    def key_id(cls, exchange_config: Mapping[str, Any]) -> str | None:
        """Return what tells one API key from another (never the secret part), None where there are no keys.

        The config's secrets are resolved. Two bots with one key id trade one account, whatever label they give it.
        """
        return None

    @abstractmethod
    def open(self, inbox: Inbox, leg: str) -> None:
        """Connect and set `instrument`. Raises NotListed (unknown symbol), VenueUnreachable, VenueAuthError."""

    def orders_anywhere(self, owns: Callable[[str], bool]) -> tuple[str, ...]:
        """Return the open orders that `owns` says yes to, on all markets of the account.

        Called instead of `open`, for a symbol that the venue does not list any more: an order that rests all the same
        is among them. Connects, waits for the venue, and disconnects. Raises VenueError.
        """
        raise VenueRefused("this venue cannot tell the orders of a whole account")

    def refresh_dead_man(self, timeout_s: float) -> None:
        """Have the venue cancel every order of the account in `timeout_s`, unless this is asked again before.

        Of scope ACCOUNT only, and called by nobody but the account's guard: instead of `open`, again and again, until
        `close`. Waits for the venue, a third of `timeout_s` at the most. Raises VenueError.
        """
        raise VenueRefused("this venue has no dead-man switch of a whole account")

    def disarm_dead_man(self) -> None:
        """Have the venue cancel nothing by itself any more; as `refresh_dead_man`. Raises VenueError."""
        raise VenueRefused("this venue has no dead-man switch of a whole account")

    def check_key(self) -> KeyReport:
        """Return what the venue tells of our key, as far as it does; called once, after `open`. Waits for the venue."""
        return KeyReport()

    def clock_offset_ms(self) -> float | None:
        """Return how far the venue's clock is ahead of this host's, None where that was not measured."""
        return None

    def rate_scopes(self) -> tuple[RateScope, ...]:
        """Return the budgets that this client draws on; known after `open`."""
        return ()

    def lease(self, key: str, per_s: float, burst: float, until_ns: int) -> None:  # noqa: B027  # most have none
        """Take a share of a budget until a monotonic time; without one the client keeps to a small share of its own."""

    def candles(self, interval_s: int, limit: int) -> list[Candle]:
        """Return the newest candles, oldest first; waits for the venue. Raises VenueError."""
        raise VenueRefused("this venue has no candles")

    def margin_terms(self) -> MarginTerms | None:
        """Return how the account trades the symbol on margin, asked of the venue; None where there is nothing to set.

        Waits for the venue. Raises VenueError.
        """
        return None

    def set_margin_mode(self, mode: str) -> None:
        """Set the margin mode, `cross` or `isolated`; waits for the venue. Raises VenueError."""
        raise VenueRefused(f"this venue has no margin mode to set to {mode}")

    def set_leverage(self, leverage: Decimal) -> None:
        """Set the leverage of account or symbol, as the venue has it; waits for it. Raises VenueError."""
        raise VenueRefused("this venue has no leverage to set")

    @abstractmethod
    def start_market_data(self) -> None:
        """Begin to deliver LinkUp, books and trade prints."""

    @abstractmethod
    def submit(self, orders: Sequence[Order]) -> None:
        """Send new orders; each is answered by an OrderUpdate."""

    def amend(self, amends: Sequence[Amend]) -> None:
        """Send amendments of orders that rest, where the capabilities say `amend`.

        Each is answered by AMENDED with the terms as the venue has them, or by AMEND_REJECTED: the order is as it was,
        and when it is not known to rest any more an OUTCOME_UNKNOWN follows. One that ends the order is answered by its
        end. Raises VenueRefused.
        """
        raise VenueRefused("this venue does not amend orders")

    @abstractmethod
    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Send cancels; each is answered by CANCELED, or CANCEL_REJECTED when the venue has no such open order."""

    @abstractmethod
    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        """Cancel every open order whose client order id `owns` says yes to, no other; a CANCELED for each."""

    @abstractmethod
    def request_report(self, request_id: int, since: str | None) -> None:
        """Ask for open orders, fills after the mark `since`, positions and balances: a VenueReport arrives."""

    @abstractmethod
    def poll(self, now_ns: int) -> int | None:
        """Do what is due at `now_ns` (the loop's clock) and return when to be called next.

        None: everything arrives by itself, from threads that put into the inbox with `wake`.
        """

    def answer_due_ns(self, now_ns: int) -> int:
        """Return when `poll` can have an answer to what was sent just now, at the earliest (the loop's clock)."""
        return now_ns

    @abstractmethod
    def close(self) -> None:
        """Disconnect. Orders stay as they are."""
