"""How a log line looks: JSON for files, colours for people; secrets are taken out by value.

Rooms write `logging.getLogger("makerd.orders").info("order_rejected", extra={"fields": {"price": price}})`;
only process entry points import this file.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.log_retention import Retention
from core.log_throttle import Throttle
from core.redactor import MAX_TEXT, Redactor, clip
from core.rotating_file import RotatingFile
from utils.input_validation import printable
from utils.log_components import PREFIX, component_of
from utils.terminal import wants_colour

_RESERVED = frozenset({"ts", "level", "component", "event", "logger"})
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_BARE = re.compile(r"[\w./:+@%,*-]+")


def timestamp(seconds: float) -> str:
    """Return UTC with microseconds for `seconds` since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class EntryFormatter(logging.Formatter):
    """Makes the one entry that both forms show."""

    def __init__(self, bot: str | None, redactor: Redactor) -> None:
        super().__init__()
        self.bot = bot
        self.redactor = redactor

    def entry(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return the line's fields, in order; never raises for what a caller passed."""
        entry: dict[str, Any] = {"ts": timestamp(record.created), "level": record.levelname, "bot": self.bot}
        entry |= {"component": component_of(record.name), "event": clip(self.redactor.text(_message(record)))}
        if not record.name.startswith(PREFIX) and record.name != "root":
            entry["logger"] = record.name
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            for key, value in self.redactor.plain(fields).items():
                entry[f"{key}_" if key in _RESERVED else key] = value
        trace = self._traceback(record)
        if trace:
            entry["traceback"] = clip(self.redactor.text(trace))
        return entry

    def _traceback(self, record: logging.LogRecord) -> str:
        parts = [self.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
        if not parts and record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return "\n".join(parts)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit the text
        return f"{record.msg!s} {record.args!r}"


class JsonFormatter(EntryFormatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(self.entry(record), ensure_ascii=False, separators=(", ", ": "))


class ConsoleFormatter(EntryFormatter):
    """One readable line, then the traceback if there is one."""

    def __init__(self, bot: str | None, redactor: Redactor, colour: bool) -> None:
        super().__init__(bot, redactor)
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines."""
        return render_entry(self.entry(record), self.colour)


def render_entry(entry: Mapping[str, Any], colour: bool) -> str:
    """Return a log entry for people: time, level, bot, component, event, key=value ..., traceback."""
    level = _one_line(str(entry.get("level", "")))
    when = str(entry.get("ts", ""))
    when = f"{when[:10]} {when[11:23]}Z" if len(when) == 27 else when
    known = ("ts", "level", "bot", "component", "event", "traceback")
    pairs = [f"{_one_line(str(k))}={_shown(v)}" for k, v in entry.items() if k not in known]
    who = _one_line(f"{entry.get('bot') or 'daemon'} {entry.get('component', '')}")
    head = [_paint(_one_line(when), "2", colour), _paint(f"{level:<7}", _COLOURS.get(level, "0"), colour)]
    head += [_paint(who, "36", colour), _paint(_one_line(str(entry.get("event", ""))), "1", colour)]
    trace = [f"    {_one_line(line)}" for line in str(entry.get("traceback", "")).splitlines()]
    return "\n".join([" ".join([*head, *pairs]), *trace])


def render_line(line: str, colour: bool) -> str:
    """Return a line of a JSON log for people; a torn or foreign line is shown as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    return render_entry(entry, colour) if isinstance(entry, dict) else _one_line(line)


def _one_line(text: str) -> str:
    return printable(text, 2 * MAX_TEXT)


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return _one_line(json.dumps(value, ensure_ascii=False, default=str))
    return value if _BARE.fullmatch(value) else _one_line(json.dumps(value, ensure_ascii=False))


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


class ConsoleHandler(logging.StreamHandler[Any]):
    """Writes to stderr; a terminal or pipe that went away never disturbs the caller."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Forget the line."""


_current = [Redactor()]  # this process's, once its logging is set up


def redacted(text: str) -> str:
    """Return `text` without the secrets that this process's logging was told of."""
    return _current[0].text(text)


def current_redactor() -> Redactor:
    """Return what takes this process's secrets out; another one after each set-up."""
    return _current[0]


def setup_worker_logging(
    path: Path,
    bot: str,
    redact: Iterable[object] = (),
    level: str = "INFO",
    console: bool = False,
    retention: Retention | None = None,
) -> RotatingFile:
    """Send this process's log to `path` as the worker of `bot` (and to stderr); call it again to add secrets."""
    return _setup(path, bot, Redactor(redact), level, console, retention)


def setup_daemon_logging(
    path: Path, console: bool = False, level: str = "INFO", retention: Retention | None = None
) -> RotatingFile:
    """Send this process's log to `path` as the daemon's, and to stderr when `console`."""
    return _setup(path, None, Redactor(), level, console, retention)


def _setup(
    path: Path, bot: str | None, redactor: Redactor, level: str, console: bool, retention: Retention | None
) -> RotatingFile:
    _current[0] = redactor
    root = logging.getLogger()
    for inherited in root.handlers[:]:  # after a fork: the parent's, which must not be written to
        root.removeHandler(inherited)
        inherited.close()
    file = RotatingFile(path, retention, Throttle())
    file.setFormatter(JsonFormatter(bot, redactor))
    root.addHandler(file)
    if console:
        shown = ConsoleHandler(sys.stderr)
        shown.setFormatter(ConsoleFormatter(bot, redactor, wants_colour(sys.stderr)))
        root.addHandler(shown)
    root.setLevel(level)
    logging.captureWarnings(True)
    return file
