"""What a bot trades: one leg, the maker's and the hedge's, or one for each instrument of a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.bot_config import HEDGE, MAKER, Leg
from core.registry.schema_files import known_strategies, load_schema
from utils.group_legs import MAIN, legs_of_group

CROSS_VENUE = "cross_venue"
Section = Mapping[str, Any]


def hedges(strategy: Any) -> bool:
    """Tell whether a strategy makes on one leg and may take on another: its schema has the key `hedge_venue`."""
    return strategy in known_strategies() and "hedge_venue" in load_schema(f"strategies/{strategy}")["properties"]


def hedge_venue(metadata: Section, strategy: Section) -> str | None:
    """Return the venue of the hedge leg, by default the maker's own; None where there is no such leg."""
    if not hedges(metadata.get("strategy")) or strategy.get("mode") != CROSS_VENUE:
        return None
    venue = strategy.get("hedge_venue") or metadata.get("exchange")
    return venue if isinstance(venue, str) else None


def legs_of(metadata: Section, exchange: Section, strategy: Section, hedge: Section) -> tuple[Leg, ...]:
    """Return the legs of a valid config, the one that quotes first."""
    name, venue = metadata["name"], metadata["exchange"]
    own = exchange.get("account") or name
    if instruments := strategy.get("instruments"):
        named = legs_of_group(strategy["symbol"], instruments)
        return tuple(Leg(leg, venue, own, row["symbol"]) for leg, row in named)
    first = MAKER if hedges(metadata["strategy"]) else MAIN
    legs = (Leg(first, venue, own, strategy["symbol"]),)
    other = hedge_venue(metadata, strategy)
    if other is None:
        return legs
    account = strategy["hedge_account"] or hedge.get("account") or name
    return (*legs, Leg(HEDGE, other, account, strategy["hedge_symbol"] or strategy["symbol"]))


def hedge_section(given: Section | None, metadata: Section, exchange: Section, strategy: Section) -> dict[str, Any]:
    """Return the hedge leg's keys before defaults: as given, or the maker's where both legs are on one venue."""
    venue = hedge_venue(metadata, strategy)
    if given is None and venue is not None and venue == metadata.get("exchange"):
        return dict(exchange)
    return dict(given or {})
