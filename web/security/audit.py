"""The audit trail: who asked for what, when, from where, and what came of it. One JSON object a line."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from utils.input_validation import printable
from web.security.roles import Caller

MAX_TEXT = 300
MAX_ITEMS = 50
STRANGERS = 60  # lines about them in a window
WINDOW_S = 60.0
Write = Callable[[dict[str, Any]], bool]
log = logging.getLogger("makerd.web")


class Audit:
    """Writes the trail; `write` appends a row and says whether it could.

    What is refused to strangers is told some times a minute only: they shall not be able to push the rest out.
    """

    def __init__(self, write: Write, now_text: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._now_text, self._clock = write, now_text, clock
        self._lock = threading.Lock()
        self._strangers: deque[float] = deque(maxlen=STRANGERS)
        self._left_out = 0

    def note(self, caller: Caller, address: str, what: str, args: Mapping[str, Any], outcome: str) -> None:
        """Append one line. A trail that cannot be written is told in the log; the kill switch still works."""
        left_out = self._left_out_before(caller)
        if left_out is None:
            return
        row = {
            "ts": self._now_text(),
            "who": caller.user or "nobody",
            "role": caller.role or "none",
            "address": address,
            "what": printable(what, MAX_TEXT),
            "args": {key: _bounded(value) for key, value in args.items()},
            "outcome": printable(outcome, MAX_TEXT),
            **({"left_out": left_out} if left_out else {}),
        }
        if not self._write(row):
            log.error("audit_lost", extra={"fields": {"what": row["what"], "who": row["who"]}})

    def _left_out_before(self, caller: Caller) -> int | None:
        """Return how many lines about strangers were left out before this one; None when it is left out, too."""
        if caller.role is not None:
            return 0
        with self._lock:
            now_s, full = self._clock(), len(self._strangers) == STRANGERS
            if full and now_s - self._strangers[0] < WINDOW_S:
                self._left_out += 1
                return None
            self._strangers.append(now_s)
            left_out, self._left_out = self._left_out, 0
            return left_out


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value, MAX_TEXT)
    if isinstance(value, list):
        return [_bounded(item) for item in value[:MAX_ITEMS]]
    return value if isinstance(value, int | float | bool) or value is None else printable(str(value), MAX_TEXT)
