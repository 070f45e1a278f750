"""The golden numbers of the arithmetic, read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from core.market.bars import Bar

FOLDER = Path(__file__).parent / "golden" / "quant"


def golden(name: str) -> Any:
    """Return a JSON file of golden numbers."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def golden_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of golden numbers."""
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def golden_bars() -> list[Bar]:
    """Return the bars that the indicators and estimators are held against."""
    names = ("open", "high", "low", "close", "volume")
    return [Bar(*(float(row[name]) for name in names)) for row in golden_rows("ohlcv_indicators")]
