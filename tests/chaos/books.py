"""The books of a run, read where they lie: the venues' own records and the bots' ledgers. No code of makerd reads here.

A paper venue's file is locked while its worker lives, so a copy of it is read. A simulator is asked over its control
port.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.chaos.roster import BotSpec
from tests.sim_process import SimProcess

_COPIES = 50  # tries until a file was not written to while it was copied


@dataclass(frozen=True, slots=True)
class FillFact:
    """One fill, as told by either side."""

    side: str
    price: Decimal
    size: Decimal
    fee: Decimal

    @property
    def signed(self) -> Decimal:
        """Return the size, negative for a sell."""
        return self.size if self.side == "buy" else -self.size


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One order that rests. `venue_id` is the venue's own id; `incarnation` grows with each worker of a bot."""

    venue_id: str
    side: str
    price: Decimal
    remaining: Decimal
    incarnation: int = 0


@dataclass(frozen=True, slots=True)
class VenueBook:
    """What a venue says of one bot's account and symbol."""

    orders: tuple[OpenOrder, ...] = ()
    fills: Mapping[str, FillFact] = field(default_factory=dict)  # by the venue's trade id
    held: Decimal | None = None  # its own record of the position; None where it keeps none (spot)

    @property
    def position(self) -> Decimal:
        """Return the position: the venue's word, on spot what its fills add up to."""
        return sum((fill.signed for fill in self.fills.values()), Decimal(0)) if self.held is None else self.held


@dataclass(frozen=True, slots=True)
class LedgerBook:
    """What a bot's ledger says. `rows` counts its fills, `open_ids` are the venue's ids of orders it calls open."""

    fills: Mapping[str, FillFact]
    rows: int
    position: Decimal
    open_ids: frozenset[str]


# ---------------------------------------------------------------- simulators


def read_simulator(sim: SimProcess, bots: Iterable[BotSpec], fills: int = 1_000_000) -> dict[str, VenueBook]:
    """Return the books of the bots that trade at a simulator, all of one moment."""
    state = sim.state(fills=fills)
    return {bot.name: venue_book(state, bot) for bot in bots}


def venue_book(state: Mapping[str, Any], bot: BotSpec) -> VenueBook:
    """Return a bot's part of a simulator's state."""
    account = state["accounts"][bot.account]
    orders = tuple(_open_order(row) for row in account["open_orders"] if row["symbol"] == bot.venue_symbol)
    rows = [row for row in account["fills"] if row["symbol"] == bot.venue_symbol]
    held = None
    if not bot.is_spot:
        held = Decimal(account["positions"].get(bot.venue_symbol, {"size": "0"})["size"])
    return VenueBook(orders, {row["trade_id"]: _fill(row) for row in rows}, held)


def _open_order(row: Mapping[str, Any]) -> OpenOrder:
    remaining = Decimal(row["size"]) - Decimal(row["filled"])
    name = row["label"] or row["client_id"] or ""
    return OpenOrder(row["order_id"], row["side"], Decimal(row["price"]), remaining, incarnation_of(name))


def incarnation_of(client_order_id: str) -> int:
    """Return what tells the worker that sent an order from its predecessors, by the form of our ids."""
    if client_order_id.isdecimal():
        return (int(client_order_id) & (1 << 22) - 1) // 4096  # a number: each worker begins a block of its own
    return int(client_order_id[10:15], 32) if client_order_id.startswith("mk") else 0


def _fill(row: Mapping[str, Any]) -> FillFact:
    return FillFact(row["side"], Decimal(row["price"]), Decimal(row["size"]), Decimal(row["fee"]))


# ---------------------------------------------------------------- files


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory(prefix="makerd-books-") as folder:
        db = sqlite3.connect(_copied(path, Path(folder)))
        db.row_factory = sqlite3.Row
        try:
            yield db
        finally:
            db.close()


def _copied(path: Path, folder: Path) -> Path:
    """Copy a database and its log as they are at one moment; reading the original would lock out its owner."""
    copy = folder / path.name
    for _ in range(_COPIES):
        before = _stamp(path)
        shutil.copyfile(path, copy)
        wal = path.with_name(path.name + "-wal")
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(wal, copy.with_name(wal.name))
        if _stamp(path) == before:
            return copy
        copy.with_name(wal.name).unlink(missing_ok=True)
    raise AssertionError(f"{path} was written to without a pause")


def _stamp(path: Path) -> list[tuple[int, int]]:
    files = [path, path.with_name(path.name + "-wal")]
    return [(stat.st_mtime_ns, stat.st_size) for file in files if file.exists() for stat in [file.stat()]]


def read_ledger(state: Path, bot: BotSpec) -> LedgerBook:
    """Return what a bot's ledger says; an empty one when it has none yet."""
    path = state / bot.name / "ledger.db"
    if not path.exists() or not path.stat().st_size:
        return LedgerBook({}, 0, Decimal(0), frozenset())
    with _connected(path) as db:
        rows = db.execute("SELECT trade_id, side, price, size, fee FROM fills").fetchall()
        position = db.execute("SELECT position FROM positions").fetchone()
        ids = db.execute("SELECT venue_order_id FROM orders WHERE closed = 0 AND venue_order_id IS NOT NULL").fetchall()
    held = Decimal(json.loads(position[0])["size"]) if position else Decimal(0)
    return LedgerBook({row["trade_id"]: _fill(row) for row in rows}, len(rows), held, frozenset(row[0] for row in ids))


def paper_file(state: Path, bot: BotSpec) -> Path:
    """Return the file of a bot's paper venue."""
    return state / "paper" / f"paper-{bot.account}-{bot.symbol}.db"


def read_paper(state: Path, bot: BotSpec) -> VenueBook:
    """Return the book of a bot's paper venue."""
    path = paper_file(state, bot)
    if not path.exists() or not path.stat().st_size:
        return VenueBook()
    with _connected(path) as db:
        orders = db.execute("SELECT venue_order_id, client_order_id, side, price, size, filled FROM orders").fetchall()
        fills = db.execute("SELECT trade_id, side, price, size, fee FROM fills").fetchall()
        position = db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()
    resting = tuple(
        OpenOrder(
            row["venue_order_id"],
            row["side"],
            Decimal(row["price"]),
            Decimal(row["size"]) - Decimal(row["filled"]),
            incarnation_of(row["client_order_id"]),
        )
        for row in orders
    )
    held = None if bot.is_spot or position is None else Decimal(json.loads(position[0])["size"])
    return VenueBook(resting, {row["trade_id"]: _fill(row) for row in fills}, held)


# ---------------------------------------------------------------- who runs


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A bot's run record and claims: `claimed_by` are the pids that its claim files name."""

    clean: bool | None  # None: it never ran
    claimed_by: frozenset[int]


def read_runs(home: Path, claims: Path, bots: Iterable[BotSpec]) -> dict[str, RunFacts]:
    """Return what run records and claim files say."""
    holders: dict[str, set[int]] = {}
    for path in claims.glob("*.lock"):
        with contextlib.suppress(ValueError, KeyError, OSError):
            plain = json.loads(path.read_text())
            holders.setdefault(plain["bot"], set()).add(int(plain["identity"]["pid"]))
    return {bot.name: RunFacts(_is_clean(home, bot), frozenset(holders.get(bot.name, ()))) for bot in bots}


def _is_clean(home: Path, bot: BotSpec) -> bool | None:
    path = home / "var" / "state" / bot.name / "run.json"
    return bool(json.loads(path.read_text())["clean"]) if path.exists() else None
