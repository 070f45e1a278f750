"""A glance into a ledger that nobody has open: what a bot's fills add up to, for a status without a daemon."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

FILE_NAME = "ledger.db"


def recorded_figures(state_folder: Path) -> dict[str, Any] | None:
    """Return position, PnL, fees, fills, volume, counters and the legs; None without a readable ledger."""
    path = state_folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)
        try:
            rows = connection.execute("SELECT position FROM positions").fetchall()
            counters = dict(connection.execute("SELECT name, value FROM counters"))
        finally:
            connection.close()
        return _figures({plain["leg"]: plain for plain in (json.loads(row[0]) for row in rows)}, counters)
    except (sqlite3.Error, ValueError, KeyError, TypeError, ArithmeticError):
        return None


def _figures(legs: Mapping[str, Mapping[str, Any]], counters: Mapping[str, int]) -> dict[str, Any]:
    return {
        "position": next((str(legs[leg]["size"]) for leg in ("main", "maker") if leg in legs), "0"),
        "realised_pnl": _sum(legs, "realised_pnl"),
        "fees": _sum(legs, "fees_paid"),
        "funding": _sum(legs, "funding_paid"),
        "fills": sum(int(plain["fills"]) for plain in legs.values()),
        "volume_quote": _sum(legs, "volume_quote"),
        "legs": {leg: str(plain["size"]) for leg, plain in legs.items()},
        "counters": dict(counters),
    }


def _sum(legs: Mapping[str, Mapping[str, Any]], key: str) -> str:
    return format(sum((Decimal(plain[key]) for plain in legs.values()), Decimal(0)), "f")
