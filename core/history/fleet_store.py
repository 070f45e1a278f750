"""The history of a whole fleet in one SQLite file: rows of all ledgers and the events, and how far each was copied.

One writer. A page of rows and the place where the next one begins are one transaction, so a writer that is killed at
any point goes on where it was: nothing twice, nothing left out. Every row has a key of its own besides.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from core.history.records import FillRow, FundingRow, InstrumentRow, OrderRow
from utils.errors import HistoryError
from utils.sqlite_file import FileUnusable, Format

FILE_NAME = "fleet.db"
VERSION = 1
_BUSY_TIMEOUT_S = 5.0  # a reader that checkpoints; there is no second writer
SCHEMA = """
CREATE TABLE ledgers (
    ledger INTEGER PRIMARY KEY, bot TEXT NOT NULL, identity TEXT NOT NULL, fills_to INTEGER NOT NULL DEFAULT 0,
    last_leg TEXT, last_trade TEXT, funding_to INTEGER NOT NULL DEFAULT 0, orders_to_ns INTEGER NOT NULL DEFAULT 0,
    UNIQUE (bot, identity)
);
CREATE TABLE instruments (
    ledger INTEGER NOT NULL, leg TEXT NOT NULL, symbol TEXT NOT NULL, kind TEXT NOT NULL, base TEXT NOT NULL,
    quote TEXT NOT NULL, contract_size TEXT NOT NULL, PRIMARY KEY (ledger, leg)
) WITHOUT ROWID;
CREATE TABLE fills (
    ledger INTEGER NOT NULL, number INTEGER NOT NULL, leg TEXT NOT NULL, trade_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL, venue_order_id TEXT, side TEXT NOT NULL, price TEXT NOT NULL, size TEXT NOT NULL,
    liquidity TEXT NOT NULL, fee TEXT NOT NULL, fee_asset TEXT NOT NULL, utc_ns INTEGER NOT NULL,
    UNIQUE (ledger, leg, trade_id)
);
CREATE INDEX fills_time ON fills (utc_ns);
CREATE TABLE funding (
    ledger INTEGER NOT NULL, number INTEGER NOT NULL, leg TEXT NOT NULL, payment_id TEXT NOT NULL, amount TEXT NOT NULL,
    rate TEXT NOT NULL, mark_price TEXT NOT NULL, size TEXT NOT NULL, utc_ns INTEGER NOT NULL,
    UNIQUE (ledger, leg, payment_id)
);
CREATE TABLE orders (
    ledger INTEGER NOT NULL, client_order_id TEXT NOT NULL, leg TEXT NOT NULL, slot TEXT NOT NULL, side TEXT NOT NULL,
    price TEXT NOT NULL, size TEXT NOT NULL, filled TEXT NOT NULL, state TEXT NOT NULL, closed INTEGER NOT NULL,
    post_only INTEGER NOT NULL, reduce_only INTEGER NOT NULL, time_in_force TEXT NOT NULL, venue_order_id TEXT,
    sent_utc_ns INTEGER NOT NULL, acked_utc_ns INTEGER, reason TEXT NOT NULL, UNIQUE (ledger, client_order_id)
);
CREATE INDEX orders_open ON orders (ledger) WHERE closed = 0;
CREATE INDEX orders_time ON orders (sent_utc_ns);
CREATE TABLE equity (
    ledger INTEGER NOT NULL, leg TEXT NOT NULL, part INTEGER NOT NULL, utc_ns INTEGER NOT NULL, position TEXT NOT NULL,
    mid TEXT, realised TEXT NOT NULL, fees TEXT NOT NULL, funding TEXT NOT NULL, net TEXT, equity TEXT,
    PRIMARY KEY (ledger, leg, part)
) WITHOUT ROWID;
CREATE TABLE events (
    digest TEXT PRIMARY KEY, ts TEXT NOT NULL, kind TEXT NOT NULL, bot TEXT, reason TEXT, row TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX events_time ON events (ts);
CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE VIEW bot_fills AS SELECT bot, identity, symbol, base, quote, fills.* FROM fills
    JOIN ledgers USING (ledger) LEFT JOIN instruments USING (ledger, leg);
CREATE VIEW bot_funding AS SELECT bot, identity, symbol, quote, funding.* FROM funding
    JOIN ledgers USING (ledger) LEFT JOIN instruments USING (ledger, leg);
CREATE VIEW bot_orders AS SELECT bot, identity, symbol, orders.* FROM orders
    JOIN ledgers USING (ledger) LEFT JOIN instruments USING (ledger, leg);
CREATE VIEW bot_equity AS SELECT bot, identity, symbol, quote, equity.* FROM equity
    JOIN ledgers USING (ledger) LEFT JOIN instruments USING (ledger, leg);
"""
_ORDER_COLUMNS = (
    "ledger, client_order_id, leg, slot, side, price, size, filled, state, closed, post_only, reduce_only, "
    "time_in_force, venue_order_id, sent_utc_ns, acked_utc_ns, reason"
)
_PUT_ORDER = f"""INSERT INTO orders ({_ORDER_COLUMNS}) VALUES ({",".join("?" * 17)})
    ON CONFLICT (ledger, client_order_id) DO UPDATE SET price = excluded.price, size = excluded.size,
    filled = excluded.filled, state = excluded.state, closed = excluded.closed,
    venue_order_id = excluded.venue_order_id, sent_utc_ns = excluded.sent_utc_ns,
    acked_utc_ns = excluded.acked_utc_ns, reason = excluded.reason"""
_PUT_FILL = f"INSERT OR IGNORE INTO fills VALUES ({','.join('?' * 13)})"
_PUT_FUNDING = f"INSERT OR IGNORE INTO funding VALUES ({','.join('?' * 9)})"
GONE = "GONE"  # the state of an order whose ledger forgot it before its end was copied
_END_ORDER = f"UPDATE orders SET closed = 1, state = '{GONE}' WHERE ledger = ? AND client_order_id = ? AND closed = 0"
_FORGET_AT_ONCE = 5_000
_FORMAT = Format(SCHEMA, VERSION)


@dataclass(frozen=True, slots=True)
class Copied:
    """How far a ledger was copied."""

    ledger: int
    fills_to: int
    last_fill: tuple[str, str] | None  # leg and trade id of that fill
    funding_to: int
    orders_to_ns: int


class FleetStore:
    """The open file, for its only writer. Every method raises HistoryError when it cannot be written or read."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> FleetStore:
        """Open or create the file; its folder has to be there."""
        try:
            return cls(path, _FORMAT.open(path, _BUSY_TIMEOUT_S))
        except FileUnusable as exc:
            raise HistoryError(f"the history {path} {exc}") from exc

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.Error as exc:
            raise HistoryError(f"the history {self.path} cannot be written: {exc}") from exc
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def copied(self, bot: str, identity: str, instruments: Iterable[InstrumentRow]) -> Copied:
        """Return how far a ledger was copied; one that is new is from nothing on."""
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO ledgers (bot, identity) VALUES (?,?)", (bot, identity))
            (row,) = connection.execute(
                "SELECT ledger, fills_to, last_leg, last_trade, funding_to, orders_to_ns FROM ledgers "
                "WHERE bot = ? AND identity = ?",
                (bot, identity),
            ).fetchall()
            rows = [(row[0], *astuple(one)) for one in instruments]
            connection.executemany("REPLACE INTO instruments VALUES (?,?,?,?,?,?,?)", rows)
        last = None if row[3] is None else (row[2], row[3])
        return Copied(row[0], row[1], last, row[4], row[5])

    def add_fills(self, ledger: int, fills: Sequence[FillRow]) -> None:
        """Add a page of fills in the order of their numbers; the next page begins behind it."""
        with self._writing() as connection:
            connection.executemany(_PUT_FILL, [(ledger, *astuple(fill)) for fill in fills])
            last = fills[-1]
            connection.execute(
                "UPDATE ledgers SET fills_to = ?, last_leg = ?, last_trade = ? WHERE ledger = ?",
                (last.number, last.leg, last.trade_id, ledger),
            )

    def begin_again(self, ledger: int) -> None:
        """Copy all of a ledger once more: its numbers are not what they were. What is here already stays."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE ledgers SET fills_to = 0, last_leg = NULL, last_trade = NULL, funding_to = 0, orders_to_ns = 0 "
                "WHERE ledger = ?",
                (ledger,),
            )

    def add_funding(self, ledger: int, payments: Sequence[FundingRow]) -> None:
        """Add a page of funding payments; the next page begins behind it."""
        with self._writing() as connection:
            connection.executemany(_PUT_FUNDING, [(ledger, *astuple(payment)) for payment in payments])
            values = (payments[-1].number, ledger)
            connection.execute("UPDATE ledgers SET funding_to = ? WHERE ledger = ?", values)

    def put_orders(self, ledger: int, orders: Sequence[OrderRow], sent_to_ns: int = 0) -> None:
        """Add orders or bring them up to date; `sent_to_ns`: nothing sent before is looked for again."""
        with self._writing() as connection:
            connection.executemany(_PUT_ORDER, [(ledger, *astuple(order)) for order in orders])
            values = (sent_to_ns, ledger)
            connection.execute("UPDATE ledgers SET orders_to_ns = MAX(orders_to_ns, ?) WHERE ledger = ?", values)

    def open_orders(self, ledger: int) -> list[str]:
        """Return the client order ids that are open as far as is known here."""
        statement = "SELECT client_order_id FROM orders WHERE ledger = ? AND closed = 0 ORDER BY client_order_id"
        return [row[0] for row in self._read(statement, (ledger,))]

    def orders_gone(self, ledger: int, client_order_ids: Iterable[str]) -> None:
        """Note that orders have ended and nobody can say how."""
        with self._writing() as connection:
            connection.executemany(_END_ORDER, [(ledger, one) for one in client_order_ids])

    def equity_part(self, ledger: int, leg: str) -> int:
        """Return the newest part of a leg's equity, 0 when there is none."""
        found = self._read("SELECT MAX(part) FROM equity WHERE ledger = ? AND leg = ?", (ledger, leg))
        return int(found[0][0] or 0)

    def put_equity(self, ledger: int, leg: str, rows: Iterable[tuple[int, Sequence[Any]]]) -> None:
        """Add rows of the series, each with its part of time; a part's later row replaces the one before."""
        values = [(ledger, leg, part, *row) for part, row in rows]
        with self._writing() as connection:
            connection.executemany(f"REPLACE INTO equity VALUES ({','.join('?' * 11)})", values)

    def add_events(self, rows: Iterable[tuple[str, str, str, str | None, str | None, str]], mark: str) -> None:
        """Add events: digest, ts, kind, bot, reason and the line itself; and what they were read up to."""
        with self._writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?)", rows)
            connection.execute("REPLACE INTO marks VALUES ('events', ?)", (mark,))

    def events_mark(self) -> str:
        """Return the mark that was given with the last events, "" when there is none."""
        found = self._read("SELECT value FROM marks WHERE name = 'events'")
        return str(found[0][0]) if found else ""

    def newest_event(self) -> str:
        """Return the `ts` of the newest event, "" when there is none."""
        return str(self._read("SELECT MAX(ts) FROM events")[0][0] or "")

    def forget_orders(self, sent_before_ns: int) -> int:
        """Delete some thousand closed orders sent before a time; return how many that were."""
        with self._writing() as connection:
            return connection.execute(
                "DELETE FROM orders WHERE rowid IN "
                "(SELECT rowid FROM orders WHERE sent_utc_ns < ? AND closed = 1 LIMIT ?)",
                (sent_before_ns, _FORGET_AT_ONCE),
            ).rowcount

    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as exc:
            raise HistoryError(f"the history {self.path} cannot be read: {exc}") from exc
