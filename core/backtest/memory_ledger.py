"""A ledger for one backtest: nothing outlives the process, and orders never meet a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from core.market.order import Order
from core.trading import ledger_rows as rows
from core.trading.ledger import Ledger, LedgerBatch


class MemoryLedger(Ledger):
    """Fills, positions and all that is rare are in SQLite's memory; orders, which are many, are in a dict."""

    keeps_series = False

    def __init__(self, folder: Path) -> None:
        """Begin an empty one; a latch that trips is written to `folder`."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(f"{rows.SCHEMA} PRAGMA user_version = {rows.SCHEMA_VERSION}; PRAGMA journal_mode=OFF;")
        super().__init__(folder / "ledger.db", connection)
        self._orders: dict[str, Order] = {}
        self._ids_at: dict[tuple[str, str], str] = {}

    def write(self, batch: LedgerBatch) -> int:
        """Keep a batch and return how many of its fills were new."""
        for order in batch.orders.values():
            self._keep(order)
        orders, batch.orders = batch.orders, {}
        try:
            return super().write(batch) if batch else 0
        finally:
            batch.orders = orders

    def _keep(self, order: Order) -> None:
        self._orders[order.client_order_id] = order
        if order.venue_order_id is not None:
            self._ids_at[order.leg, order.venue_order_id] = order.client_order_id

    def prune(self, before_utc_ns: int) -> None:
        """Forget closed orders sent before a time."""
        old = [key for key, order in self._orders.items() if order.is_closed and order.sent_ns < before_utc_ns]
        for key in old:
            order = self._orders.pop(key)
            self._ids_at.pop((order.leg, order.venue_order_id or ""), None)

    def order(self, client_order_id: str) -> Order | None:
        """Return an order, None when it is not known."""
        return self._orders.get(client_order_id)

    def order_id_at(self, leg: str, venue_order_id: str) -> str | None:
        """Return the client order id of the order that has a venue's order id, None when it is not known."""
        return self._ids_at.get((leg, venue_order_id))

    def open_orders(self, leg: str | None = None) -> list[Order]:
        """Return every order that is not closed, of one leg or of all, in the order of their ids."""
        return [order for order in self._open() if leg is None or order.leg == leg]

    def open_ids(self) -> frozenset[str]:
        """Return the client order ids of every order that is not closed."""
        return frozenset(order.client_order_id for order in self._open())

    def _open(self) -> Iterable[Order]:
        return (order for _, order in sorted(self._orders.items()) if not order.is_closed)
