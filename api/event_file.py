"""Event files: every change of a book and every print of a market, one fixed row each, mapped and never parsed.

    8 bytes magic | JSON header, padded with blanks to HEADER_BYTES in all | rows of ROW (32 bytes each)

The header holds the market's facts (the sidecar of a recording), the number of rows and the range of the prices, so
that a file is complete in itself. Rows are in the order of `local_ns`, the recorder's UTC. A book begins with a row
CLEAR and its levels; from there on LEVEL sets the absolute size at a price, 0 removes it. The ending is `.events`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from api.market_facts import Market, market_from_text
from utils.errors import ConfigError

SUFFIX = ".events"
LEVEL, TRADE, CLEAR = 0, 1, 2
ROW = np.dtype(
    {
        "names": ["local_ns", "venue_ns", "size_lots", "price_ticks", "kind", "side"],
        "formats": ["<i8", "<i8", "<i8", "<i4", "i1", "i1"],  # side: +1 bid or buyer, -1 ask or seller
        "offsets": [0, 8, 16, 24, 28, 29],
        "itemsize": 32,
    }
)
HEADER_BYTES = 4096
_MAGIC = b"MKEVENT1"
MAX_TICKS = 2**31 - 1

Rows = npt.NDArray[np.void]
Words = npt.NDArray[np.int64]  # rows as four whole numbers each; the last one holds price, kind and side


@dataclass(frozen=True, slots=True)
class EventFile:
    """An opened event file; its rows are mapped, and what is written to them stays in this process."""

    path: Path
    market: Market
    rows: Rows
    price_range: tuple[int, int]  # lowest and highest price of a level, ticks
    source: str = ""

    @property
    def first_ns(self) -> int:
        """Return the time of the first row, UTC."""
        return int(self.rows["local_ns"][0])

    @property
    def last_ns(self) -> int:
        """Return the time of the last row, UTC."""
        return int(self.rows["local_ns"][-1])


@dataclass(frozen=True, slots=True)
class EventSpan:
    """What of event files is played: rows up to the end of the span; those before `begin` only make the first book.

    `from_ns` and `until_ns` are given where the span is longer than from its first row to its last one: the span of
    several markets.
    """

    market: Market
    rows: Rows
    begin: int
    from_ns: int | None = None
    until_ns: int | None = None

    @property
    def events(self) -> int:
        """Return how many rows are played."""
        return len(self.rows) - self.begin

    @property
    def first_ns(self) -> int:
        """Return when the span begins, UTC: at the first row that is played unless it says another time."""
        return int(self.rows["local_ns"][self.begin]) if self.from_ns is None else self.from_ns

    @property
    def last_ns(self) -> int:
        """Return when the span ends, UTC: at its last row unless it says another time."""
        return int(self.rows["local_ns"][-1]) if self.until_ns is None else self.until_ns


def open_events(path: Path) -> EventFile:
    """Map an event file. Raises ConfigError when it is none, or not whole."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    if not head.startswith(_MAGIC):
        raise ConfigError(f"{path}: not an event file; `run.py convert` makes one from a recording")
    try:
        plain = json.loads(head[len(_MAGIC) :])
        count, low, high = (int(plain[key]) for key in ("rows", "min_ticks", "max_ticks"))
        facts, source = json.dumps(plain["market"]), str(plain.get("source", ""))
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"{path}: the header cannot be read ({exc})") from exc
    if count < 1 or size != HEADER_BYTES + count * ROW.itemsize:
        raise ConfigError(f"{path}: {size} bytes, the header says {count} rows; the file is not whole")
    # Copy on write, which nobody does: numba takes an array that may not be written to by a way that is slower.
    rows = np.memmap(path, dtype=ROW, mode="c", offset=HEADER_BYTES, shape=(count,))
    return EventFile(path, market_from_text(facts, path), rows.view(np.ndarray), (low, high), source)


def words_of(rows: Rows) -> Words:
    """Return the same rows, in the same place, as plain numbers: what a compiled function is given at once."""
    return rows.view(np.int64).reshape(len(rows), ROW.itemsize // 8)


class EventWriter:
    """Writes an event file beside its name and gives it the name when it is whole."""

    def __init__(self, path: Path, market: Market, source: str = "") -> None:
        self._path, self._market, self._source = path, market, source
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._rows = 0
        self._low, self._high = MAX_TICKS, 0
        self._file = self._partial.open("wb")
        self._file.write(bytes(HEADER_BYTES))

    def write(self, rows: Rows) -> None:
        """Add rows, which follow those before in time."""
        prices = rows["price_ticks"][rows["kind"] == LEVEL]
        if len(prices):
            self._low, self._high = min(self._low, int(prices.min())), max(self._high, int(prices.max()))
        self._rows += len(rows)
        self._file.write(np.ascontiguousarray(rows).tobytes())

    def finish(self) -> int:
        """Complete the file; return how many rows it has. Raises ConfigError for one without a book."""
        if not self._high:
            self.abandon()
            raise ConfigError(f"{self._path}: there is no book in what was to be written")
        facts = {"rows": self._rows, "min_ticks": self._low, "max_ticks": self._high, "source": self._source}
        header = _MAGIC + json.dumps({**facts, "market": json.loads(self._market.to_text())}).encode()
        if len(header) > HEADER_BYTES:
            self.abandon()
            raise ConfigError(f"{self._path}: the facts of the market are longer than {HEADER_BYTES} bytes")
        self._file.seek(0)
        self._file.write(header.ljust(HEADER_BYTES))
        self._file.close()
        os.replace(self._partial, self._path)
        return self._rows

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._partial.unlink(missing_ok=True)
