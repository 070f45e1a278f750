"""Opened event files as the span that is played, and where a person's words for files and times lead."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from api.event_file import EventFile, EventSpan, Rows
from utils.errors import ConfigError
from utils.home import Home
from utils.moments import utc_ns_of


def joined(files: Sequence[EventFile]) -> EventSpan:
    """Return files of one market as one, in the order of their time. Raises ConfigError."""
    opened = sorted(files, key=lambda file: file.first_ns)
    if not opened:
        raise ConfigError("a backtest needs at least one file of events")
    _check_joinable(opened)
    rows = opened[0].rows if len(opened) == 1 else np.concatenate([file.rows for file in opened])
    return EventSpan(opened[0].market, rows, 0)


def _check_joinable(files: Sequence[EventFile]) -> None:
    for before, after in pairwise(files):
        first, second = before.market, after.market
        facts = [(m.symbol, m.kind, m.tick_size, m.lot_size) for m in (first, second)]
        if facts[0] != facts[1]:
            raise ConfigError(f"{after.path} is of another market, tick or lot than {before.path}")
        if after.first_ns < before.last_ns:
            raise ConfigError(f"{after.path} begins before {before.path} ends")


def cut(whole: EventSpan, from_ns: int | None, to_ns: int | None) -> EventSpan:
    """Return the events of [from, to), UTC; those before only make the first book. Raises ConfigError without any."""
    rows = whole.rows
    begin = 0 if from_ns is None else row_at(rows, from_ns)
    end = len(rows) if to_ns is None else row_at(rows, to_ns)
    if begin >= end:
        raise ConfigError("there are no events in the span from --from to --to")
    return EventSpan(whole.market, rows[:end], begin)


def row_at(rows: Rows, time_ns: int) -> int:
    """Return the first row that is not before a time, UTC."""
    times = rows["local_ns"]
    return bisect_left(range(len(rows)), time_ns, key=lambda row: int(times[row]))


def times_of(span: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return when a span begins and ends, UTC in ns, None where it does not say. Raises ConfigError."""
    begin, end = (None if span.get(key) is None else utc_ns_of(str(span[key])) for key in ("from", "to"))
    return begin, end


def cache_of(home: Home) -> Path:
    """Return where converted recordings are."""
    return Path(home.data_dirs[0]) / "cache"


def find_data(home: Home, name: str) -> Path:
    """Return the file of a path, or of a name in the data folders. Raises ConfigError."""
    path, folders = Path(name), home.data_dirs
    for candidate in (path, *(Path(folder) / path for folder in folders)):
        if candidate.is_file():
            return candidate
    raise ConfigError(f"there is no file {path}, nor one of that name in {' or '.join(map(str, folders))}")
