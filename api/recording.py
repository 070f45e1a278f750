"""Recorded market data: a stream of checked messages, and the order book rebuilt from them.

The format is described in `data/recordings/README.md`. Whatever is wrong with a file is one `RecordingError` that names
file, line and column. Rows are read one at a time: the memory needed does not grow with the file.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO

from core.market.book import LocalBook
from core.market.order import Side
from utils.errors import ConfigError

COLUMNS = (
    "msg", "local_ts_ns", "exch_ts_ns", "event_ts_ns", "kind", "side",
    "price", "size", "first_id", "last_id", "prev_id", "flag",
)  # fmt: skip
_BOOK_SIDES = {"bid": Side.BUY, "ask": Side.SELL}
_TRADE_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_SIDES = {"snapshot": _BOOK_SIDES, "depth": _BOOK_SIDES, "bbo": _BOOK_SIDES, "trade": _TRADE_SIDES}
_DECIMAL = re.compile(r"\d{1,20}(\.\d{1,20})?")
_WHOLE = re.compile(r"\d{1,19}")
_MAX_LINE = 4096
_MAX_PENDING = 10_000  # depth messages kept while the snapshot is awaited
_MAX_CACHED_PRICES = 100_000


class RecordingError(ConfigError):
    """A recording is not usable; replace the file."""

    def __init__(self, file: str, line: int | None, column: str | None, problem: str) -> None:
        self.file, self.line, self.column, self.problem = file, line, column, problem
        place = file if line is None else f"{file}, line {line}"
        super().__init__(f"{place}{'' if column is None else f', column {column}'}: {problem}")


@dataclass(slots=True)
class Message:
    """One source message with all its rows, in ticks and lots; to be applied as a whole."""

    number: int
    kind: str  # snapshot | depth | bbo | trade
    line: int
    local_ns: int  # the recorder's clock, UTC
    venue_ns: int | None
    event_ns: int | None
    first_id: int | None
    last_id: int | None
    prev_id: int | None
    levels: list[tuple[Side, int, int]] = field(default_factory=list)  # side (of a trade: aggressor), ticks, lots


class RecordingReader:
    """Reads one recording; iterating it again starts at the beginning."""

    def __init__(self, path: Path, tick_size: Decimal, lot_size: Decimal) -> None:
        self.path = path
        self.off_lot = 0  # sizes that were not a whole number of lots
        self._tick_size, self._lot_size = tick_size, lot_size
        self._prices: dict[str, int] = {}

    def __iter__(self) -> Iterator[Message]:
        """Yield the messages in the order of arrival. Raises RecordingError."""
        self.off_lot = 0
        try:
            with gzip.open(self.path, "rt", encoding="ascii", newline="\n") as file:
                yield from self._messages(file)
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise self.error(None, None, f"the compressed data are cut short or damaged ({exc})") from exc
        except UnicodeDecodeError as exc:
            raise self.error(None, None, "the content is not ASCII text") from exc
        except OSError as exc:
            raise self.error(None, None, f"cannot be read ({exc.strerror or exc})") from exc

    def error(self, line: int | None, column: str | None, problem: str) -> RecordingError:
        """Return the error for a place in this file."""
        return RecordingError(str(self.path), line, column, problem)

    def _messages(self, file: IO[str]) -> Iterator[Message]:
        header = file.readline(_MAX_LINE).rstrip("\n")
        if tuple(header.split(",")) != COLUMNS:
            raise self.error(1, None, f"the header is {header[:80]!r}, expected {','.join(COLUMNS)!r}")
        current: Message | None = None
        for line, text in enumerate(iter(lambda: file.readline(_MAX_LINE), ""), start=2):
            fields = text.rstrip("\n").split(",")
            if len(fields) != len(COLUMNS):
                raise self.error(line, None, f"{len(fields)} columns, expected {len(COLUMNS)}")
            number = self._whole(fields, 0, line)
            if current is None or number != current.number:
                if current is not None:
                    yield self._complete(current)
                current = self._begin(number, fields, line, current)
            elif fields[4] != current.kind:
                raise self.error(line, "kind", f"{fields[4]!r} inside a message of kind {current.kind!r}")
            self._add_row(current, fields, line)
        if current is not None:
            yield self._complete(current)

    def _begin(self, number: int, fields: list[str], line: int, before: Message | None) -> Message:
        kind, local_ns = fields[4], self._whole(fields, 1, line)
        if kind not in _SIDES:
            raise self.error(line, "kind", f"{kind!r} is not one of {', '.join(_SIDES)}")
        if before is not None and number != before.number + 1:
            raise self.error(line, "msg", f"message {number} follows message {before.number}")
        if before is not None and local_ns < before.local_ns:
            raise self.error(line, "local_ts_ns", f"{local_ns} is earlier than the message before ({before.local_ns})")
        venue_ns, event_ns, first_id, last_id, prev_id = (self._optional(fields, at, line) for at in (2, 3, 8, 9, 10))
        return Message(number, kind, line, local_ns, venue_ns, event_ns, first_id, last_id, prev_id)

    def _add_row(self, message: Message, fields: list[str], line: int) -> None:
        side_text, price, size = fields[5], fields[6], fields[7]
        if not side_text and not price and not size and message.kind == "depth":
            return  # a depth message that changes nothing still carries its ids
        side = _SIDES[message.kind].get(side_text)
        if side is None:
            raise self.error(line, "side", f"{side_text!r} is not one of {', '.join(_SIDES[message.kind])}")
        ticks = self._prices.get(price)
        if ticks is None:
            ticks = self._price_ticks(price, line)
        message.levels.append((side, ticks, self._size_lots(size, line)))

    def _complete(self, message: Message) -> Message:
        """Return the message after the checks that need all of its rows."""
        sides = [level[0] for level in message.levels]
        if message.kind == "bbo" and sides != [Side.BUY, Side.SELL]:
            raise self.error(message.line, "side", "a bbo message is one bid row and one ask row")
        if message.kind == "trade" and len(sides) != 1:
            raise self.error(message.line, "kind", "a trade message is one row")
        if message.last_id is None:
            raise self.error(message.line, "last_id", "the first row of a message must have an id")
        if message.kind == "depth" and message.first_id is None:
            raise self.error(message.line, "first_id", "a depth message must have a first id")
        return message

    def _whole(self, fields: list[str], at: int, line: int) -> int:
        if not _WHOLE.fullmatch(fields[at]):
            raise self.error(line, COLUMNS[at], f"{fields[at]!r} is not a whole number")
        return int(fields[at])

    def _optional(self, fields: list[str], at: int, line: int) -> int | None:
        return self._whole(fields, at, line) if fields[at] else None

    def _price_ticks(self, text: str, line: int) -> int:
        ticks, rest = divmod(self._decimal(text, "price", line), self._tick_size)
        if rest or not ticks:
            raise self.error(line, "price", f"{text} is not a positive multiple of the tick size {self._tick_size}")
        if len(self._prices) < _MAX_CACHED_PRICES:
            self._prices[text] = int(ticks)
        return int(ticks)

    def _size_lots(self, text: str, line: int) -> int:
        # A venue that made its lot coarser still shows the odd sizes of older orders. They are rounded down, but never
        # to zero, which would remove the level.
        lots, rest = divmod(self._decimal(text, "size", line), self._lot_size)
        if rest:
            self.off_lot += 1
            return max(1, int(lots))
        return int(lots)

    def _decimal(self, text: str, column: str, line: int) -> Decimal:
        if not _DECIMAL.fullmatch(text):
            raise self.error(line, column, f"{text!r} is not a decimal number")
        return Decimal(text)


class RecordingBook:
    """The order book of a recording: depth older than the snapshot dropped, the chain of ids checked, never crossed."""

    def __init__(self, reader: RecordingReader) -> None:
        self.book = LocalBook()
        self.dropped = 0  # depth messages older than the snapshot
        self.applied = 0
        self._reader = reader
        self._pending: list[Message] = []
        self._snapshot_id: int | None = None
        self._last_id: int | None = None  # of the newest applied depth message
        self._has_prev_ids: bool | None = None

    @property
    def is_synced(self) -> bool:
        """Tell whether a depth message has joined the snapshot, so that the book is the venue's."""
        return self._last_id is not None

    def apply(self, message: Message) -> Iterator[Message]:
        """Take a message and yield each depth message that changed the book by it, the book being as of that message.

        Depth that arrives before the snapshot waits for it. Raises RecordingError on a broken chain.
        """
        if message.kind == "snapshot":
            self._load_snapshot(message)
            waiting, self._pending = self._pending, []
            for depth in waiting:
                if self._apply_depth(depth):
                    yield depth
        elif message.kind == "depth":
            if self._snapshot_id is None:
                self._hold(message)
            elif self._apply_depth(message):
                yield message

    def finish(self) -> None:
        """Check at the end of the file that there was a book at all. Raises RecordingError."""
        if self._snapshot_id is None:
            raise self._reader.error(None, "kind", "there is no snapshot")
        if not self.is_synced:
            raise self._reader.error(None, "kind", "no depth message joins the snapshot")

    def _hold(self, message: Message) -> None:
        if len(self._pending) >= _MAX_PENDING:
            raise self._reader.error(message.line, "kind", f"{_MAX_PENDING} depth messages without a snapshot")
        self._pending.append(message)

    def _load_snapshot(self, message: Message) -> None:
        self.book.clear()
        for side, price_ticks, size_lots in message.levels:
            self.book.set_level(side, price_ticks, size_lots)
        self._snapshot_id, self._last_id = message.last_id, None
        self._check_not_crossed(message)

    def _apply_depth(self, message: Message) -> bool:
        first_id, last_id = message.first_id, message.last_id
        assert first_id is not None and last_id is not None and self._snapshot_id is not None
        if self._has_prev_ids is None:
            self._has_prev_ids = message.prev_id is not None
        if self._has_prev_ids != (message.prev_id is not None):
            raise self._reader.error(message.line, "prev_id", "some depth messages have a previous id, some do not")
        if self._last_id is None:
            # Futures go on from the snapshot's own id, spot from the one after it.
            join_id = self._snapshot_id + (0 if self._has_prev_ids else 1)
            if last_id < join_id:
                self.dropped += 1
                return False
            if first_id > join_id:
                raise self._reader.error(message.line, "first_id", f"{first_id} leaves a gap after {self._snapshot_id}")
        else:
            self._check_chain(message, first_id)
        for side, price_ticks, size_lots in message.levels:
            self.book.set_level(side, price_ticks, size_lots)
        self._last_id = last_id
        self.applied += 1
        self._check_not_crossed(message)
        return True

    def _check_chain(self, message: Message, first_id: int) -> None:
        assert self._last_id is not None
        if message.prev_id is not None:
            if message.prev_id != self._last_id:
                raise self._reader.error(message.line, "prev_id", f"{message.prev_id}, expected {self._last_id}")
        elif first_id != self._last_id + 1:
            raise self._reader.error(message.line, "first_id", f"{first_id}, expected {self._last_id + 1}")

    def _check_not_crossed(self, message: Message) -> None:
        bid, ask = self.book.best(Side.BUY), self.book.best(Side.SELL)
        if bid is None or ask is None:
            raise self._reader.error(message.line, "side", "one side of the book is empty after this message")
        if bid.price_ticks >= ask.price_ticks:
            raise self._reader.error(message.line, "price", "the book is crossed after this message")


