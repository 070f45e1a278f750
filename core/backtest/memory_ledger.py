"""A ledger for one backtest: nothing outlives the process, and what is frequent never meets a database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from core.market.instrument import Instrument
from core.market.order import Fill, Order, OrderState
from core.market.position import Position
from core.trading import ledger_rows as rows
from core.trading.latches import Latch, Latches
from core.trading.ledger import Ledger, LedgerBatch

_NOWHERE = Path(os.devnull)
_REPLACING = OrderState.PENDING_REPLACE


class _Latches(Latches):
    """Tripped gates of a run that nobody goes on with."""

    def _load(self) -> None:
        """Begin with none."""

    def _write(self, latches: dict[str, Latch], reset_utc_ns: int) -> None:
        """Keep them only in memory."""


class MemoryLedger(Ledger):
    """Orders, fills and positions are in dicts; all that is rare is in SQLite's memory."""

    keeps_series = False

    def __init__(self) -> None:
        """Begin an empty one."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(f"{rows.SCHEMA} PRAGMA user_version = {rows.SCHEMA_VERSION}; PRAGMA journal_mode=OFF;")
        super().__init__(_NOWHERE, connection)
        self.latches = _Latches(_NOWHERE)
        self._orders: dict[str, Order] = {}
        self._fills: dict[tuple[str, str], Fill] = {}  # by leg and trade id, as they were booked
        self._filled: dict[tuple[str, str], int] = {}  # lots by leg and order
        self._positions: dict[str, Position] = {}

    def write(self, batch: LedgerBatch) -> int:
        """Keep a batch and return how many of its fills were new."""
        for order in batch.orders.values():
            if order.state is _REPLACING:
                self._orders.pop(order.client_order_id, None)  # from now on it is one that was sent now
        self._orders.update(batch.orders)
        new = sum([self._book(fill, position) for fill, position in batch.fills]) if batch.fills else 0
        if batch.funding or batch.marks or batch.counters or batch.session or batch.memory:
            super().write(replace(batch, orders={}, fills=[]))
        return new

    def _book(self, fill: Fill, position: Position) -> bool:
        key = (fill.leg, fill.trade_id)
        if key in self._fills:
            return False
        self._fills[key] = fill
        order_key = (fill.leg, fill.client_order_id)
        self._filled[order_key] = self._filled.get(order_key, 0) + fill.size_lots
        self._positions[fill.leg] = position
        return True

    def _put_position(self, position: Position, instrument: Instrument) -> None:
        self._positions[position.leg] = position

    def prune(self, before_utc_ns: int) -> None:
        """Forget closed orders sent before a time; they are in the order in which they were sent."""
        sent_before = takewhile(lambda order: order.sent_ns < before_utc_ns, self._orders.values())
        for key in [order.client_order_id for order in sent_before if order.is_closed]:
            del self._orders[key]

    def order(self, client_order_id: str) -> Order | None:
        """Return an order, None when it is not known."""
        return self._orders.get(client_order_id)

    def has_fill(self, leg: str, trade_id: str) -> bool:
        """Tell whether a fill is booked."""
        return (leg, trade_id) in self._fills

    def filled_lots(self, leg: str, client_order_id: str) -> int:
        """Return the sum of an order's booked fills in lots."""
        return self._filled.get((leg, client_order_id), 0)

    def position(self, leg: str) -> Position:
        """Return the position after the last booked fill."""
        return self._positions.get(leg) or Position(leg)

    def fills(self, leg: str) -> list[Fill]:
        """Return every booked fill of a leg, oldest first."""
        return [fill for fill in self._fills.values() if fill.leg == leg]

    def fills_after(self, number: int) -> list[tuple[Fill, str]]:
        """Return the fills behind the `number`-th, oldest first, each with the slot of its order."""
        behind = list(self._fills.values())[number:]
        orders = [self._orders.get(fill.client_order_id) for fill in behind]
        return [(fill, order.slot if order else "") for fill, order in zip(behind, orders, strict=True)]

    def fill_count(self) -> int:
        """Return the number of the last booked fill, 0 when there is none."""
        return len(self._fills)

    def order_id_at(self, leg: str, venue_order_id: str) -> str | None:
        """Return the client order id of the order that has a venue's order id, None when it is not known.

        Asked for fills that name no order of ours, which are few.
        """
        newest_first = reversed(self._orders.values())
        at_venue = (order for order in newest_first if order.leg == leg and order.venue_order_id == venue_order_id)
        return next((order.client_order_id for order in at_venue), None)

    def open_orders(self, leg: str | None = None) -> list[Order]:
        """Return every order that is not closed, of one leg or of all, in the order of their ids."""
        return [order for order in self._open() if leg is None or order.leg == leg]

    def open_ids(self) -> frozenset[str]:
        """Return the client order ids of every order that is not closed."""
        return frozenset(order.client_order_id for order in self._open())

    def _open(self) -> Iterable[Order]:
        return (order for _, order in sorted(self._orders.items()) if not order.is_closed)
