"""The log and the captured output of one process, under one set of rules: entry points open, tend and close it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from core.captured_output import CapturedOutput
from core.log_files import DAEMON
from core.log_retention import Retention
from core.logger import current_redactor, setup_daemon_logging, setup_worker_logging
from core.redacted_streams import finish_streams
from core.rotating_file import RotatingFile


class ProcessLogs:
    """Of a worker or sweeper `name` is the bot's, of the daemon `daemon`."""

    def __init__(self, folder: Path, name: str, rules: Mapping[str, Any] | None = None, captures: bool = True) -> None:
        """`captures`: stdout and stderr are a file of ours, not somebody's who reads them (a service manager's)."""
        self._captures = captures
        self._path = folder / f"{name}.log"
        self._name = name
        self._retention = Retention.from_plain(rules or {})
        self._file: RotatingFile | None = None
        self.output = CapturedOutput(folder / f"{name}.out", self._retention)

    def guard_streams(self) -> None:
        """Take out of what Python prints the secrets that the log is told of."""
        self.output.take_streams(current_redactor)

    def open_log(self, secrets: Iterable[object] = ()) -> None:
        """Send this process's log to its file, without these secrets; may be called again with more of them."""
        if self._name == DAEMON:
            self._file = setup_daemon_logging(self._path, retention=self._retention)
        else:
            self._file = setup_worker_logging(self._path, self._name, secrets, retention=self._retention)

    def keep(self, rules: Mapping[str, Any]) -> None:
        """Follow other rules from now on: the `logs` section of the daemon's file."""
        self._retention = self.output.retention = Retention.from_plain(rules)
        if self._file is not None:
            self._file.retention = self._retention

    def tend(self) -> bool:
        """Do what is due, about once a second; True when stdout and stderr lead to another file than before."""
        if self._file is not None:
            self._file.tend()
        return self._captures and self.output.tend()

    def close(self) -> None:
        """Write what is held back; nothing is logged or printed after it."""
        logging.shutdown()
        finish_streams()
