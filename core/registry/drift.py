"""Whether what the daemon runs of a config is what its file says now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def drift_of(digest: str | None, row: Mapping[str, Any] | None, daemon_runs: bool) -> str | None:
    """Return how a valid file (its config's digest; None: not valid) differs from what the daemon runs of it.

    `none`, `changed`, `new` (not read yet), `invalid`; None when nothing runs, or it has not said what.
    """
    if row is None:
        return "new" if daemon_runs and digest else None
    if row["pid"] is None:
        return None
    if digest is None:
        return "invalid"
    running = row.get("config_digest")
    return None if running is None else "none" if running == digest else "changed"
