"""The files that the daemon file asks for, metrics and the fleet's history: written by children, now and then."""

from __future__ import annotations

from pathlib import Path

from core.fleet_config import FleetConfig
from core.process.periodic_child import PeriodicChild


class FleetFiles:
    """One periodic child for each file."""

    def __init__(self, root: Path, output_fd: int) -> None:
        self._root = root
        self._metrics = PeriodicChild("core.process.metrics_file", "metrics_not_written", output_fd)
        self._history = PeriodicChild("core.process.fleet_history", "history_not_written", output_fd)

    def want(self, config: FleetConfig) -> None:
        """Have fresh what the daemon file asks for, and leave the others."""
        root, metrics, database = self._root, config.metrics, config.database
        if metrics.textfile is None:
            self._metrics.leave()
        else:
            self._metrics.want(metrics.interval_s, [str(root), str(root / metrics.textfile)])
        if database.enabled:
            self._history.want(database.interval_s, [str(root), str(database.keep_orders_days)])
        else:
            self._history.leave()

    def tend(self, now_ns: int) -> None:
        """Start the children that are due, end those that hang."""
        self._metrics.tend(now_ns)
        self._history.tend(now_ns)

    def reaped(self, pid: int) -> None:
        """Take note of an ended child, if it is one of these."""
        self._metrics.reaped(pid)
        self._history.reaped(pid)
