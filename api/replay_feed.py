"""A recording as a feed: compiled once into a flat array of integers, mapped read-only, replayed for ever.

Compiled form, one `.npy` file of int64: a header of `HEADER` numbers (magic, version, depth, interval ns, pictures,
prints), then per picture `depth` bid prices, bid sizes, ask prices, ask sizes (ticks and lots, size 0: no such
level), then per print offset ns, price, size, aggressor (+1 buy, -1 sell). The file's name holds a digest of the
recording's content and of everything else that it depends on, so it never goes stale; all processes that map it share
its pages. Picture i is the book at the recorder's time i x interval after the book was complete.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from api.compiled_recording import HEADER, MAGIC, VERSION, compiled_path
from api.feed import PRINT_COLUMNS, BlockFeed, Ints, Levels
from api.market_facts import Market
from api.recording import Message, RecordingBook, RecordingReader
from core.market.book import Level
from core.market.order import Side
from utils.errors import ConfigError
from utils.files import write_atomic

_MAX_SILENCE_NS = 600 * 10**9
_MAX_PICTURES = 2_000_000


class ReplayFeed(BlockFeed):
    """A compiled recording in a loop; one loop is one block."""

    def __init__(self, data: Ints) -> None:
        depth, interval_ns, pictures, prints = (int(number) for number in data[2:6])
        super().__init__(interval_ns, pictures)
        self._depth = depth
        end = HEADER + pictures * 4 * depth
        self._books = data[HEADER:end].reshape(pictures, 4 * depth)
        self._loop_prints = data[end : end + prints * PRINT_COLUMNS].reshape(prints, PRINT_COLUMNS)

    def _load(self, block: int) -> Ints:
        return self._loop_prints

    def _levels(self, picture: int) -> tuple[Levels, Levels]:
        row, depth = self._books[picture].tolist(), self._depth
        return _side(row[:depth], row[depth : 2 * depth]), _side(row[2 * depth : 3 * depth], row[3 * depth :])


def _side(prices: list[int], sizes: list[int]) -> Levels:
    levels = tuple(map(Level, prices, sizes))
    return levels if sizes[-1] else tuple(level for level in levels if level.size_lots)


def open_replay(recording: Path, market: Market, interval_ns: int, depth: int, cache: Path) -> ReplayFeed:
    """Return the feed of a recording, compiling it when `cache` does not have it yet. Raises ConfigError."""
    compiled = compiled_path(recording, market, interval_ns, depth, cache)
    data = _load_compiled(compiled, interval_ns, depth)
    if data is None:
        reader = RecordingReader(recording, market.tick_size, market.lot_size)
        _store_compiled(compiled, compile_recording(reader, interval_ns, depth))
        data = _load_compiled(compiled, interval_ns, depth)
    if data is None:
        raise ConfigError(f"{compiled}: the compiled recording cannot be read back; delete it and try again")
    return ReplayFeed(data)


def _load_compiled(path: Path, interval_ns: int, depth: int) -> Ints | None:
    """Map a compiled file, None when there is none or it is not whole."""
    try:
        # asarray: the same mapped pages as a plain array, whose elements are far cheaper to reach.
        data: Ints = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None
    if data.ndim != 1 or data.dtype != np.int64 or len(data) < HEADER:
        return None
    magic, version, file_depth, file_interval, pictures, prints = data[:6].tolist()
    expected = HEADER + pictures * 4 * depth + prints * PRINT_COLUMNS
    same = (magic, version, file_depth, file_interval) == (MAGIC, VERSION, depth, interval_ns)
    return data if same and pictures > 0 and len(data) == expected else None


def _store_compiled(path: Path, data: Ints) -> None:
    content = io.BytesIO()
    np.save(content, data, allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content.getvalue())
    except OSError as exc:
        raise ConfigError(f"{path}: the compiled recording cannot be written ({exc.strerror or exc})") from exc


def compile_recording(reader: RecordingReader, interval_ns: int, depth: int) -> Ints:
    """Return the compiled form of a recording (see the top of this module). Raises RecordingError."""
    compiler = _Compiler(reader, interval_ns, depth)
    for message in reader:
        compiler.take(message)
    return compiler.finish()


class _Compiler:
    """Turns messages into pictures at a fixed interval and prints."""

    def __init__(self, reader: RecordingReader, interval_ns: int, depth: int) -> None:
        self._reader, self._interval_ns, self._depth = reader, interval_ns, depth
        self._rebuilt = RecordingBook(reader)
        self._start_ns: int | None = None
        self._last_ns = 0
        self._pictures: list[list[int]] = []
        self._prints: list[tuple[int, int, int, int]] = []

    def take(self, message: Message) -> None:
        """Take the next message of the recording."""
        if self._start_ns is not None:
            self._check_silence(message)
            self._take_pictures(message.local_ns)
        for _ in self._rebuilt.apply(message):
            pass
        if self._start_ns is None:
            if not self._rebuilt.is_synced:
                return
            self._start_ns = message.local_ns
        self._last_ns = message.local_ns
        if message.kind == "trade":
            side, price_ticks, size_lots = message.levels[0]
            self._prints.append((message.local_ns - self._start_ns, price_ticks, size_lots, side.sign))

    def finish(self) -> Ints:
        """Return everything taken as one flat array."""
        self._rebuilt.finish()
        self._take_pictures(self._last_ns + 1)
        header = [MAGIC, VERSION, self._depth, self._interval_ns, len(self._pictures), len(self._prints), 0, 0]
        parts = [np.array(part, dtype=np.int64).reshape(-1) for part in (header, self._pictures, self._prints)]
        return np.concatenate(parts)

    def _check_silence(self, message: Message) -> None:
        if message.local_ns - self._last_ns > _MAX_SILENCE_NS:
            silence_s = (message.local_ns - self._last_ns) // 10**9
            raise self._reader.error(message.line, "local_ts_ns", f"a silence of {silence_s} s, expected 600 s at most")
        if len(self._pictures) > _MAX_PICTURES:
            raise self._reader.error(message.line, None, f"more than {_MAX_PICTURES} pictures; use a longer interval")

    def _take_pictures(self, before_ns: int) -> None:
        """Take the pictures due before `before_ns`: the book then was what it is now."""
        assert self._start_ns is not None
        due_ns = self._start_ns + len(self._pictures) * self._interval_ns
        if due_ns >= before_ns:
            return
        row = self._row()
        while due_ns < before_ns:
            self._pictures.append(row)
            due_ns += self._interval_ns

    def _row(self) -> list[int]:
        row: list[int] = []
        for side in (Side.BUY, Side.SELL):
            levels = self._rebuilt.book.top(side, self._depth)
            missing = [0] * (self._depth - len(levels))
            row += [level.price_ticks for level in levels] + missing
            row += [level.size_lots for level in levels] + missing
        return row
