"""The audit trail: who asked for what, when, from where, and what came of it. One JSON object a line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from utils.input_validation import printable
from web.security.roles import Caller

MAX_TEXT = 300
MAX_ITEMS = 50
Write = Callable[[dict[str, Any]], bool]
log = logging.getLogger("makerd.web")


class Audit:
    """Writes the trail; `write` appends a row and says whether it could."""

    def __init__(self, write: Write, now_text: Callable[[], str]) -> None:
        self._write = write
        self._now_text = now_text

    def note(self, caller: Caller, address: str, what: str, args: Mapping[str, Any], outcome: str) -> None:
        """Append one line. A trail that cannot be written is told in the log; the kill switch still works."""
        row = {
            "ts": self._now_text(),
            "who": caller.user or "nobody",
            "role": caller.role or "none",
            "address": address,
            "what": what,
            "args": {key: _bounded(value) for key, value in args.items()},
            "outcome": printable(outcome, MAX_TEXT),
        }
        if not self._write(row):
            log.error("audit_lost", extra={"fields": {"what": what, "who": row["who"]}})


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value, MAX_TEXT)
    if isinstance(value, list):
        return [_bounded(item) for item in value[:MAX_ITEMS]]
    return value if isinstance(value, int | float | bool) or value is None else printable(str(value), MAX_TEXT)
