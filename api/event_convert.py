"""From a recording to its event file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from api.compiled_recordings import digest_with, market_of
from api.event_file import CLEAR, LEVEL, MAX_TICKS, ROW, SUFFIX, TRADE, EventFile, EventWriter, open_events
from api.recording import Message, RecordingBook, RecordingReader
from core.market.order import Side
from utils.errors import ConfigError

_CHUNK = 65_536
_FORMAT = 1  # of what is made of a recording; another number makes every cached file anew

Row = tuple[int, int, int, int, int, int]


def convert_recording(recording: Path, out: Path) -> int:
    """Write the event file of a recording; return its rows. Raises RecordingError, ConfigError, OSError."""
    market = market_of(recording)
    reader = RecordingReader(recording, market.tick_size, market.lot_size)
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = EventWriter(out, market, recording.name)
    try:
        chunk: list[Row] = []
        for row in _rows_of(reader):
            chunk.append(row)
            if len(chunk) == _CHUNK:
                writer.write(np.array(chunk, dtype=ROW))
                chunk.clear()
        if chunk:
            writer.write(np.array(chunk, dtype=ROW))
    except BaseException:
        writer.abandon()
        raise
    return writer.finish()


def _rows_of(reader: RecordingReader) -> Iterator[Row]:
    """Yield a recording's rows: a whole book wherever one becomes known, then changes and prints."""
    rebuilt, known = RecordingBook(reader), False
    for message in reader:
        changed = list(rebuilt.apply(message))
        if message.kind == "snapshot":
            known = False
        if not known and rebuilt.is_synced:
            known = True
            yield from _whole_book(rebuilt, message)
        elif (message.kind == "depth" and changed and known) or (message.kind == "trade" and rebuilt.is_synced):
            yield from _message_rows(message)
    rebuilt.finish()


def _message_rows(message: Message) -> Iterator[Row]:
    kind = TRADE if message.kind == "trade" else LEVEL
    venue_ns = message.venue_ns or message.local_ns
    for side, price_ticks, size_lots in message.levels:
        _check_price(price_ticks)
        yield message.local_ns, venue_ns, size_lots, price_ticks, kind, side.sign


def _whole_book(rebuilt: RecordingBook, message: Message) -> Iterator[Row]:
    stamps = message.local_ns, message.venue_ns or message.local_ns
    yield *stamps, 0, 0, CLEAR, 0
    for side in Side:
        for level in rebuilt.book.top(side, MAX_TICKS):
            _check_price(level.price_ticks)
            yield *stamps, level.size_lots, level.price_ticks, LEVEL, side.sign


def _check_price(price_ticks: int) -> None:
    if price_ticks > MAX_TICKS:
        raise ConfigError(f"a price of {price_ticks} ticks does not fit an event file ({MAX_TICKS} at most)")


def load_events(path: Path, cache: Path) -> EventFile:
    """Open an event file, or a recording by way of its converted form in `cache`. Raises ConfigError, OSError."""
    if path.suffix == SUFFIX:
        return open_events(path)
    if not path.name.endswith(".csv.gz"):
        raise ConfigError(f"{path}: neither a recording (.csv.gz) nor an event file ({SUFFIX})")
    digest = digest_with(path, f"{_FORMAT} {market_of(path).to_text()}")
    converted = cache / f"{path.name.removesuffix('.csv.gz')}-{digest}{SUFFIX}"
    if not converted.is_file():
        convert_recording(path, converted)
    return open_events(converted)
