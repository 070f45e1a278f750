"""The figures of a bot for whoever drives it himself: all of a snapshot, flat, by the names of statistics. Pure.

`status --json` has names of its own for some of them; nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RENAMED = {"realised_pnl": "realized", "unrealised_pnl": "unrealized", "gates": "gate_state"}
_COUNTERS = (
    "cycles", "orders_created", "orders_cancelled", "orders_amended", "orders_rejected", "fills_buy", "fills_sell",
)  # fmt: skip
_SKIPPED = "skipped."


def published_stats(snapshot: Mapping[str, Any], uptime_s: float) -> dict[str, Any]:
    """Return the statistics of `TradingLoop.snapshot`; money and sizes are decimal text, None is not known."""
    counted = snapshot["stats"]
    age_s = snapshot["book_age_s"]
    return {
        **{_RENAMED.get(key, key): value for key, value in snapshot.items() if key not in ("stats", "book_age_s")},
        **dict.fromkeys(_COUNTERS, 0),
        **{key: value for key, value in counted.items() if not key.startswith(_SKIPPED)},
        "skipped": {key.removeprefix(_SKIPPED): n for key, n in counted.items() if key.startswith(_SKIPPED)},
        "book_age_ms": None if age_s is None else round(age_s * 1000, 3),
        "uptime_s": uptime_s,
    }
