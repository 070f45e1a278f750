"""Has a child keep the metrics file fresh; the supervisor itself never renders nor writes it."""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from core.fleet_config import MetricsConfig
from core.process.zygote_link import environ_without_secrets, spawn_module

LIMIT_NS = 30_000_000_000
log = logging.getLogger("makerd.process")


@dataclass(slots=True)
class MetricsWriter:
    """One child at a time, every `interval_s` of the daemon file."""

    home: Path
    output_fd: int
    config: MetricsConfig
    _pid: int | None = None
    _due_ns: int = 0
    _ends_ns: int = 0

    def take(self, config: MetricsConfig) -> None:
        """Follow the daemon file; the next file is written at once."""
        if config != self.config:
            self.config, self._due_ns = config, 0

    def tend(self, now_ns: int) -> None:
        """Start a child when the file is due, end one that hangs."""
        if self._pid is not None:
            if now_ns > self._ends_ns:
                self._ends_ns = now_ns + LIMIT_NS
                os.kill(self._pid, signal.SIGKILL)  # not reaped yet, so it is ours
        elif self.config.textfile is not None and now_ns >= self._due_ns:
            self._due_ns = now_ns + int(self.config.interval_s * 1e9)
            self._start(self.home / self.config.textfile, now_ns)

    def reaped(self, pid: int) -> None:
        """Take note of an ended child, if it is this one."""
        if pid == self._pid:
            self._pid = None

    def _start(self, path: Path, now_ns: int) -> None:
        arguments = [str(self.home), str(path)]
        env = environ_without_secrets()
        try:
            self._pid = spawn_module("core.process.metrics_file", arguments, env, self.output_fd, self.output_fd)
            self._ends_ns = now_ns + LIMIT_NS
        except OSError as exc:
            log.warning("metrics_not_written", extra={"fields": {"reason": str(exc)}})
