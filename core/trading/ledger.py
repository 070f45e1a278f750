"""A bot's own record of its orders and fills: SQLite, one writer, in the state folder of the bot.

Journal mode WAL with synchronous NORMAL: a commit survives the death of the process; after a power loss the last ones
may be missing, and the venue's report brings them back. Fills are unique by (leg, venue trade id); each is written
together with the position after it. The fill mark (`since` of the next report) is written with the fills it covers.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.market.funding import FundingPayment
from core.market.instrument import Instrument
from core.market.order import Fill, Order
from core.market.position import VOLUMES, Position
from core.trading import latches as latch_file
from core.trading import ledger_rows as rows
from core.trading.latches import Latches
from core.trading.ledger_series import Sample, write_instrument, write_samples
from core.trading.order_changes import after_fill
from utils.errors import LedgerError
from utils.sqlite_file import FileUnusable, Format

_OPEN_TIMEOUT_S = 2.0  # somebody else may be recovering the same file
_BUSY_TIMEOUT_MS = 50  # after that nobody else writes; a loop must not wait for one who does
_PRUNE_AT_ONCE = 2_000
_FORMAT = Format(rows.SCHEMA, rows.SCHEMA_VERSION, rows.MIGRATIONS)


@dataclass(frozen=True, slots=True)
class Session:
    """What losses are measured from: begun by the first start or an operator's reset; money in quote."""

    began_utc_ns: int
    start_net: Decimal
    start_equity: Decimal | None
    peak_net: Decimal  # highest session net so far, at least 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What a strategy wants to remember: `saved` is JSON, `heard` the number of the last fill that is in it."""

    kind: str
    saved: str
    heard: int


@dataclass(slots=True)
class LedgerBatch:
    """What is to be written in one transaction; `fills` in the order in which they were booked."""

    orders: dict[str, Order] = field(default_factory=dict)
    fills: list[tuple[Fill, Position]] = field(default_factory=list)
    funding: list[FundingPayment] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)  # of legs with funding: after all of the batch
    marks: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    session: Session | None = None
    memory: Memory | None = None
    samples: Sequence[Sample] = ()  # of the series, one for each leg

    def __bool__(self) -> bool:
        if self.orders or self.fills or self.funding or self.marks or self.counters or self.samples:
            return True
        return self.session is not None or self.memory is not None