_Top = tuple[int, tuple[tuple[int, int], tuple[int, int]]]  # update id, (bid, ask) as (price ticks, size lots)


@dataclass(slots=True)
class TopOfBookCheck:
    """The rebuilt top of book against the recorded one: the newest bbo whose id is not above the depth message's."""

    compared: int = 0
    differing: list[tuple[int, int]] = field(default_factory=list)  # last id of the depth message, id of the bbo
    dropped: int = 0
    messages: int = 0
    final_bid_ticks: int = 0
    final_ask_ticks: int = 0


def check_top_of_book(reader: RecordingReader) -> TopOfBookCheck:
    """Rebuild a whole recording and compare after each applied depth message. Raises RecordingError."""
    rebuilt, result = RecordingBook(reader), TopOfBookCheck()
    quotes: list[_Top] = []
    tops: list[_Top] = []
    for message in reader:
        result.messages += 1
        if message.kind == "bbo":
            assert message.last_id is not None
            (_, *bid_row), (_, *ask_row) = message.levels
            quotes.append((message.last_id, ((bid_row[0], bid_row[1]), (ask_row[0], ask_row[1]))))
        for depth in rebuilt.apply(message):
            bid, ask = rebuilt.book.best(Side.BUY), rebuilt.book.best(Side.SELL)
            assert bid is not None and ask is not None and depth.last_id is not None
            tops.append((depth.last_id, (bid, ask)))
    rebuilt.finish()
    result.dropped = rebuilt.dropped
    (result.final_bid_ticks, _), (result.final_ask_ticks, _) = tops[-1][1]
    _compare_tops(tops, quotes, result)
    return result


def _compare_tops(tops: list[_Top], quotes: list[_Top], into: TopOfBookCheck) -> None:
    at = -1
    for depth_id, top in tops:
        while at + 1 < len(quotes) and quotes[at + 1][0] <= depth_id:
            at += 1
        if at < 0:
            continue  # nothing recorded yet to compare with
        into.compared += 1
        if quotes[at][1] != top:
            into.differing.append((depth_id, quotes[at][0]))
