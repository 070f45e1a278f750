"""How the trading room logs: an event name, and its fields beside it."""

from __future__ import annotations

from typing import Any


def fields(**values: Any) -> dict[str, Any]:
    """Return the `extra` of a log record."""
    return {"fields": values}
