"""What the monitor needs from rooms that `web` does not import; whoever starts it provides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from core.bot_config import BotConfig
from utils.home import Home

Keep = Callable[[str], bool]


class Services(Protocol):
    """Log files, figures, and the closing of positions without a daemon."""

    def tail(self, path: Path, n: int, keep: Keep, since: str = "") -> Iterable[str]:
        """Return the last `n` accepted lines of a log; files that were finished before `since` are not read."""

    def metrics_text(self, figures: Mapping[str, Any]) -> str:
        """Return the answer to the verb `metrics` in Prometheus' text format."""

    def write_audit(self, home: Home, row: dict[str, Any]) -> bool:
        """Append a row to the audit trail; False when it is lost."""

    def venue_complaints(self, home: Home, configs: Sequence[BotConfig]) -> Mapping[str, Sequence[str]]:
        """Return what the venues have against configs, by the bot's name."""

    def start_flatten(self, home: Home, names: Sequence[str], sell_base: bool) -> Any:
        """Start a supervisor that closes what the bots of a home hold, and then ends. Raises MakerdError."""
