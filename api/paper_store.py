"""The paper venue's file: open orders, fills, balances, position and counters, one transaction a change.

SQLite in WAL mode: what was committed survives a kill at any point, what was not leaves no trace. Prices and sizes are
decimal text. One process at a time: a lock file beside it is held while it is open. SQLite's own exclusive mode needs
no shared-memory file, so that orders can be read and cancelled on a full disk, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from core.market.funding import FundingPayment
from core.market.instrument import Instrument
from core.market.order import Fill, Order, OrderState, Side
from core.market.position import Position
from core.market.sim_account import SimAccount
from utils.errors import VenueError, VenueUnreachable
from utils.files import open_locked

_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balances (asset TEXT PRIMARY KEY, total TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, client_order_id TEXT UNIQUE NOT NULL, venue_order_id TEXT NOT NULL, side TEXT NOT NULL,
    price TEXT NOT NULL, size TEXT NOT NULL, filled TEXT NOT NULL, post_only INTEGER NOT NULL,
    reduce_only INTEGER NOT NULL, time_in_force TEXT NOT NULL, sent_ns INTEGER NOT NULL, acked_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fills (
    number INTEGER PRIMARY KEY, trade_id TEXT UNIQUE NOT NULL, client_order_id TEXT NOT NULL,
    venue_order_id TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL, size TEXT NOT NULL, liquidity TEXT NOT NULL,
    fee TEXT NOT NULL, fee_asset TEXT NOT NULL, venue_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS funding (
    number INTEGER PRIMARY KEY, payment_id TEXT UNIQUE NOT NULL, amount TEXT NOT NULL, rate TEXT NOT NULL,
    mark_price TEXT NOT NULL, size TEXT NOT NULL, venue_ns INTEGER NOT NULL);
"""
NEWEST_PAYMENTS = 10  # that a report tells; older ones were told in the life in which they were made
_META = ("birth_utc_ns", "high_water_ns", "opens", "last_order", "last_trade", "revision")


class StoreFailed(VenueError):
    """The paper venue's file cannot be written; free some disk space."""


@dataclass(frozen=True, slots=True)
class StoredVenue:
    """What the file says at the opening."""

    birth_utc_ns: int
    high_water_ns: int  # the latest venue time on record
    opens: int  # how often it was opened, this time included
    last_order: int
    last_trade: int
    balances: Mapping[str, Decimal]
    position: Position
    orders: tuple[Order, ...]  # open ones, by arrival


@dataclass(slots=True)
class Change:
    """One step of the venue."""

    account: SimAccount
    last_order: int
    last_trade: int
    elapsed_ns: int
    saved: list[Order] = field(default_factory=list)  # open orders that are new or partly filled
    closed: set[str] = field(default_factory=set)  # client order ids
    fills: list[Fill] = field(default_factory=list)
    funding: list[FundingPayment] = field(default_factory=list)


class VenueStore(Protocol):
    """What a venue needs of its memory."""

    def load(
        self, instrument: Instrument, utc_ns: int, starting_balances: Mapping[str, Decimal], market_text: str
    ) -> StoredVenue:
        """Read the venue, giving birth to it first when it is new. Raises VenueUnreachable."""

    def commit(self, change: Change) -> None:
        """Write a step, all of it or nothing. Raises StoreFailed."""

    def fills_after(self, number: int, instrument: Instrument, leg: str) -> tuple[Fill, ...]:
        """Return the fills behind the `number`-th, oldest first. Raises StoreFailed."""

    def newest_funding(self, instrument: Instrument, leg: str) -> tuple[FundingPayment, ...]:
        """Return the newest payments, oldest first. Raises StoreFailed."""

    def close(self) -> None:
        """Give it back; twice does no harm."""


def store_path(state_dir: str, exchange: str, account: str, symbol: str) -> Path:
    """Return the file of one (venue, account, symbol); no two of them share a name, none leaves the folder."""
    return Path(state_dir) / "paper" / ("-".join(quote(part, safe="") for part in (exchange, account, symbol)) + ".db")


