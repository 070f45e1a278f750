"""Checks of what a start or a stop does about a position: a close must make sense where the bot trades."""

from __future__ import annotations

from collections.abc import Iterator

from core.registry.checks.draft import Draft
from core.registry.checks.grid_shape import is_grid
from core.registry.complaints import Problem
from core.registry.wording import shown

_SECTION = "strategy_config"
_CLOSING = ("close_long", "close_short", "close_all")
_CROSS_VENUE = "cross_venue"


def check_startup_position(draft: Draft) -> Iterator[Problem]:
    """A start closes only what can be closed, and takes nothing from a strategy that counts on it."""
    found = draft.strategy.get("startup_position")
    if found not in _CLOSING or not draft.sound(_SECTION, "startup_position", "symbol", "mode"):
        return
    expected = _why_nothing_is_closed(draft, '"keep" or "refuse"')
    if expected is None and _has_two_legs(draft) and found != "close_all":
        expected = '"keep", "close_all" or "refuse": the legs hold each other\'s risk, one alone is not closed'
    elif expected is None and found != "close_long" and _is_spot(draft):
        expected = '"keep", "close_long" or "refuse": on spot what was bought is sold, and nothing is bought back'
    if expected is not None:
        yield Problem((_SECTION, "startup_position"), shown(found), expected)


def check_on_stop(draft: Draft) -> Iterator[Problem]:
    """A stop closes only where the next start can go on from it."""
    if draft.strategy.get("on_stop") != "close_position" or not draft.sound(_SECTION, "on_stop", "symbol", "mode"):
        return
    expected = _why_nothing_is_closed(draft, '"cancel"')
    if expected is not None:
        yield Problem((_SECTION, "on_stop"), shown("close_position"), expected)


def _why_nothing_is_closed(draft: Draft, allowed: str) -> str | None:
    """Return what is allowed instead of closing, and why; None where a close makes sense."""
    if is_grid(draft):
        return f"{allowed}: the cells of a grid hold what it bought, and its own stops close it"
    if _has_two_legs(draft) and not _both_leveraged(draft):
        return f"{allowed}: on the spot leg nothing is bought back, so the other would stand alone"
    return None


def _has_two_legs(draft: Draft) -> bool:
    return draft.strategy.get("mode") == _CROSS_VENUE


def _both_leveraged(draft: Draft) -> bool:
    exchange, symbol = draft.metadata.get("exchange"), draft.strategy.get("symbol")
    other_exchange = draft.strategy.get("hedge_venue") or exchange
    other_symbol = draft.strategy.get("hedge_symbol") or symbol
    legs = ((exchange, symbol), (other_exchange, other_symbol))
    return all(
        isinstance(venue, str) and isinstance(traded, str) and draft.kind_of(venue, traded) in ("perp", "future")
        for venue, traded in legs
    )


def _is_spot(draft: Draft) -> bool:
    """Tell whether a bot trades a spot market, as far as names tell: a strategy with a leverage does not."""
    symbol = draft.strategy.get("symbol")
    if draft.is_leveraged or "leverage" in draft.strategy or not isinstance(symbol, str):
        return False
    return symbol.count("-") == 1 and symbol.partition("-")[2].isalpha()
