"""One market of a venue that is only read: what fails is told, never raised, and whoever polls never waits.

A venue of the network is opened by a thread, for opening waits, and anew with growing pauses for as long as that
fails; an embedded one is opened at once. Its own client reconnects while it is open. Nothing here can send an order.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from api.base_client import Inbox, InboxItem

if TYPE_CHECKING:
    from api.base_client import ExchangeClient
    from core.market.instrument import Instrument

_NS = 1_000_000_000
FIRST_PAUSE_NS, LONGEST_PAUSE_NS = _NS, 30 * _NS  # between two attempts to open it
_LOOK_NS = _NS  # while a thread opens it, which wakes the caller when it has
_log = logging.getLogger("makerd.market")

Make = Callable[[], "ExchangeClient"]


class MarketReader:
    """One market, polled by one thread; times are the clock of `poll`, in nanoseconds."""

    def __init__(self, make: Make, leg: str, waits: bool) -> None:
        """Prepare; `make` returns a client for each attempt, `waits` says that its `open` does."""
        self._make, self._leg, self._waits = make, leg, waits
        self._inbox = Inbox()
        self._client: ExchangeClient | None = None
        self._failed: ExchangeClient | None = None  # to be disconnected before the next attempt
        self._opening: _Opening | None = None
        self._due_ns = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._is_closed = False
        self.problem = ""  # why it is not open, as far as that is known

    @property
    def instrument(self) -> Instrument | None:
        """Return what is traded there, None while it is not open."""
        return None if self._client is None else self._client.instrument

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is something to hear."""
        return self._inbox.fileno()

    def poll(self, now_ns: int) -> int | None:
        """Do what is due and return when to be called next; None where everything comes by itself."""
        if self._is_closed:
            return None
        self._inbox.hush()
        if self._client is None and not self._opens(now_ns):
            return now_ns + _LOOK_NS if self._opening is not None else self._due_ns
        assert self._client is not None
        try:
            return self._client.poll(now_ns)
        except Exception as exc:  # whatever it is: no order is at stake here
            self._lose(exc, now_ns)
            return self._due_ns

    def heard(self) -> list[InboxItem]:
        """Return and forget what the venue said."""
        return self._inbox.drain()

    def close(self) -> None:
        """Disconnect; an attempt that is under way ends itself."""
        if self._is_closed:
            return
        self._is_closed = True
        opening, client = self._opening, self._client
        if opening is not None and not opening.give_up():
            return  # its thread has client and inbox to close
        for one in (self._failed, client, None if opening is None else opening.client):
            _close_quietly(one)
        self._client = None
        self._inbox.close()

    def _opens(self, now_ns: int) -> bool:
        """Go on with opening; tell whether it is open."""
        if self._opening is None:
            if now_ns < self._due_ns:
                return False
            self._opening = _Opening(self._make, self._inbox, self._leg, self._failed)
            self._failed = None
            self._opening.begin(self._waits)
        opening = self._opening
        if not opening.is_over:
            return False
        self._opening = None
        if opening.client is None:
            self._failed = opening.failed
            self._wait_after(opening.problem, now_ns)
            return False
        self._client = opening.client
        try:
            self._client.start_market_data()
        except Exception as exc:  # as in `poll`
            self._lose(exc, now_ns)
            return False
        self.problem, self._pause_ns = "", FIRST_PAUSE_NS
        return True

    def _lose(self, exc: Exception, now_ns: int) -> None:
        self._client, self._failed = None, self._client
        self._wait_after(_told(exc), now_ns)

    def _wait_after(self, problem: str, now_ns: int) -> None:
        if problem != self.problem:
            _log.warning("reference_not_open", extra={"fields": {"reason": problem}})
        self.problem = problem
        self._due_ns = now_ns + self._pause_ns
        self._pause_ns = min(LONGEST_PAUSE_NS, 2 * self._pause_ns)


class _Opening:
    """One attempt to open a venue, in a thread where that waits."""

    def __init__(self, make: Make, inbox: Inbox, leg: str, failed: ExchangeClient | None) -> None:
        self._make, self._inbox, self._leg = make, inbox, leg
        self.failed = failed  # still to be disconnected
        self._lock = threading.Lock()
        self._is_given_up = False
        self.is_over = False
        self.client: ExchangeClient | None = None
        self.problem = ""

    def begin(self, in_thread: bool) -> None:
        """Open it, in a thread of its own or at once."""
        if not in_thread:
            self._run(Exception)
            return
        try:
            threading.Thread(target=self._run, args=(BaseException,), name="reference-open", daemon=True).start()
        except RuntimeError as exc:  # no more threads can be had
            self.problem, self.is_over = _told(exc), True

    def give_up(self) -> bool:
        """Want it no more; tell whether it is over, so that the caller has client and inbox to close."""
        with self._lock:
            self._is_given_up = True
            return self.is_over

    def _run(self, caught: type[BaseException]) -> None:
        """Open it; what is `caught` is told, and tried again: a thread of its own has nobody else to tell."""
        client: ExchangeClient | None = None
        try:
            _close_quietly(self.failed)
            self.failed = None
            client = self._make()
            client.open(self._inbox, self._leg)
        except caught as exc:
            client, self.problem = None, _told(exc)
        with self._lock:
            if not self._is_given_up:
                self._inbox.wake()
                self.client, self.is_over = client, True  # last: whoever sees it may close the inbox
                return
        _close_quietly(client)
        self._inbox.close()


def _told(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {exc}"[:200]


def _close_quietly(client: ExchangeClient | None) -> None:
    """Disconnect a client that nobody listens to any more."""
    if client is None:
        return
    try:
        client.close()
    except Exception as exc:  # it may have failed before
        _log.info("reference_not_closed", extra={"fields": {"reason": _told(exc)}})
