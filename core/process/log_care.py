"""The supervisor's care for logs: its own once a second, the whole folder by a child every five minutes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from core.process.zygote_link import environ_without_secrets, spawn_module

TEND_NS = 1_000_000_000
COMPRESS_NS = 300_000_000_000
log = logging.getLogger("makerd.process")


class OwnLogs(Protocol):
    """The supervisor's own log and output; the entry point brings them (`core/process_logs.py`)."""

    def keep(self, rules: Mapping[str, Any]) -> None:
        """Follow other rules."""

    def tend(self) -> bool:
        """Do what is due; True when stdout and stderr lead to another file."""


class LogCare:
    """`rules` are plain data of `Retention` in `core/log_retention.py`, for every worker, sweeper and compressor."""

    def __init__(self, folder: Path, output_fd: int, share_output: Callable[[], bool], now_ns: int) -> None:
        self.own: OwnLogs | None = None
        self.rules: dict[str, Any] = {}
        self._folder = folder
        self._output_fd = output_fd
        self._share_output = share_output  # with the zygote; False: not now
        self._unshared = False
        self._tend_due_ns = now_ns + TEND_NS
        self._compress_due_ns = now_ns + COMPRESS_NS

    def use(self, rules: Mapping[str, Any]) -> None:
        """Keep all logs by other rules: our own from now on, those of the bots from their next start."""
        self.rules = dict(rules)
        if self.own is not None:
            self.own.keep(self.rules)

    def tend(self, now_ns: int) -> None:
        """Do what is due."""
        if now_ns >= self._tend_due_ns:
            self._tend_due_ns = now_ns + TEND_NS
            self._tend_own()
        if now_ns >= self._compress_due_ns:
            self._compress_due_ns = now_ns + COMPRESS_NS
            self._compress()

    def _tend_own(self) -> None:
        if self.own is not None and self.own.tend():
            self._unshared = True
        if self._unshared:
            self._unshared = not self._share_output()

    def _compress(self) -> None:
        arguments = ["compress", str(self._folder), json.dumps(self.rules)]
        try:
            spawn_module("core.log_manager", arguments, environ_without_secrets(), self._output_fd, self._output_fd)
        except OSError as exc:
            log.warning("one_shot_failed", extra={"fields": {"module": "core.log_manager", "reason": str(exc)}})
