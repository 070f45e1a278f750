"""Checks of a bot that quotes a group of instruments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.registry.checks.draft import Draft
from core.registry.complaints import Problem
from core.registry.wording import nearest_of, shown
from utils.input_validation import symbol_key

_STRATEGY, _KEY = "strategy_config", "instruments"


def check_instruments_differ(draft: Draft) -> Iterator[Problem]:
    """One instrument is one leg: two of one market would trade with each other."""
    seen: set[str] = set()
    for place, row in enumerate(_rows(draft)):
        key = symbol_key(row["symbol"])
        if key in seen:
            path = (_STRATEGY, _KEY, place, "symbol")
            yield Problem(path, shown(row["symbol"]), "a symbol that is not listed before")
        seen.add(key)


def check_symbol_is_an_instrument(draft: Draft) -> Iterator[Problem]:
    """The main instrument, whose price and base the others are held against, is one of the group."""
    symbol, rows = draft.strategy.get("symbol"), _rows(draft)
    if not rows or not isinstance(symbol, str) or not draft.sound(_STRATEGY, "symbol"):
        return
    listed = [row["symbol"] for row in rows]
    if symbol not in listed:
        expected = f"one of the instruments: {', '.join(listed)}"
        yield Problem((_STRATEGY, "symbol"), shown(symbol), expected, nearest_of(symbol, listed))


def check_an_instrument_is_quoted(draft: Draft) -> Iterator[Problem]:
    """A group that only watches does nothing."""
    rows = _rows(draft)
    if rows and not any(row["quote"] for row in rows):
        yield Problem((_STRATEGY, _KEY, 0, "quote"), "false", "true for at least one of the instruments")


def check_one_order_fits_the_group(draft: Draft) -> Iterator[Problem]:
    """A limit below a single order lets a leg quote nothing, ever."""
    size, most = draft.number(_STRATEGY, "order_size"), draft.number(_STRATEGY, "group_max_position")
    for place, row in enumerate(_rows(draft) if size is not None else ()):
        if not row["quote"]:
            continue
        one = size * row["weight"]
        if one > row["max_position"]:
            expected = f"at least {one:g} (base): what a single order comes to"
            yield Problem((_STRATEGY, _KEY, place, "max_position"), shown(row["max_position"]), expected)
        if most is not None and one * row["beta"] > most:
            expected = f"at least {one * row['beta']:g} (base): a single order of {row['symbol']} times its beta"
            yield Problem((_STRATEGY, "group_max_position"), shown(draft.strategy["group_max_position"]), expected)
            return


def _rows(draft: Draft) -> list[Mapping[str, Any]]:
    """Return the instruments, none while something is wrong with them."""
    rows = draft.strategy.get(_KEY)
    if not isinstance(rows, list) or not draft.sound(_STRATEGY, _KEY):
        return []
    return rows if all(map(_is_instrument, rows)) else []


def _is_instrument(row: Any) -> bool:
    """Tell whether a row has what is asked of it here: of an unknown strategy nothing is checked before."""
    if not isinstance(row, dict) or not isinstance(row.get("symbol"), str) or not isinstance(row.get("quote"), bool):
        return False
    return all(isinstance(row.get(key), int | float) for key in ("weight", "max_position", "beta"))