class PaperStore:
    """The open file; holds its lock until `close`."""

    def __init__(self, path: Path, holder: str) -> None:
        """Lock and open `path`; `holder` is what others are told. Raises VenueUnreachable."""
        self.path = path
        self._closed = False
        self._revision = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = open_locked(path.with_name(path.name + ".lock"))
        except OSError as exc:
            raise VenueUnreachable(f"{path}: cannot be opened ({exc.strerror or exc})") from exc
        if lock is None:
            raise VenueUnreachable(f"{path}: the paper account is in use by {_read_holder(path)}")
        self._lock = lock
        _write_holder(lock, holder)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        except sqlite3.Error as exc:
            os.close(lock)
            raise VenueUnreachable(f"{path}: {exc}") from exc

    def market_text(self) -> str | None:
        """Return the market facts noted at the last opening, None when there are none. Raises VenueUnreachable."""
        try:
            self._prepare()
            row = self._db.execute("SELECT value FROM meta WHERE key = 'market'").fetchone()
        except sqlite3.Error as exc:
            raise VenueUnreachable(f"{self.path}: cannot be used ({exc})") from exc
        return None if row is None else str(row[0])

    def load(
        self, instrument: Instrument, utc_ns: int, starting_balances: Mapping[str, Decimal], market_text: str
    ) -> StoredVenue:
        """Read the venue, giving birth to it first when the file is new. Raises VenueUnreachable."""
        try:
            self._prepare()
            if not self._db.execute("SELECT 1 FROM meta").fetchone():
                self._give_birth(utc_ns, starting_balances)
            stored = self._read(instrument)
        except StoreFailed as exc:
            raise VenueUnreachable(str(exc)) from exc
        except (sqlite3.Error, ValueError, KeyError, ArithmeticError) as exc:
            raise VenueUnreachable(f"{self.path}: cannot be used ({exc})") from exc
        with contextlib.suppress(StoreFailed), self._transaction():
            self._put_meta(
                {"opens": stored.opens, "market": market_text}
            )  # on a full disk cancels must still be possible
        return stored

    def _prepare(self) -> None:
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-256"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("PRAGMA wal_autocheckpoint=200")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            raise ValueError(f"it was written by a newer version, schema {version}")
        if version < _SCHEMA_VERSION:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_SCHEMA_VERSION}; COMMIT;")

    def _give_birth(self, utc_ns: int, balances: Mapping[str, Decimal]) -> None:
        with self._transaction():
            self._put_meta({**dict.fromkeys(_META, 0), "birth_utc_ns": utc_ns})
            self._put_meta({"position": json.dumps(Position("venue").to_plain())})
            self._put_balances(balances)

    def _read(self, instrument: Instrument) -> StoredVenue:
        meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        self._revision = int(meta["revision"])
        rows = self._db.execute("SELECT * FROM orders ORDER BY number").fetchall()
        totals = self._db.execute("SELECT asset, total FROM balances").fetchall()
        return StoredVenue(
            birth_utc_ns=int(meta["birth_utc_ns"]),
            high_water_ns=int(meta["high_water_ns"]),
            opens=int(meta["opens"]) + 1,
            last_order=int(meta["last_order"]),
            last_trade=int(meta["last_trade"]),
            balances={asset: Decimal(total) for asset, total in totals},
            position=Position.from_plain(json.loads(meta["position"]), instrument.lot_size),
            orders=tuple(_order_of(row, instrument) for row in rows),
        )

    def commit(self, change: Change) -> None:
        """Write a step, all of it or nothing. Raises StoreFailed."""
        instrument = change.account.instrument
        with self._transaction():
            delete = "DELETE FROM orders WHERE client_order_id = ?"
            self._db.executemany(delete, [(order_id,) for order_id in change.closed])
            marks = ",".join("?" * 12)
            rows = [_order_row(order, instrument) for order in change.saved]
            self._db.executemany(f"INSERT OR REPLACE INTO orders VALUES ({marks})", rows)
            if change.fills:
                fills = [_fill_row(fill, instrument) for fill in change.fills]
                self._db.executemany(f"INSERT INTO fills VALUES ({','.join('?' * 11)})", fills)
            if change.funding:
                payments = [_funding_row(payment, instrument) for payment in change.funding]
                self._db.executemany(f"INSERT INTO funding VALUES (NULL,{','.join('?' * 6)})", payments)
            if change.fills or change.funding:
                self._put_balances(change.account.balances)
                if not change.account.is_spot:
                    position = change.account.position.to_plain(instrument.lot_size)
                    self._put_meta({"position": json.dumps(position)})
            self._put_meta(
                {
                    "last_order": change.last_order,
                    "last_trade": change.last_trade,
                    "high_water_ns": change.elapsed_ns,
                }
            )

    def fills_after(self, number: int, instrument: Instrument, leg: str) -> tuple[Fill, ...]:
        """Return the fills behind the `number`-th, oldest first. Raises StoreFailed."""
        try:
            rows = self._db.execute("SELECT * FROM fills WHERE number > ? ORDER BY number", (number,)).fetchall()
        except sqlite3.Error as exc:
            raise StoreFailed(f"{self.path}: cannot be read ({exc})") from exc
        return tuple(_fill_of(row, instrument, leg) for row in rows)

    def newest_funding(self, instrument: Instrument, leg: str) -> tuple[FundingPayment, ...]:
        """Return the newest payments, oldest first. Raises StoreFailed."""
        statement = "SELECT * FROM funding ORDER BY number DESC LIMIT ?"
        try:
            rows = self._db.execute(statement, (NEWEST_PAYMENTS,)).fetchall()
        except sqlite3.Error as exc:
            raise StoreFailed(f"{self.path}: cannot be read ({exc})") from exc
        return tuple(_funding_of(row, instrument, leg) for row in reversed(rows))

    def close(self) -> None:
        """Close the file and give the lock back; twice does no harm."""
        if self._closed:
            return
        self._closed = True
        try:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
        finally:
            os.close(self._lock)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what the body writes. Raises StoreFailed, and then the file is as it was before."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._put_meta({"revision": self._revision + 1})
            self._db.execute("COMMIT")
        except sqlite3.Error as exc:
            if not self._is_committed_after_all():
                raise StoreFailed(f"{self.path}: cannot be written ({exc})") from exc
        self._revision += 1

    def _is_committed_after_all(self) -> bool:
        """Undo a failed transaction and tell whether it had reached the file before it failed."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            (revision,) = self._db.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone() or (0,)
        except sqlite3.Error:
            return False
        return int(revision) == self._revision + 1

    def _put_meta(self, values: Mapping[str, int | str]) -> None:
        rows = [(key, str(value)) for key, value in values.items()]
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def _put_balances(self, balances: Mapping[str, Decimal]) -> None:
        rows = [(asset, str(total)) for asset, total in balances.items()]
        self._db.executemany("INSERT OR REPLACE INTO balances VALUES (?, ?)", rows)


def _read_holder(path: Path) -> str:
    try:
        return path.with_name(path.name + ".lock").read_text()[:200].strip() or "another process"
    except OSError:
        return "another process"


def _write_holder(lock: int, holder: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
        os.ftruncate(lock, 0)
        os.pwrite(lock, holder.encode(), 0)


def _number(venue_id: str) -> int:
    """Return the number at the end of an order's or trade's id."""
    digits = venue_id[len(venue_id.rstrip("0123456789")) :]
    return int(digits)


def _order_row(order: Order, instrument: Instrument) -> tuple[object, ...]:
    assert order.venue_order_id is not None and order.acked_ns is not None
    price, size = instrument.to_price(order.price_ticks), instrument.to_size(order.size_lots)
    filled = instrument.to_size(order.filled_lots)
    return (
        _number(order.venue_order_id), order.client_order_id, order.venue_order_id, order.side.value,
        str(price), str(size), str(filled), order.post_only, order.reduce_only, order.time_in_force,
        order.sent_ns, order.acked_ns,
    )  # fmt: skip


def _order_of(row: tuple[object, ...], instrument: Instrument) -> Order:
    _, client_id, venue_id, side, price, size, filled, post_only, reduce_only, time_in_force, sent_ns, acked_ns = row
    filled_lots = instrument.to_lots(Decimal(str(filled)))
    return Order(
        client_order_id=str(client_id),
        leg="",
        side=Side(str(side)),
        price_ticks=instrument.to_ticks(Decimal(str(price))),
        size_lots=instrument.to_lots(Decimal(str(size))),
        venue_order_id=str(venue_id),
        filled_lots=filled_lots,
        state=OrderState.PARTIALLY_FILLED if filled_lots else OrderState.NEW,
        post_only=bool(post_only),
        reduce_only=bool(reduce_only),
        time_in_force=str(time_in_force),
        sent_ns=int(str(sent_ns)),
        acked_ns=int(str(acked_ns)),
    )


def _fill_row(fill: Fill, instrument: Instrument) -> tuple[object, ...]:
    price, size = instrument.to_price(fill.price_ticks), instrument.to_size(fill.size_lots)
    return (
        _number(fill.trade_id), fill.trade_id, fill.client_order_id, fill.venue_order_id, fill.side.value,
        str(price), str(size), fill.liquidity, str(fill.fee), fill.fee_asset, fill.venue_ns,
    )  # fmt: skip


def _fill_of(row: tuple[object, ...], instrument: Instrument, leg: str) -> Fill:
    _, trade_id, client_id, venue_id, side, price, size, liquidity, fee, fee_asset, venue_ns = row
    return Fill(
        trade_id=str(trade_id),
        client_order_id=str(client_id),
        leg=leg,
        side=Side(str(side)),
        price_ticks=instrument.to_ticks(Decimal(str(price))),
        size_lots=instrument.to_lots(Decimal(str(size))),
        liquidity=str(liquidity),
        fee=Decimal(str(fee)),
        fee_asset=str(fee_asset),
        venue_ns=int(str(venue_ns)),
        venue_order_id=str(venue_id),
    )


def _funding_row(payment: FundingPayment, instrument: Instrument) -> tuple[object, ...]:
    amounts = (payment.amount, payment.rate, payment.mark_price, instrument.to_size(payment.size_lots))
    return (payment.payment_id, *map(str, amounts), payment.venue_ns)


def _funding_of(row: tuple[object, ...], instrument: Instrument, leg: str) -> FundingPayment:
    _, payment_id, amount, rate, mark_price, size, venue_ns = row
    return FundingPayment(
        payment_id=str(payment_id),
        leg=leg,
        amount=Decimal(str(amount)),
        rate=Decimal(str(rate)),
        mark_price=Decimal(str(mark_price)),
        size_lots=instrument.to_lots(Decimal(str(size))),
        venue_ns=int(str(venue_ns)),
    )


def orders_and_closed(ids: Iterable[str], orders: Mapping[str, Order]) -> tuple[list[Order], set[str]]:
    """Return which of the touched `ids` are still open, and which are not."""
    touched = set(ids)
    return [order for order_id, order in orders.items() if order_id in touched], touched - orders.keys()
