"""Checks of the market whose price is looked at beside the bot's own."""

from __future__ import annotations

from collections.abc import Iterator

from core.bot_config import REFERENCE_KEYS, REFERENCE_SECTION
from core.registry.checks.draft import Draft
from core.registry.complaints import NOTHING, Problem
from core.registry.schema_files import known_exchanges, load_schema, venue_of
from core.registry.wording import nearest_of, shown
from utils.input_validation import margin_kind, our_symbol


def check_reference_names_a_venue(draft: Draft) -> Iterator[Problem]:
    """What is said of a reference is said of a venue."""
    if draft.reference.get("exchange") is not None or not draft.sound(REFERENCE_SECTION, "exchange"):
        return
    given = [key for key, value in draft.reference.items() if value is not None and key != "max_age_s"]
    if given:
        yield Problem((REFERENCE_SECTION, "exchange"), NOTHING, f"a venue's name: {given[0]} is given")


def check_reference_venue_is_known(draft: Draft) -> Iterator[Problem]:
    """The venue of the reference has a schema."""
    venue, known = draft.reference.get("exchange"), known_exchanges()
    if isinstance(venue, str) and draft.sound(REFERENCE_SECTION, "exchange") and venue_of(venue) not in known:
        yield Problem(
            (REFERENCE_SECTION, "exchange"), shown(venue), f"one of {', '.join(known)}", nearest_of(venue, known)
        )


def check_reference_keys_are_of_its_venue(draft: Draft) -> Iterator[Problem]:
    """A key that the venue does not have would say nothing; of words it takes only its own."""
    venue = draft.reference.get("exchange")
    if not isinstance(venue, str) or venue_of(venue) not in known_exchanges():
        return
    nodes = load_schema(f"exchanges/{venue_of(venue)}")["properties"]
    for key, value in draft.reference.items():
        if value is None or key in REFERENCE_KEYS or not draft.sound(REFERENCE_SECTION, key):
            continue
        is_of_paper = key not in ("network", "base_url", "ws_url")  # a live venue's seed is one of simulated fills
        if key not in nodes or is_of_paper != (venue_of(venue) == "paper"):
            yield Problem(
                (REFERENCE_SECTION, key), shown(value), f"null: {venue_of(venue)} has no such key for its prices"
            )
        elif value not in nodes[key].get("enum", (value,)):
            words = " or ".join(shown(word) for word in nodes[key]["enum"])
            yield Problem((REFERENCE_SECTION, key), shown(value), f"{words}: {venue_of(venue)} has no other")


def check_external_price_has_a_reference(draft: Draft) -> Iterator[Problem]:
    """A price of nowhere would be our own mid for ever."""
    source, known = draft.strategy.get("price_source"), draft.sound(REFERENCE_SECTION, "exchange")
    if source == "external" and draft.reference.get("exchange") is None and known:
        expected = "another source, or a reference_config that names a venue"
        yield Problem(("strategy_config", "price_source"), shown(source), expected)


def check_reference_has_our_money(draft: Draft) -> Iterator[Problem]:
    """Prices in another asset are not compared without a word on it; what names do not tell, the venues do."""
    ours, theirs = draft.strategy.get("symbol"), draft.reference.get("symbol")
    sound = draft.sound("strategy_config", "symbol") and draft.sound(
        REFERENCE_SECTION, "symbol", "conversion", "exchange"
    )
    if not sound or draft.reference.get("conversion") is not None or draft.reference.get("exchange") is None:
        return
    here, there = _quote_in(ours), _quote_in(theirs)
    if here and there and here != there:
        yield Problem((REFERENCE_SECTION, "conversion"), NOTHING, f"a number: what one {there} is in {here}")


def _quote_in(symbol: object) -> str | None:
    """Return the quote asset that a symbol names, None where it names none."""
    if not isinstance(symbol, str) or margin_kind(symbol):
        return None
    base, _, quote = our_symbol(symbol.upper()).partition("-")
    return quote if base and quote and "-" not in quote else None
