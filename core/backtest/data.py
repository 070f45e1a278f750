"""The events that a backtest plays: one or more files of one market, cut to a span of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from api.event_convert import load_events
from api.event_file import EventSpan
from core.backtest.event_spans import cache_of, cut, find_data, joined, row_at, times_of
from utils.home import Home


def load_data(files: Sequence[Path], cache: Path, from_ns: int | None = None, to_ns: int | None = None) -> EventSpan:
    """Open event files, or recordings by way of their converted form. Raises ConfigError, OSError.

    Several files are joined in memory, in the order of their time; the span is [from, to), UTC.
    """
    return cut(joined([load_events(path, cache) for path in files]), from_ns, to_ns)


def last_hours(data: EventSpan, hours: float) -> EventSpan:
    """Return the end of a span."""
    return replace(data, begin=max(data.begin, row_at(data.rows, data.last_ns - int(hours * 3600e9))))


def data_of(home: Home, span: Mapping[str, Any]) -> EventSpan:
    """Return the events of a span; files are paths, or names in the data folders. Raises ConfigError."""
    files = [find_data(home, name) for name in span["files"]]
    return load_data(files, cache_of(home), *times_of(span))
