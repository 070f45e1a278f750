"""The event file `var/log/events.jsonl`: one JSON object a line, rotated and kept like a log."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.fleet_config import FleetConfig
from core.log_files import tail_lines
from core.log_retention import Retention
from core.log_throttle import Throttle, ThrottleLimits
from core.logger import timestamp
from core.redactor import Redactor
from core.rotating_file import RotatingFile

NAME = "events.jsonl"
UNBOUNDED = ThrottleLimits(lines_per_s=1e9, burst_lines=10**9)  # a record of what was done leaves nothing out


class EventFile:
    """Writes events. A disk that is full or gone costs lines, never more; the next one says how many."""

    def __init__(self, path: Path) -> None:
        self._file = RotatingFile(path, throttle=Throttle(UNBOUNDED))
        self._file.setFormatter(_RowFormatter())

    def write(self, row: dict[str, Any]) -> bool:
        """Append one row; False when it is lost."""
        self._file.handle(logging.makeLogRecord({"msg": "event", "levelno": logging.INFO, "row": row}))
        return not self._file.lost

    def follow(self, config: FleetConfig) -> None:
        """Keep to the limits of the daemon file."""
        self._file.retention = Retention(**asdict(config.logs))


class _RowFormatter(logging.Formatter):
    """Bounds a row as a log line is bounded; the file's own notice of lost lines becomes a row, too."""

    _plain = Redactor()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        row = getattr(record, "row", None)
        if row is None:
            row = {"ts": timestamp(record.created), "kind": "events_lost", **getattr(record, "fields", {})}
        return json.dumps(self._plain.plain(row), ensure_ascii=False, separators=(", ", ": "))


def last_seq(path: Path) -> int:
    """Return the number of the newest event in the file or its rotated ones, 0 when there is none."""
    for line in reversed(tail_lines(path, 20)):
        try:
            return int(json.loads(line)["seq"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0
