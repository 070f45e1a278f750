"""Brings the fleet's history up to date from the ledgers: what is new of each, page by page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import TypeVar

from core.history import ledger_reader as reader
from core.history.bot_history import ledgers
from core.history.fleet_store import Copied, FleetStore
from utils.errors import LedgerError

PAGE = 5_000  # rows of a transaction
PART_NS = 300 * 10**9  # of the equity: one row for five minutes
_IDS = 500  # of orders that are asked for at once
_LATE_NS = 60 * 10**9  # an order may come into a ledger that much later than it was sent
_NEVER_NS = (1 << 62) - 1

T = TypeVar("T")
GoOn = Callable[[], bool]  # False: end soon, the rest is for the next time


def sync_fleet(store: FleetStore, state: Path, go_on: GoOn) -> list[str]:
    """Copy what is new of every ledger below `state`; return why some could not be read.

    Raises HistoryError when the history itself cannot be written.
    """
    problems = []
    for bot, path in ledgers(state).items():
        if not go_on():
            break
        try:
            identity, traded = reader.identity(path), reader.instruments(path)
            if identity is not None:  # else no worker of this version has had it yet
                _sync(store, store.copied(bot, identity, traded.values()), path, identity, go_on)
        except LedgerError as exc:
            problems.append(str(exc))
    return problems


def _sync(store: FleetStore, copied: Copied, path: Path, identity: str, go_on: GoOn) -> None:
    at, payment = copied.fills_to, copied.funding_to
    sent_ns = copied.orders_to_ns
    if at and not _continues(path, copied):
        store.begin_again(copied.ledger)
        at = payment = sent_ns = 0
    while go_on() and (fills := reader.fills_after(path, at, PAGE)):
        _still(path, identity)
        store.add_fills(copied.ledger, fills)
        at = fills[-1].number
    while go_on() and (payments := reader.funding_after(path, payment, PAGE)):
        _still(path, identity)
        store.add_funding(copied.ledger, payments)
        payment = payments[-1].number
    if go_on():
        _sync_orders(store, copied.ledger, path, identity, sent_ns)
    if go_on():
        _sync_equity(store, copied.ledger, path, identity)


def _still(path: Path, identity: str) -> None:
    """Make sure that what was read is of the ledger that we mean: folders are moved by people."""
    if reader.identity(path) != identity:
        raise LedgerError(f"the ledger {path} was replaced while it was copied")


def _continues(path: Path, copied: Copied) -> bool:
    """Tell whether the last fill that was copied is where it was; it is not in a ledger that came from a backup."""
    found = reader.fills(path, copied.fills_to + 1, 1)
    return bool(found) and (found[0].number, (found[0].leg, found[0].trade_id)) == (copied.fills_to, copied.last_fill)


def _sync_orders(store: FleetStore, ledger: int, path: Path, identity: str, sent_to_ns: int) -> None:
    known = store.open_orders(ledger)
    new = [*reader.orders_between(path, max(0, sent_to_ns - _LATE_NS), _NEVER_NS), *reader.open_orders(path)]
    changed = [order for ids in _pages(known, _IDS) for order in reader.orders_of(path, ids)]
    _still(path, identity)
    found = {order.client_order_id: order for order in (*new, *changed)}
    newest_ns = max((order.sent_utc_ns for order in found.values()), default=0)
    for page in _pages(found.values(), PAGE):
        store.put_orders(ledger, page)
    store.put_orders(ledger, (), newest_ns)
    store.orders_gone(ledger, [one for one in known if one not in found])


def _sync_equity(store: FleetStore, ledger: int, path: Path, identity: str) -> None:
    span = reader.series_span(path)
    for leg in () if span is None else reader.instruments(path):
        assert span is not None
        part = max(store.equity_part(ledger, leg), span[0] // PART_NS)
        begin_ns = part * PART_NS
        parts = max(1, (span[1] - begin_ns) // PART_NS + 1)
        points = reader.series(path, begin_ns, begin_ns + parts * PART_NS, parts, leg)
        _still(path, identity)
        for page in _pages(points, PAGE):
            store.put_equity(ledger, leg, ((point.utc_ns // PART_NS, astuple(point)) for point in page))


def _pages(rows: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    left = iter(rows)
    while page := tuple(islice(left, size)):
        yield page


def event_rows(lines: Iterable[str]) -> Iterator[tuple[str, str, str, str | None, str | None, str]]:
    """Return lines of the event file as rows of the store; a line that is none, torn by a full disk, is left out."""
    for line in lines:
        text = line.strip()
        try:
            plain = json.loads(text)
            ts, kind = str(plain["ts"]), str(plain["kind"])
        except (ValueError, KeyError, TypeError):
            continue
        told: Sequence[str | None] = [None if plain.get(key) is None else str(plain[key]) for key in ("bot", "reason")]
        yield hashlib.sha256(text.encode()).hexdigest()[:32], ts, kind, told[0], told[1], text
