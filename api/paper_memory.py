"""A paper venue's way to its file: what cannot be written did not happen, but for cancels, which are owed to it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from api.paper_store import Change, StoreFailed, VenueStore

_log = logging.getLogger("makerd.orders")
_RETRY_NS = 10**9  # between attempts to write down cancels that a full disk refused


class PaperMemory:
    """The file of one venue, and the cancels that it does not have yet."""

    def __init__(self, store: VenueStore) -> None:
        self.store = store
        self._unsaved: set[str] = set()  # orders that were cancelled while the file could not be written
        self._retry_ns = 0
        self._works = True

    def commit(self, change: Change) -> str | None:
        """Write a change and the cancels that are still owed; return why they could not be written."""
        change.closed |= self._unsaved
        try:
            self.store.commit(change)
        except StoreFailed as exc:
            if self._works:
                _log.error("paper_store_failed", extra={"fields": {"reason": str(exc)}})
            self._works = False
            return str(exc)
        self._unsaved.clear()
        self._works = True
        return None

    def owe(self, order_ids: Iterable[str]) -> None:
        """Note cancels that could not be written; they hold all the same."""
        self._unsaved.update(order_ids)

    def is_retry_due(self, now_ns: int) -> bool:
        """Tell, about once a second, that cancels are owed."""
        if not self._unsaved or now_ns < self._retry_ns:
            return False
        self._retry_ns = now_ns + _RETRY_NS
        return True
