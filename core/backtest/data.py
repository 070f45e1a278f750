"""The events that a backtest plays: one or more files of one market, cut to a span of time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from api.event_convert import load_events
from api.event_file import EventFile, EventSpan, Rows
from utils.errors import ConfigError
from utils.home import Home
from utils.moments import utc_ns_of


def load_data(files: Sequence[Path], cache: Path, from_ns: int | None = None, to_ns: int | None = None) -> EventSpan:
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
    return EventSpan(opened[0].market, rows[:end], begin)


def _check_joinable(files: Sequence[EventFile]) -> None:
    for before, after in pairwise(files):
        first, second = before.market, after.market
        facts = [(m.symbol, m.kind, m.tick_size, m.lot_size) for m in (first, second)]
        if facts[0] != facts[1]:
            raise ConfigError(f"{after.path} is of another market, tick or lot than {before.path}")
        if after.first_ns < before.last_ns:
            raise ConfigError(f"{after.path} begins before {before.path} ends")


def last_hours(data: EventSpan, hours: float) -> EventSpan:
    """Return the end of a span."""
    return replace(data, begin=max(data.begin, _row_at(data.rows, data.last_ns - int(hours * 3600e9))))


def _row_at(rows: Rows, time_ns: int) -> int:
    times = rows["local_ns"]
    return bisect_left(range(len(rows)), time_ns, key=lambda row: int(times[row]))


def data_of(home: Home, span: Mapping[str, Any]) -> EventSpan:
    """Return the events of a span; files are paths, or names in the data folders. Raises ConfigError."""
    files = [_found(Path(name), home.data_dirs) for name in span["files"]]
    begin, end = (None if span.get(key) is None else utc_ns_of(str(span[key])) for key in ("from", "to"))
    return load_data(files, Path(home.data_dirs[0]) / "cache", begin, end)


def _found(path: Path, folders: Sequence[str]) -> Path:
    for candidate in (path, *(Path(folder) / path for folder in folders)):
        if candidate.is_file():
            return candidate
    raise ConfigError(f"there is no file {path}, nor one of that name in {' or '.join(map(str, folders))}")
