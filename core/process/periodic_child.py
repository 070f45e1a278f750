"""A child that does something now and then, one at a time; the supervisor itself only starts it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from core.process.zygote_link import environ_without_secrets, spawn_module

LIMIT_NS = 30_000_000_000  # such a child ends itself before
log = logging.getLogger("makerd.process")


@dataclass(slots=True)
class PeriodicChild:
    """Runs `python -m module arguments`; `failed` is the event of the log when it cannot be started."""

    module: str
    failed: str
    output_fd: int
    _wanted: tuple[float, tuple[str, ...]] | None = None  # interval in seconds, arguments
    _pid: int | None = None
    _due_ns: int = 0
    _ends_ns: int = 0

    def want(self, interval_s: float, arguments: Sequence[str]) -> None:
        """Run it every `interval_s`; with other words than before at once."""
        wanted = (interval_s, tuple(arguments))
        if wanted != self._wanted:
            self._wanted, self._due_ns = wanted, 0

    def leave(self) -> None:
        """Run it no more."""
        self._wanted = None

    def tend(self, now_ns: int) -> None:
        """Start a child when one is due, end one that hangs."""
        if self._pid is not None:
            if now_ns > self._ends_ns:
                self._ends_ns = now_ns + LIMIT_NS
                os.kill(self._pid, signal.SIGKILL)  # not reaped yet, so it is ours
        elif self._wanted is not None and now_ns >= self._due_ns:
            interval_s, arguments = self._wanted
            self._due_ns = now_ns + int(interval_s * 1e9)
            self._start(arguments, now_ns)

    def reaped(self, pid: int) -> None:
        """Take note of an ended child, if it is this one."""
        if pid == self._pid:
            self._pid = None

    def _start(self, arguments: Sequence[str], now_ns: int) -> None:
        env = environ_without_secrets()
        try:
            self._pid = spawn_module(self.module, list(arguments), env, self.output_fd, self.output_fd)
            self._ends_ns = now_ns + LIMIT_NS
        except OSError as exc:
            log.warning(self.failed, extra={"fields": {"reason": str(exc)}})
