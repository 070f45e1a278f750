"""What only all configs together can break: one name, one symbol or one key claimed twice.

Every file that takes part is refused: which of them is meant is not for us to guess, and none may push a running
bot aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from core.bot_config import HEDGE, BotConfig, Leg
from core.registry.complaints import Complaint, Problem
from core.registry.document import Loaded
from core.registry.schema import load_schema, venue_of
from core.registry.wording import shown
from utils.input_validation import symbol_key

MAX_NAMED = 3


def fleet_complaints(loaded: Sequence[Loaded]) -> dict[int, tuple[Complaint, ...]]:
    """Return the complaints that arise between configs, by position in `loaded`."""
    found: dict[int, list[Complaint]] = defaultdict(list)
    for check in (_same_names, _shared_symbols, _shared_keys):
        for place, problem in check(loaded):
            found[place].append(loaded[place].document.complain(problem))
    return {place: tuple(complaints) for place, complaints in found.items()}


def _same_names(loaded: Sequence[Loaded]) -> Iterator[tuple[int, Problem]]:
    by_name: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(loaded):
        if one.name is not None:
            by_name[one.name].append(place)
    for name, places in by_name.items():
        for place in places if len(places) > 1 else ():
            others = _listed([loaded[other].document.file for other in places if other != place])
            yield place, Problem(("metadata", "name"), shown(name), f"a name of its own; it is also used in {others}")


def _shared_symbols(loaded: Sequence[Loaded]) -> Iterator[tuple[int, Problem]]:
    claims: dict[tuple[str, str, str], list[tuple[int, BotConfig, Leg]]] = defaultdict(list)
    for place, one in enumerate(loaded):
        for leg in one.config.legs if one.config else ():
            assert one.config is not None
            claims[leg.exchange, leg.account, symbol_key(leg.symbol)].append((place, one.config, leg))
    for (exchange, account, _), group in claims.items():
        for place, bot, leg in group:
            shares = _shares(bot, leg)
            others = [
                other.name for there, other, its in group if there != place and not (shares and _shares(other, its))
            ]
            if others:
                expected = (
                    f"one bot for it on {exchange}, account {account} ({_listed(others)} trades it too), "
                    "or allow_shared_symbol true in both"
                )
                yield place, Problem(("strategy_config", _symbol_key(bot, leg)), shown(leg.symbol), expected)


def _symbol_key(bot: BotConfig, leg: Leg) -> str:
    """Return the key that says a leg's symbol."""
    if bot.strategy_config.get("instruments"):
        return "instruments"
    return "hedge_symbol" if leg.leg == HEDGE and bot.strategy_config.get("hedge_symbol") else "symbol"


def _shared_keys(loaded: Sequence[Loaded]) -> Iterator[tuple[int, Problem]]:
    """Where a venue counts nonces per key, two bots with one key would make each other's requests invalid.

    Keys are told apart by their variables; two that hold the same value are refused by the claim on the key.
    """
    users: dict[tuple[str, str, str], list[tuple[int, str, str]]] = defaultdict(list)
    for place, one in enumerate(loaded):
        if one.config is None or one.config.mode != "live":
            continue
        for leg in one.config.legs:
            venue, section = venue_of(leg.exchange), _section_of(leg)
            for key in load_schema(f"exchanges/{venue}").get("x-key-nonces", ()):
                reference = str(one.config.exchange_config_of(leg).get(key))
                users[venue, key, reference].append((place, one.config.name, section))
    for (venue, key, reference), group in users.items():
        for at, (place, _, section) in enumerate(group):
            if others := [name for there, (_, name, _) in enumerate(group) if there != at]:
                expected = f"a key of its own: {venue} counts nonces per key, and {_listed(others)} uses it, too"
                yield place, Problem((section, key), reference, expected)


def _section_of(leg: Leg) -> str:
    return "hedge_exchange_config" if leg.leg == HEDGE else "exchange_config"


def _shares(bot: BotConfig, leg: Leg) -> bool:
    return bool(bot.exchange_config_of(leg).get("allow_shared_symbol"))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
