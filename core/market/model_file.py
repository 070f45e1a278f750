"""Parameters that somebody else worked out, as a JSON file: checked here, read by core/trading/watched_file.py.

`{"version": 1, "symbol": ..., "unit": ..., "generated_at": seconds since 1970, ...}` and any of gamma, kappa (a number,
or `{"bid": ..., "ask": ...}`), A, sigma, horizon_s, min_spread_bps, in the bot's unit. Other keys are for readers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

VERSION = 1
_NUMBERS = {"gamma": "gamma", "A": "order_intensity", "sigma": "sigma", "horizon_s": "horizon_s",
            "min_spread_bps": "min_spread_bps"}  # fmt: skip
_MOST = 1e15
_MOST_AHEAD_S = 60.0  # a clock that made the file may be ahead of ours by so much


class FileText(NamedTuple):
    """What was read; `version` is another one whenever the file was read anew."""

    version: int
    text: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a file says: the strategy's keys and their values, and when it was made."""

    generated_s: float
    values: Mapping[str, float]

    def age_s(self, utc_ns: int) -> float:
        """Return how old it is."""
        return utc_ns / 1e9 - self.generated_s


def parse_model_file(text: str, symbols: tuple[str, ...], unit: str, utc_ns: int) -> ModelFile:
    """Return what a file says for one of these symbols in a unit. Raises ValueError, saying what is wrong with it."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"not JSON: {exc}") from exc
    if not isinstance(plain, dict) or plain.get("version") != VERSION:
        raise ValueError(f"not a parameter file of version {VERSION}")
    if plain.get("symbol") not in symbols:
        raise ValueError(f"it is for {plain.get('symbol')!r}, not {symbols[0]}")
    if plain.get("unit") != unit:
        raise ValueError(f"its unit is {plain.get('unit')!r}, not {unit!r}")
    found = ModelFile(_number("generated_at", plain.get("generated_at")), _values(plain))
    if found.age_s(utc_ns) < -_MOST_AHEAD_S:
        raise ValueError("generated_at lies ahead")
    return found


def _values(plain: Mapping[str, Any]) -> dict[str, float]:
    values = {ours: _number(key, plain[key]) for key, ours in _NUMBERS.items() if plain.get(key) is not None}
    kappa = plain.get("kappa")
    if isinstance(kappa, dict):
        values["kappa"] = (_number("kappa.bid", kappa.get("bid")) + _number("kappa.ask", kappa.get("ask"))) / 2
    elif kappa is not None:
        values["kappa"] = _number("kappa", kappa)
    if not values:
        raise ValueError("it holds no parameter")
    return values


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST:
        raise ValueError(f"{name} was {str(value)[:40]}, not a number above 0")
    return float(value)
