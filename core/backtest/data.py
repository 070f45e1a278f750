"""The events that a backtest plays: one or more files of one market, cut to a span of time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np

from api.event_convert import load_events
from api.event_file import EventFile, Rows
from api.market_facts import Market
from utils.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BacktestData:
    """Rows up to the end of the span; those before `begin` only make the first book."""

    market: Market
    rows: Rows
    begin: int
    price_range: tuple[int, int]  # ticks, of all levels

    @property
    def events(self) -> int:
        """Return how many rows are played."""
        return len(self.rows) - self.begin

    @property
    def first_ns(self) -> int:
        """Return the time of the first row that is played, UTC."""
        return int(self.rows["local_ns"][self.begin])

    @property
    def last_ns(self) -> int:
        """Return the time of the last row, UTC."""
        return int(self.rows["local_ns"][-1])


def load_data(files: Sequence[Path], cache: Path, from_ns: int | None = None, to_ns: int | None = None) -> BacktestData:
    """Open event files, or recordings by way of their converted form. Raises ConfigError, OSError.

    Several files are joined in memory, in the order of their time; the span is [from, to), UTC.
    """
    opened = sorted((load_events(path, cache) for path in files), key=lambda file: file.first_ns)
    if not opened:
        raise ConfigError("a backtest needs at least one file of events")
    _check_joinable(opened)
    rows = opened[0].rows if len(opened) == 1 else np.concatenate([file.rows for file in opened])
    begin = 0 if from_ns is None else _row_at(rows, from_ns)
    end = len(rows) if to_ns is None else _row_at(rows, to_ns)
    if begin >= end:
        raise ConfigError("there are no events in the span from --from to --to")
    low, high = zip(*(file.price_range for file in opened), strict=True)
    return BacktestData(opened[0].market, rows[:end], begin, (min(low), max(high)))


def _check_joinable(files: Sequence[EventFile]) -> None:
    for before, after in pairwise(files):
        first, second = before.market, after.market
        facts = [(m.symbol, m.kind, m.tick_size, m.lot_size) for m in (first, second)]
        if facts[0] != facts[1]:
            raise ConfigError(f"{after.path} is of another market, tick or lot than {before.path}")
        if after.first_ns < before.last_ns:
            raise ConfigError(f"{after.path} begins before {before.path} ends")


def _row_at(rows: Rows, time_ns: int) -> int:
    times = rows["local_ns"]
    return bisect_left(range(len(rows)), time_ns, key=lambda row: int(times[row]))


def utc_ns_of(text: str) -> int:
    """Return a time as `2024-08-08T23:55:00` (UTC unless it says otherwise) or UTC nanoseconds. Raises ConfigError."""
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a time such as 2024-08-08T23:55:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 10**9 + moment.microsecond * 1000
