"""Samples of Backpack's messages."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.backpack_errors import problem_of, reject_reason
from core.market.order import Order, Side
from tests.market_parts import instrument

FOLDER = Path(__file__).parents[1] / "golden" / "backpack"
SAMPLES: dict[str, dict[str, Any]] = {
    sample["id"]: sample for sample in json.loads((FOLDER / "messages.json").read_text())["samples"]
}
CASES: list[dict[str, Any]] = json.loads((FOLDER / "rest_cases.json").read_text())["cases"]
SOL = instrument(venue_symbol="SOL_USDC", tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), min_lots=10)


def reason(code: str, lots: int = 10) -> str:
    return reject_reason(problem_of(400, {"code": code, "message": "No"}), Order("a", "main", Side.BUY, 1, lots), SOL)
