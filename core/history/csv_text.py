"""Rows of the history as CSV that a spreadsheet cannot be talked into running.

A cell that is not a plain number and begins with what a spreadsheet takes for a formula gets an apostrophe in front:
ids, slots and reasons come from venues and from people.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from core.history.records import FillRow, OrderRow, SeriesPoint
from utils.moments import moment_text

Row = FillRow | OrderRow | SeriesPoint
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_LEADING = " \u00a0\ufeff"  # what a spreadsheet may strip before it looks
KINDS: Mapping[str, type[Row]] = {"fills": FillRow, "orders": OrderRow, "equity": SeriesPoint}


def columns(kind: str) -> list[str]:
    """Return the header of a kind of rows: `time` (UTC) first, then the fields, nanoseconds among them."""
    return ["time", *(field.name for field in fields(KINDS[kind]))]


def lines(kind: str, rows: Iterable[Row]) -> Iterator[str]:
    """Yield CSV lines, the header first, each with its line end (CRLF, as RFC 4180 says)."""
    names = columns(kind)
    yield csv_line(names)
    for row in rows:
        plain = asdict(row)
        utc_ns = plain.get("utc_ns", plain.get("sent_utc_ns"))
        yield csv_line([moment_text(int(utc_ns or 0)), *(plain[name] for name in names[1:])])


def csv_line(cells: Sequence[Any]) -> str:
    """Return one line of cells, made safe."""
    text = io.StringIO()
    csv.writer(text).writerow([cell(one) for one in cells])
    return text.getvalue()


def cell(value: Any) -> str:
    """Return a value as the text of a cell; nothing for None."""
    if value is None:
        return ""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if _NUMBER.fullmatch(text) or not text.lstrip(_LEADING).startswith(_FORMULA):
        return text
    return f"'{text}"
