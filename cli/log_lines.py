"""Which lines of a log are shown: by component, by level, by time."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import click

from cli.shared import Keep

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+[smhdw])+")


class Since(click.ParamType[str]):
    """A duration before now (`10m`, `1h30m`) or a time (ISO 8601, UTC unless it says otherwise), as a line's `ts`."""

    name = "since"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the time, or refuse it as click does."""
        try:
            return since_utc(value, datetime.now(UTC))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a duration (10m, 2h, 1h30m, 3d) nor a time (2026-01-31T08:00)", param, ctx)


def since_utc(text: str, now: datetime) -> str:
    """Return the time that `text` means as a line's `ts` is written. Raises ValueError, OverflowError."""
    if _DURATION.fullmatch(text):
        parts = re.findall(r"(\d+)([smhdw])", text)
        moment = now - timedelta(seconds=sum(int(number) * _UNITS_S[unit] for number, unit in parts))
    else:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def chosen(component: str | None, level: str | None, since: str | None) -> Keep:
    """Return what accepts the lines that are asked for; a torn or foreign line is in every log, but in no choice."""
    if component is None and level is None and since is None:
        return lambda _line: True
    levels = frozenset(LEVELS[LEVELS.index(level.upper()) :] if level else LEVELS)

    def keep(line: str) -> bool:
        try:
            entry = json.loads(line)
            return (
                (level is None or entry["level"] in levels)
                and (component is None or entry["component"] == component)
                and (since is None or entry["ts"] >= since)
            )
        except (ValueError, KeyError, TypeError):
            return False

    return keep
