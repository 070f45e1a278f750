"""Checks of limits, and of what may be traded by whom."""

from __future__ import annotations

from collections.abc import Iterator

from core.registry.checks.draft import Draft, check_order
from core.registry.checks.sizes import one_order
from core.registry.complaints import NOTHING, Problem
from core.registry.wording import shown


def check_price_bounds(draft: Draft) -> Iterator[Problem]:
    """The floor lies below the ceiling."""
    yield from check_order(draft, "risk_config", "price_floor", "price_ceiling")


def check_perp_has_position_limit(draft: Draft) -> Iterator[Problem]:
    """A position that can be borrowed without end needs a limit."""
    keys = ("max_position", "max_position_usd")
    if draft.strategy.get("instruments"):
        return  # each of them has a limit of its own
    if draft.sound("risk_config", *keys) and draft.is_leveraged and all(draft.risk.get(key) is None for key in keys):
        symbol = draft.strategy["symbol"]
        expected = f"a number above 0: {symbol} is a perpetual or future (or max_position_usd)"
        yield Problem(("risk_config", "max_position"), "nothing", expected)


def check_shared_symbol_is_spot(draft: Draft) -> Iterator[Problem]:
    """A position is the whole account's: of two bots on it each would take the other's fills for its own."""
    shares = draft.sound("exchange_config", "allow_shared_symbol") and draft.exchange.get("allow_shared_symbol")
    if shares and draft.is_leveraged:
        symbol = draft.strategy["symbol"]
        expected = f"false: {symbol} is a perpetual or future, whose position is the whole account's"
        yield Problem(("exchange_config", "allow_shared_symbol"), "true", expected)


def check_live_has_keys(draft: Draft) -> Iterator[Problem]:
    """Real orders need a key."""
    for section, required in draft.live_required.items():
        venue = draft.sections.get(section, {})
        if venue.get("mode") != "live" or not draft.sound(section, "mode"):
            continue
        for key in required:
            is_empty = (section, key) in draft.empty
            if (venue.get(key) is None or is_empty) and draft.sound(section, key):
                found = f"{shown(venue[key])}, which is not set" if is_empty else NOTHING
                yield Problem((section, key), found, '"${NAME}" with the key from .env: mode live needs it')


def check_one_order_fits_the_position(draft: Draft) -> Iterator[Problem]:
    """A limit below a single order lets the bot quote nothing, ever.

    That all layers of a side together pass it is no mistake: the outer ones wait until the inventory has room.
    """
    for limit, unit in (("max_position", "base"), ("max_position_usd", "quote")):
        most, size = draft.number("risk_config", limit), one_order(draft, unit)
        if most is not None and size is not None and size > most:
            expected = f"at least {size:g} ({unit}): what a single order comes to"
            yield Problem(("risk_config", limit), shown(draft.risk[limit]), expected)
