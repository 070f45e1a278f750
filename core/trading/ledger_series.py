"""The ledger's series: what a bot was worth about every ten seconds, coarser with age, never more than a bound.

A row is a leg at a UTC time. `step_s` says how fine the rows around it are: of a bucket of the next coarser step only
the last row is kept, so a day's last row stays for as long as the series goes back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.market.instrument import Instrument

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
TIERS = (  # step in seconds, and how old its rows get before the next step takes them over
    (10, DAY_NS),
    (300, 90 * DAY_NS),
    (3_600, 730 * DAY_NS),
)
_BUCKETS_AT_ONCE = 2  # per tier and write: twice of what a running bot needs, and nothing anybody would notice
SCHEMA = """CREATE TABLE IF NOT EXISTS series (
    leg TEXT NOT NULL, step_s INTEGER NOT NULL, utc_ns INTEGER NOT NULL, position TEXT NOT NULL, mid TEXT,
    realised TEXT NOT NULL, fees TEXT NOT NULL, funding TEXT NOT NULL, net TEXT, equity TEXT,
    PRIMARY KEY (leg, step_s, utc_ns)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instruments (
    leg TEXT PRIMARY KEY, symbol TEXT NOT NULL, kind TEXT NOT NULL, base TEXT NOT NULL, quote TEXT NOT NULL,
    contract_size TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY CHECK (id = 1), ledger TEXT NOT NULL);
INSERT OR IGNORE INTO identity VALUES (1, lower(hex(randomblob(8))));
CREATE INDEX IF NOT EXISTS fills_time ON fills (venue_ns);"""
_VALUES = "position, mid, realised, fees, funding, net, equity"
_INSERT = f"REPLACE INTO series (leg, step_s, utc_ns, {_VALUES}) VALUES (?,?,?,?,?,?,?,?,?,?)"
_RAISE = f"""REPLACE INTO series (leg, step_s, utc_ns, {_VALUES})
    SELECT leg, ?, utc_ns, {_VALUES} FROM series WHERE leg = ? AND step_s = ? AND utc_ns >= ? AND utc_ns < ?
    ORDER BY utc_ns DESC LIMIT 1"""
_DELETE = "DELETE FROM series WHERE leg = ? AND step_s = ? AND utc_ns >= ? AND utc_ns < ?"


@dataclass(frozen=True, slots=True)
class Sample:
    """One leg at a time: position in base units, money in quote; lifetime sums, `net` after fees and open profit.

    `equity` is that of the bot's accounts, in the row of its first leg only. None is not known.
    """

    leg: str
    utc_ns: int
    position: Decimal
    mid: Decimal | None
    realised: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal | None
    equity: Decimal | None


def write_samples(connection: sqlite3.Connection, samples: Sequence[Sample]) -> None:
    """Add rows and let age do its work, inside the transaction that is open. Raises sqlite3.Error."""
    for sample in samples:
        connection.execute(_INSERT, _row(sample))
        _thin(connection, sample.leg, sample.utc_ns)


def write_instrument(connection: sqlite3.Connection, leg: str, traded: Instrument) -> None:
    """Say what a leg trades, for readers that know no venue. Raises sqlite3.Error."""
    names = (leg, traded.symbol, traded.kind, traded.base, traded.quote)
    connection.execute("REPLACE INTO instruments VALUES (?,?,?,?,?,?)", (*names, _text(traded.contract_size)))


def _row(sample: Sample) -> tuple[str | int | None, ...]:
    money = (sample.realised, sample.fees, sample.funding, sample.net, sample.equity)
    figures = (sample.position, sample.mid, *money)
    return (sample.leg, TIERS[0][0], sample.utc_ns, *(None if one is None else _text(one) for one in figures))


def _text(number: Decimal) -> str:
    """Return a decimal without an exponent or trailing zeros."""
    written = format(number, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def _thin(connection: sqlite3.Connection, leg: str, utc_ns: int) -> None:
    for (step_s, age_ns), (coarser_s, _) in pairwise(TIERS):
        for _ in range(_BUCKETS_AT_ONCE):
            if not _raise_oldest(connection, leg, step_s, coarser_s, utc_ns - age_ns):
                break
    last_s, age_ns = TIERS[-1]
    connection.execute(_DELETE, (leg, last_s, 0, utc_ns - age_ns))


def _raise_oldest(connection: sqlite3.Connection, leg: str, step_s: int, coarser_s: int, before_ns: int) -> bool:
    """Make one row of the oldest bucket that is over; return False when none is."""
    found = connection.execute("SELECT MIN(utc_ns) FROM series WHERE leg = ? AND step_s = ?", (leg, step_s)).fetchone()
    if found[0] is None:
        return False
    width_ns = coarser_s * SECOND_NS
    begin_ns = found[0] // width_ns * width_ns
    end_ns = begin_ns + width_ns
    if end_ns > before_ns:
        return False
    connection.execute(_RAISE, (coarser_s, leg, step_s, begin_ns, end_ns))
    connection.execute(_DELETE, (leg, step_s, begin_ns, end_ns))
    return True
