"""The frozen config of the daemon itself (`config/daemon.json`): plain data, already validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ALERT_KINDS = (
    "crash_loop",
    "halt",
    "sweep_trouble",
    "memory",
    "venue_down",
    "escalation",
    "disk",
    "stuck",
    "dead_man",
    "position_left",
    "bad_file",
)


@dataclass(frozen=True, slots=True)
class SupervisionConfig:
    """What concerns many bots at once. All defaults of this file repeat `config/schemas/daemon_file.json`."""

    parallel_starts: int = 8
    venue_guard_s: float = 5.0
    venue_guard_max_s: float = 60.0
    pause_account_on_deaths: bool = False
    escalation_window_s: float = 60.0
    escalation_deaths: int = 2
    watch: bool = False


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """Who is told of what. `webhook_url` is `${NAME}` text until the child that sends resolves it."""

    hook: tuple[str, ...] | None = None
    webhook_url: str | None = None
    events: tuple[str, ...] = ALERT_KINDS
    min_interval_s: float = 60.0


@dataclass(frozen=True, slots=True)
class LogsConfig:
    """How much is kept of what daemon and bots write."""

    max_bytes: int = 5_000_000
    rotate_hours: float = 0.0
    keep_files: int = 10
    keep_days: float = 30.0
    total_mb: float = 1000.0


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Where the daemon keeps its figures fresh."""

    textfile: str | None = None
    interval_s: float = 15.0


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Whether the daemon runs the monitor, and where; its passwords are in `.env` only."""

    enabled: bool = False
    host: str = "127.0.0.1"
    port: int = 8420
    hosts: tuple[str, ...] = ()
    proxies: int = 0


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """Whether the daemon keeps the history of the whole fleet in one file."""

    enabled: bool = False
    interval_s: float = 30.0
    keep_orders_days: float = 30.0


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """The validated daemon file, or its defaults where there is none; `digest` is empty then."""

    supervision: SupervisionConfig = field(default_factory=SupervisionConfig)
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    logs: LogsConfig = field(default_factory=LogsConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    web: WebConfig = field(default_factory=WebConfig)
    digest: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data; `from_plain` is its inverse."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> FleetConfig:
        """Rebuild from `to_plain` data or from the sections of a file with their defaults filled in."""
        alerts = dict(plain["alerts"])
        alerts["events"] = tuple(alerts["events"])
        alerts["hook"] = None if alerts["hook"] is None else tuple(alerts["hook"])
        web = dict(plain.get("web", {}))  # an older daemon carries none
        web["hosts"] = tuple(web.get("hosts", ()))
        return cls(
            SupervisionConfig(**plain["supervision"]),
            AlertsConfig(**alerts),
            LogsConfig(**plain["logs"]),
            MetricsConfig(**plain["metrics"]),
            DatabaseConfig(**plain.get("database", {})),  # an older daemon that hands over has none
            WebConfig(**web),
            str(plain.get("digest", "")),
        )
