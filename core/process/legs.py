"""What a leg needs of its venue: claims that make it ours, a client, limits on margin; and the reference of a bot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from api.base_client import ClientContext, ExchangeClient
from api.client_registry import client_class, venue_of
from api.market_reader import MarketReader
from core.bot_config import BotConfig, Leg
from core.market.client_ids import OrderIds
from core.process.claims import Claim
from core.trading.clock import Clock
from core.trading.reference import Reference
from utils.errors import ConfigError

LEDGER_NAME = "ledger.db"
POSITION_LIMITS = ("max_position", "max_position_usd")


def claims_of(config: BotConfig, home_id: str) -> list[Claim]:
    """Return what a worker or sweeper of this bot must own: the bot and each of its legs."""
    claims = [Claim(f"bot\0{home_id}\0{config.name}", f"bot {config.name!r}")]
    for leg in config.legs:
        venue = _venue_scope(leg, config.mode, home_id)
        shared = bool(config.exchange_config_of(leg).get("allow_shared_symbol", False))
        text = f"{leg.symbol} on {leg.exchange} account {leg.account!r}"
        claims.append(Claim(f"symbol\0{venue}\0{leg.account}\0{leg.symbol}", text, shared))
    return claims


def _venue_scope(leg: Leg, mode: str, home_id: str) -> str:
    """Return the venue as far as it is the same one for everybody; simulated fills exist once per home."""
    return f"{leg.exchange}@{home_id}" if client_class(leg.exchange, mode).per_home else venue_of(leg.exchange)


def build_client(
    config: BotConfig,
    leg: Leg,
    state: Path,
    data_dirs: tuple[str, ...],
    clock: Clock,
    ids: OrderIds | None = None,
) -> ExchangeClient:
    """Return the client of one leg, not yet open. Raises ConfigError for an unknown exchange."""
    context = _context(config.name, leg, state, data_dirs, clock)
    return client_class(leg.exchange, config.mode)(config.exchange_config_of(leg), replace(context, ids=ids))


def _context(bot_name: str, leg: Leg, state: Path, data_dirs: tuple[str, ...], clock: Clock) -> ClientContext:
    return ClientContext(
        exchange=leg.exchange,
        symbol=leg.symbol,
        account=leg.account,
        bot_name=bot_name,
        state_dir=str(state),
        data_dirs=data_dirs,
        now_ns=clock.now_ns,
        utc_ns=clock.utc_ns,
    )


def build_reference(config: BotConfig, state: Path, data_dirs: tuple[str, ...], clock: Clock) -> Reference | None:
    """Return the market whose price is looked at beside the bot's own, not yet open; None where there is none.

    Its venue is asked for public data, with no key, whatever the mode of the bot. Raises ConfigError.
    """
    leg = config.reference
    if leg is None:
        return None
    kind, settings = client_class(leg.exchange), config.exchange_config_of(leg)
    context = replace(_context(config.name, leg, state, data_dirs, clock), public_only=True)
    reader = MarketReader(lambda: kind(settings, context), leg.leg, waits=not kind.embedded)
    return Reference.of(leg, reader, config.reference_config)


def hold_to_margin_rules(config: BotConfig, clients: Sequence[ExchangeClient]) -> None:
    """Refuse a leg on margin whose position has no limit, or is shared with another bot; the clients are open.

    A config is judged by its symbols, as far as those tell; here the venues have told. Raises ConfigError.
    """
    is_group = bool(config.strategy_config.get("instruments"))  # each of them has a limit of its own
    is_unlimited = not is_group and all(config.risk_config.get(key) is None for key in POSITION_LIMITS)
    for leg, client in zip(config.legs, clients, strict=True):
        if client.instrument.kind == "spot":
            continue
        what = f"{client.instrument.symbol} on {leg.exchange} is a perpetual or future"
        if is_unlimited:
            told = f"found nothing, expected a number above 0: {what} (or max_position_usd)"
            raise ConfigError(f"risk_config.max_position: {told}")
        if config.exchange_config_of(leg).get("allow_shared_symbol"):
            told = f"found true, expected false: {what}, whose position is the whole account's"
            raise ConfigError(f"allow_shared_symbol: {told}")
