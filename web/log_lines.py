"""Lines of logs and of the event file for the monitor: read from their end, or followed as they grow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from utils.home import Home
from utils.input_validation import printable
from web.services import Services

EVENTS = "events.jsonl"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_TEXT = 4000  # characters of a line
MAX_SEEN = 50_000  # lines that one question may look at
BLOCK = 64 * 1024  # bytes that a follower takes at once
_PLACED = frozenset({"ts", "level", "bot", "component", "event", "logger"})
Wanted = Callable[[dict[str, Any]], bool]


def log_file(home: Home, name: str) -> Path:
    """Return the log of a bot, or of the daemon."""
    return home.log / f"{name}.log"


class _Enough(Exception):
    """The question has looked at enough lines."""


def newest(services: Services, path: Path, n: int, wanted: Wanted) -> list[dict[str, Any]]:
    """Return the last `n` entries that are wanted, oldest first; a question looks back only so far."""
    found: list[dict[str, Any]] = []
    seen = 0

    def keep(line: str) -> bool:
        nonlocal seen
        seen += 1
        if seen > MAX_SEEN:
            raise _Enough
        entry = entry_of(line)
        if entry is not None and wanted(entry):
            found.append(entry)
            return True
        return False

    try:
        services.tail(path, n, keep)
    except (_Enough, OSError):
        pass
    return found[:n][::-1]


def entry_of(line: str) -> dict[str, Any] | None:
    """Return a line as an object, None when it is torn or something else."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def line_of(entry: Mapping[str, Any], log: str = "") -> dict[str, Any]:
    """Return a log entry as the API tells it; of which bot it is, unless that is what the log is called."""
    whose = entry.get("bot")
    bot = [] if whose in (None, log) else [f"bot={_text(whose)}"]
    rest = [f"{key}={_text(value)}" for key, value in entry.items() if key not in _PLACED and value is not None]
    text = " ".join([str(entry.get("event", "")), *bot, *rest])
    told = {key: printable(str(entry.get(key) or ""), 64) for key in ("level", "component")}
    return {"at": printable(str(entry.get("ts") or ""), 40), **told, "text": _bounded(text)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _bounded(text: str) -> str:
    """Cut a text; line breaks stay (a traceback has them), whatever else is not printable is written out."""
    return "\n".join(printable(line, MAX_TEXT) for line in text[:MAX_TEXT].splitlines())


def log_filter(level: str, component: str, words: str) -> Wanted:
    """Return what accepts the entries of at least a level, of a component, with some words; "" accepts all."""
    levels = frozenset(LEVELS[LEVELS.index(level) :] if level in LEVELS else LEVELS)
    words = words.lower()

    def wanted(entry: dict[str, Any]) -> bool:
        if level and entry.get("level") not in levels:
            return False
        if component and entry.get("component") != component:
            return False
        return not words or words in line_of(entry)["text"].lower()

    return wanted


def event_filter(before: int | None, alerts_only: bool, name: str) -> Wanted:
    """Return what accepts the events before a number, those that are alerts, those of a bot (or of the daemon)."""

    def wanted(event: dict[str, Any]) -> bool:
        seq = event.get("seq")
        if before is not None and not (isinstance(seq, int) and seq < before):
            return False
        return not (alerts_only and not event.get("alert")) and name in ("", event.get("bot") or "daemon")

    return wanted


class Follower:
    """What is added to a file from now on, across rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._id, self._at = self._look()

    def _look(self) -> tuple[int, int]:
        try:
            found = os.stat(self._path)
        except OSError:
            return 0, 0
        return found.st_ino, found.st_size

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield the entries that were added since the last call; of a flood only the end."""
        inode, size = self._look()
        if inode != self._id or size < self._at:
            self._id, self._at, self._rest = inode, 0, b""
        if size == self._at:
            return
        if size - self._at > BLOCK:
            self._at, self._rest = size - BLOCK, b""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._at)
                chunk = file.read(BLOCK)
        except OSError:
            return
        self._at += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._rest = self._rest[-BLOCK:]
        for line in lines:
            if (entry := entry_of(line.decode("utf-8", "replace"))) is not None:
                yield entry
