"""Checks of what quoting costs and what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.registry.checks.draft import Draft
from core.registry.checks.sizes import layer_sizes, size_key
from core.registry.complaints import JsonPath, Problem
from core.registry.wording import shown

_CLOSE = 1 + 1e-9  # decimals of the file are binary here


def check_spread_is_above_fees(draft: Draft) -> Iterator[Problem]:
    """Who buys at the innermost bid and sells at the innermost ask must not lose by the fees alone."""
    fee_bps, found = draft.number("exchange_config", "maker_fee_bps"), _innermost_spread(draft)
    if fee_bps is None or found is None or fee_bps <= 0:
        return
    spread_pct, path, part = found
    needed_pct = 2 * fee_bps / 100
    if spread_pct * _CLOSE < needed_pct:
        why = f"twice maker_fee_bps ({fee_bps:g}); a round trip would lose"
        yield Problem(path, shown(_value_at(draft, path)), f"at least {needed_pct * part:g} (%): {why}")


def _innermost_spread(draft: Draft) -> tuple[float, JsonPath, float] | None:
    """Return the distance between the innermost quotes (%), the key that says it, and how much of it that one says."""
    least = draft.number("strategy_config", "minimum_spread_pct") or 0.0
    if draft.strategy.get("layer_mode") == "list":
        listed = draft.strategy.get("layer_spreads_pct")
        if not (isinstance(listed, list) and listed and draft.sound("strategy_config", "layer_spreads_pct")):
            return None
        if not isinstance(listed[0], int | float):
            return None  # of an unknown strategy nothing is checked before
        return 2 * max(float(listed[0]), least), ("strategy_config", "layer_spreads_pct", 0), 0.5
    spread = draft.number("strategy_config", "spread_pct")
    if spread is None:
        return None
    sides = [draft.number("strategy_config", f"{side}_spread_pct") for side in ("bid", "ask")]
    both = sum(max(spread / 2 if side is None else side, least) for side in sides)
    if all(side is None for side in sides):
        return both, ("strategy_config", "spread_pct"), 1.0
    return both, ("strategy_config", "bid_spread_pct" if sides[0] is not None else "ask_spread_pct"), 0.5


def _value_at(draft: Draft, path: JsonPath) -> Any:
    value: Any = draft.sections
    for part in path:
        value = value[part]
    return value


def check_layers_are_affordable(draft: Draft) -> Iterator[Problem]:
    """Where the money is known, on paper, all layers of a side can rest at the same time."""
    symbol, balances = draft.strategy.get("symbol"), draft.exchange.get("initial_balances")
    if not isinstance(balances, dict) or not isinstance(symbol, str) or symbol.count("-") != 1 or draft.is_leveraged:
        return
    if draft.exchange.get("mode") == "live" or not draft.sound("exchange_config", "initial_balances", "mode"):
        return
    for asset, unit, side in zip(symbol.split("-"), ("base", "quote"), ("sells", "buys"), strict=True):
        needed, there = sum(layer_sizes(draft, unit)), _amount(balances, asset)
        if there is not None and needed > there * _CLOSE:
            key = size_key(draft, unit)
            expected = f"{side} of at most {there:g} {asset}, as in initial_balances; all layers need {needed:g}"
            yield Problem(("strategy_config", key), shown(draft.strategy[key]), expected)


def _amount(balances: Mapping[str, Any], asset: str) -> float | None:
    """Return how much of an asset there is; None when nobody says, and for none of it: the first fill brings some."""
    try:
        return float(balances[asset]) or None
    except (KeyError, TypeError, ValueError):  # of an unknown venue nothing is checked before
        return None
