"""The daemon's figures (the verb `metrics`), asked for once a second at most, however many people want them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from core.process.control import call
from utils.errors import MakerdError
from utils.home import Home

ASK_S = 5.0
KEEP_S = 1.0


class Figures:
    """Asks and remembers; what went wrong is remembered, too, so that nobody waits for it again at once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._told: Mapping[str, Any] = {}
        self._trouble = ""

    def now(self) -> Mapping[str, Any]:
        """Return figures that are at most a second old. Raises MakerdError."""
        with self._lock:
            if time.monotonic() - self._asked_s > KEEP_S:
                self._ask()
            if self._trouble:
                raise MakerdError(self._trouble)
            return self._told

    def _ask(self) -> None:
        try:
            self._told, self._trouble = call(self._home, "metrics", timeout_s=ASK_S), ""
        except MakerdError as exc:
            self._trouble = str(exc)
        self._asked_s = time.monotonic()