class Ledger:
    """The record of one bot. Every method raises LedgerError when the file cannot be written or read."""

    keeps_series = True  # False: samples are not wanted

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.latches = Latches(path.with_name(latch_file.FILE_NAME))
        self._connection = connection
        self._instruments: dict[str, Instrument] = {}
        self._described: set[str] = set()  # legs whose instrument is in the file as it is now

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open or create the ledger at `path`; its latches are in `latches.json` beside it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = _FORMAT.open(path, _OPEN_TIMEOUT_S)
        except OSError as exc:
            raise LedgerError(f"the ledger {path} cannot be opened: {exc}") from exc
        except FileUnusable as exc:
            raise LedgerError(f"the ledger {path} {exc}") from exc
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        return cls(path, connection)

    @classmethod
    def open_to_read(cls, path: Path) -> Ledger:
        """Open the ledger that exists at `path` for reading only, where its format is the present one.

        To give it back takes no checkpoint, which waits for the disk: whoever writes to it next does that.
        """
        with contextlib.suppress(sqlite3.Error):
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=_OPEN_TIMEOUT_S
            )
            try:
                if connection.execute("PRAGMA user_version").fetchone()[0] == rows.SCHEMA_VERSION:
                    return cls(path, connection)
            except BaseException:
                connection.close()
                raise
            connection.close()
        return cls.open(path)  # which brings it forward, or says what is wrong with it

    def use_instrument(self, leg: str, instrument: Instrument) -> None:
        """Tell in which ticks and lots the orders and fills of a leg are counted."""
        self._instruments[leg] = instrument
        self._described.discard(leg)

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    # Writing

    def write(self, batch: LedgerBatch) -> int:
        """Write a batch in one transaction and return how many of its fills were new."""
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            new = sum(self._insert_fill(fill, position) for fill, position in batch.fills)
            for payment in batch.funding:
                self._insert_funding(payment, batch.positions[payment.leg])
            for order in batch.orders.values():
                execute(rows.UPSERT_ORDER, rows.order_row(order, self._instrument(order.leg)))
            self._write_rest(batch)
            self._write_series(batch.samples)
            execute("COMMIT")
            self._described.update(sample.leg for sample in batch.samples)
            return new
        except sqlite3.Error as exc:
            self._roll_back()
            raise LedgerError(f"the ledger {self.path} cannot be written: {exc}") from exc
        except BaseException:
            self._roll_back()
            raise

    def _insert_fill(self, fill: Fill, position: Position) -> bool:
        instrument = self._instrument(fill.leg)
        cursor = self._connection.execute(rows.INSERT_FILL, rows.fill_row(fill, instrument))
        if not cursor.rowcount:
            return False
        self._put_position(position, instrument)
        return True

    def _insert_funding(self, payment: FundingPayment, position: Position) -> None:
        instrument = self._instrument(payment.leg)
        if self._connection.execute(rows.INSERT_FUNDING, rows.funding_row(payment, instrument)).rowcount:
            self._put_position(position, instrument)

    def _put_position(self, position: Position, instrument: Instrument) -> None:
        plain = json.dumps(position.to_plain(instrument.lot_size))
        self._connection.execute("REPLACE INTO positions (leg, position) VALUES (?,?)", (position.leg, plain))

    def _write_rest(self, batch: LedgerBatch) -> None:
        execute = self._connection.execute
        for leg, mark in batch.marks.items():
            execute("REPLACE INTO marks (leg, mark) VALUES (?,?)", (leg, mark))
        for name, value in batch.counters.items():
            execute("REPLACE INTO counters (name, value) VALUES (?,?)", (name, value))
        if batch.session:
            session = batch.session
            equity = None if session.start_equity is None else rows.text(session.start_equity)
            values = (session.began_utc_ns, rows.text(session.start_net), equity, rows.text(session.peak_net))
            execute("REPLACE INTO session VALUES (1,?,?,?,?)", values)
        if batch.memory:
            memory = batch.memory
            execute("REPLACE INTO memory VALUES (1,?,?,?)", (memory.kind, memory.saved, memory.heard))

    def _write_series(self, samples: Sequence[Sample]) -> None:
        for leg in {sample.leg for sample in samples} - self._described:
            write_instrument(self._connection, leg, self._instrument(leg))
        write_samples(self._connection, samples)

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:  # the first error is the one to tell
            pass

    def record_order(self, order: Order) -> None:
        """Record a new order, before it is sent."""
        self.write(LedgerBatch(orders={order.client_order_id: order}))

    def record_orders(self, orders: Iterable[Order]) -> None:
        """Record a group of new orders in one transaction, before it is sent."""
        self.write(LedgerBatch(orders={order.client_order_id: order for order in orders}))

    def record_update(self, order: Order) -> None:
        """Record what has become of an order."""
        self.record_order(order)

    def record_fill(self, fill: Fill, position_after: Position) -> bool:
        """Record a fill, the position after it and its order in one transaction; False when the fill is known."""
        if self.has_fill(fill.leg, fill.trade_id):
            return False
        order = self.order(fill.client_order_id)
        batch = LedgerBatch(fills=[(fill, position_after)])
        if order is not None:
            batch.orders[order.client_order_id] = after_fill(order, fill)
        return self.write(batch) == 1

    def set_mark(self, leg: str, mark: str) -> None:
        """Record up to where the venue's fills are in the ledger."""
        self.write(LedgerBatch(marks={leg: mark}))

    def begin_session(self, session: Session) -> None:
        """Record what losses are measured from from now on."""
        self.write(LedgerBatch(session=session))

    def reset(self, utc_ns: int) -> None:
        """Clear the latches and end the session, for an operator."""
        self.latches.reset(utc_ns)

    def prune(self, before_utc_ns: int) -> None:
        """Forget some thousand closed orders sent before a time, a few at once to hold nobody up; fills stay."""
        chosen = "SELECT client_order_id FROM orders WHERE closed = 1 AND sent_ns < ? LIMIT ?"
        self._query(f"DELETE FROM orders WHERE client_order_id IN ({chosen})", (before_utc_ns, _PRUNE_AT_ONCE))

    # Reading

    def order(self, client_order_id: str) -> Order | None:
        """Return an order, None when it is in no row."""
        found = self._query(f"SELECT {rows.ORDER_COLUMNS} FROM orders WHERE client_order_id = ?", (client_order_id,))
        return self._order(found[0]) if found else None

    def order_id_at(self, leg: str, venue_order_id: str) -> str | None:
        """Return the client order id of the order that has a venue's order id, None when it is in no row."""
        statement = "SELECT client_order_id FROM orders WHERE leg = ? AND venue_order_id = ?"
        found = self._query(statement, (leg, venue_order_id))
        return found[0][0] if found else None

    def open_orders(self, leg: str | None = None) -> list[Order]:
        """Return every order that is not closed, of one leg or of all, in the order of their ids."""
        found = self._query(f"SELECT {rows.ORDER_COLUMNS} FROM orders WHERE closed = 0 ORDER BY client_order_id")
        return [self._order(row) for row in found if leg is None or row[1] == leg]

    def open_ids(self) -> frozenset[str]:
        """Return the client order ids of every order that is not closed; no instrument needs to be known."""
        return frozenset(row[0] for row in self._query("SELECT client_order_id FROM orders WHERE closed = 0"))

    def sent_since(self, utc_ns: int) -> list[int]:
        """Return when each order that was sent after a time was sent, oldest first."""
        found = self._query("SELECT sent_ns FROM orders WHERE sent_ns > ? ORDER BY sent_ns", (utc_ns,))
        return [row[0] for row in found]

    def has_fill(self, leg: str, trade_id: str) -> bool:
        """Tell whether a fill is booked."""
        return bool(self._query("SELECT 1 FROM fills WHERE leg = ? AND trade_id = ?", (leg, trade_id)))

    def has_funding(self, leg: str, payment_id: str) -> bool:
        """Tell whether a funding payment is booked."""
        return bool(self._query("SELECT 1 FROM funding WHERE leg = ? AND payment_id = ?", (leg, payment_id)))

    def funding(self, leg: str) -> list[FundingPayment]:
        """Return every booked funding payment of a leg, oldest first."""
        found = self._query(f"SELECT {rows.FUNDING_COLUMNS} FROM funding WHERE leg = ? ORDER BY number", (leg,))
        return [rows.funding_from(row, self._instrument(leg)) for row in found]

    def filled_lots(self, leg: str, client_order_id: str) -> int:
        """Return the sum of an order's booked fills in lots."""
        found = self._query("SELECT size FROM fills WHERE leg = ? AND client_order_id = ?", (leg, client_order_id))
        return self._instrument(leg).to_lots(sum((Decimal(row[0]) for row in found), Decimal(0)))

    def position(self, leg: str) -> Position:
        """Return the position after the last booked fill."""
        found = self._query("SELECT position FROM positions WHERE leg = ?", (leg,))
        if not found:
            return Position(leg)
        try:
            position = Position.from_plain(plain := json.loads(found[0][0]), self._instrument(leg).lot_size)
        except ValueError as exc:
            raise LedgerError(f"the position of {leg} in {self.path} cannot be read: {exc}") from exc
        return position if VOLUMES[0] in plain else self._with_volumes(position)

    def _with_volumes(self, position: Position) -> Position:
        """Return a position of an older record with the volumes of its fills; the next one that is written has them."""
        counted = Position(position.leg)
        for fill in self.fills(position.leg):
            counted = counted.after_fill(fill, self._instrument(position.leg))
        return replace(position, **{name: getattr(counted, name) for name in VOLUMES})

    def fills(self, leg: str) -> list[Fill]:
        """Return every booked fill of a leg, oldest first."""
        found = self._query(f"SELECT {rows.FILL_COLUMNS} FROM fills WHERE leg = ? ORDER BY number", (leg,))
        return [rows.fill_from(row, self._instrument(leg)) for row in found]

    def fills_after(self, number: int) -> list[tuple[Fill, str]]:
        """Return the fills of all legs booked after the `number`th, oldest first, each with the slot of its order."""
        columns = ", ".join(f"f.{name}" for name in rows.FILL_COLUMNS.split(", "))
        joined = "fills f LEFT JOIN orders o ON o.client_order_id = f.client_order_id AND o.leg = f.leg"
        found = self._query(f"SELECT {columns}, o.slot FROM {joined} WHERE f.number > ? ORDER BY f.number", (number,))
        return [(rows.fill_from(row[:-1], self._instrument(row[0])), row[-1] or "") for row in found]

    def fill_count(self) -> int:
        """Return the number of the last booked fill, 0 when there is none."""
        return int(self._query("SELECT COALESCE(MAX(number), 0) FROM fills")[0][0])

    def memory(self) -> Memory | None:
        """Return what a strategy saved last, None when none ever did."""
        found = self._query("SELECT kind, saved, heard FROM memory")
        return Memory(*found[0]) if found else None

    def replay(self, leg: str) -> Position:
        """Return what the booked fills and payments add up to; equal to `position` unless the file was edited."""
        position = Position(leg)
        for fill in self.fills(leg):
            position = position.after_fill(fill, self._instrument(leg))
        for payment in self.funding(leg):
            position = position.after_funding(payment.amount)
        return position

    def mark(self, leg: str) -> str | None:
        """Return up to where the venue's fills are booked, None before the first report."""
        found = self._query("SELECT mark FROM marks WHERE leg = ?", (leg,))
        return found[0][0] if found else None

    def session(self) -> Session | None:
        """Return the session, None when there is none since the last reset."""
        found = self._query("SELECT began_utc_ns, start_net, start_equity, peak_net FROM session")
        if not found or found[0][0] <= self.latches.reset_utc_ns:
            return None
        began, net, equity, peak = found[0]
        return Session(began, Decimal(net), None if equity is None else Decimal(equity), Decimal(peak))

    def counters(self) -> dict[str, int]:
        """Return the lifetime counters."""
        return dict(self._query("SELECT name, value FROM counters"))

    def _query(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as exc:
            raise LedgerError(f"the ledger {self.path} cannot be used: {exc}") from exc

    def _order(self, row: tuple[Any, ...]) -> Order:
        try:
            return rows.order_from(row, self._instrument(row[1]))
        except (ValueError, ArithmeticError) as exc:  # such as a state that only newer code knows, after a roll-back
            raise LedgerError(f"order {row[0]} in {self.path} cannot be read: {exc}") from exc

    def _instrument(self, leg: str) -> Instrument:
        try:
            return self._instruments[leg]
        except KeyError:
            raise LedgerError(f"the ledger was not told the instrument of leg {leg!r}") from None
