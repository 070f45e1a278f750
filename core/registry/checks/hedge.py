"""Checks of a bot that makes on one leg and takes on the other."""

from __future__ import annotations

from collections.abc import Iterator

from core.registry.checks.draft import Draft, check_order
from core.registry.complaints import Problem
from core.registry.legs import CROSS_VENUE, hedge_venue, hedges
from core.registry.live_consent import is_real_money
from core.registry.schema_files import known_exchanges, venue_of
from core.registry.wording import nearest_of, shown
from utils.input_validation import symbol_key

_STRATEGY, _HEDGE = "strategy_config", "hedge_exchange_config"
_LEG_KEYS = ("hedge_venue", "hedge_symbol", "hedge_account")
_WHOSE_MONEY = ("mode", "network", "base_url", "ws_url")
_MONEY = {True: "real money", False: "a test net or a simulator"}


def check_hedge_section_has_a_leg(draft: Draft) -> Iterator[Problem]:
    """Keys of a venue that nothing is traded on are a mistake."""
    if draft.hedge and hedge_venue(draft.metadata, draft.strategy) is None and draft.sound(_STRATEGY, "mode"):
        key = next(iter(draft.hedge))
        expected = "no such section: only mode cross_venue of maker_taker_hedge has a hedge leg"
        yield Problem((_HEDGE, key), "a key", expected, at_key=True)


def check_hedge_keys_have_a_leg(draft: Draft) -> Iterator[Problem]:
    """With one leg there is nothing to name of the other, and its book gives no price."""
    if not _hedges(draft, "mode") or draft.strategy.get("mode") == CROSS_VENUE:
        return
    for key in _LEG_KEYS:
        if draft.strategy.get(key) is not None and draft.sound(_STRATEGY, key):
            yield Problem((_STRATEGY, key), shown(draft.strategy[key]), "null, or mode cross_venue")
    if draft.strategy.get("quote_mode") == "profit" and draft.sound(_STRATEGY, "quote_mode"):
        yield Problem((_STRATEGY, "quote_mode"), '"profit"', '"touch" or "spread", or mode cross_venue')


def check_hedge_venue_is_known(draft: Draft) -> Iterator[Problem]:
    """The venue of the hedge leg has a schema."""
    venue = draft.strategy.get("hedge_venue")
    if not _hedges(draft, "hedge_venue") or not isinstance(venue, str) or venue_of(venue) in known_exchanges():
        return
    known = known_exchanges()
    yield Problem((_STRATEGY, "hedge_venue"), shown(venue), f"one of {', '.join(known)}", nearest_of(venue, known))


def check_legs_are_two_markets(draft: Draft) -> Iterator[Problem]:
    """Who makes and takes in one book trades with himself; mode same_venue is the one for that."""
    strategy = draft.strategy
    if not _hedges(draft, "mode", "symbol", *_LEG_KEYS) or strategy.get("mode") != CROSS_VENUE:
        return
    venue, symbol = draft.metadata.get("exchange"), strategy.get("symbol")
    other = strategy.get("hedge_symbol") or symbol
    if not (isinstance(venue, str) and isinstance(symbol, str) and isinstance(other, str)):
        return
    if (strategy.get("hedge_venue") or venue) == venue and symbol_key(other) == symbol_key(symbol):
        key = "hedge_symbol" if strategy.get("hedge_symbol") else "hedge_venue"
        expected = f"another market than {symbol} on {venue}: another hedge_venue or another hedge_symbol"
        yield Problem((_STRATEGY, key), shown(strategy.get(key)), expected)


def check_legs_have_one_mode(draft: Draft) -> Iterator[Problem]:
    """Real orders hedged on paper are not hedged."""
    here, there = draft.exchange.get("mode"), draft.hedge.get("mode")
    if there is None or here is None or not draft.sound("exchange_config", "mode") or not draft.sound(_HEDGE, "mode"):
        return
    if here != there:
        yield Problem((_HEDGE, "mode"), shown(there), f"{shown(here)}, as in exchange_config: both legs or none")


def check_legs_have_one_money(draft: Draft) -> Iterator[Problem]:
    """What is made on a test net or a simulator must not be hedged with real orders, nor the other way round."""
    here, there = draft.exchange, draft.hedge
    are_sound = all(draft.sound(section, *_WHOSE_MONEY) for section in ("exchange_config", _HEDGE))
    if not are_sound or not here.get("mode") == there.get("mode") == "live":
        return
    ours, theirs = is_real_money(here), is_real_money(there)
    if ours != theirs:
        expected = f"{_MONEY[ours]}, as in exchange_config: both legs or none"
        yield Problem((_HEDGE, "network"), _MONEY[theirs], expected)


def check_hedge_account_is_said_once(draft: Draft) -> Iterator[Problem]:
    """The account has two places for people's convenience, and one value."""
    here, there = draft.strategy.get("hedge_account"), draft.hedge.get("account")
    sound = _hedges(draft, "hedge_account") and draft.sound(_HEDGE, "account")
    if sound and here is not None and there is not None and here != there:
        yield Problem((_STRATEGY, "hedge_account"), shown(here), f"{shown(there)}, as in {_HEDGE}.account, or null")


def check_profits_ascend(draft: Draft) -> Iterator[Problem]:
    """The wanted profit lies between the least and the most, a retry's reach below its bound."""
    yield from check_order(draft, _STRATEGY, "min_profit_bps", "target_profit_bps")
    yield from check_order(draft, _STRATEGY, "target_profit_bps", "max_profit_bps")
    yield from check_order(draft, _STRATEGY, "hedge_slippage_bps", "hedge_slippage_max_bps")


def check_hedge_perp_has_position_limit(draft: Draft) -> Iterator[Problem]:
    """A hedge leg that can borrow needs a limit as the maker leg does; and no other bot may share its position."""
    venue = hedge_venue(draft.metadata, draft.strategy)
    symbol = draft.strategy.get("hedge_symbol") or draft.strategy.get("symbol")
    if venue is None or not isinstance(symbol, str) or draft.kind_of(venue, symbol) not in ("perp", "future"):
        return
    keys = ("max_position", "max_position_usd")
    missing = draft.sound("risk_config", *keys) and all(draft.risk.get(key) is None for key in keys)
    if missing and not draft.is_leveraged:
        expected = f"a number above 0: {symbol} is a perpetual or future (or max_position_usd)"
        yield Problem(("risk_config", "max_position"), "nothing", expected)
    if draft.hedge.get("allow_shared_symbol") and draft.sound(_HEDGE, "allow_shared_symbol"):
        expected = f"false: {symbol} is a perpetual or future, whose position is the whole account's"
        yield Problem((_HEDGE, "allow_shared_symbol"), "true", expected)


def _hedges(draft: Draft, *keys: str) -> bool:
    return hedges(draft.metadata.get("strategy")) and draft.sound(_STRATEGY, *keys)
