"""A bot's API keys: claimed like its symbols, since `account` is only a label, and looked at before the first order."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence

from api.base_client import ExchangeClient
from api.client_registry import client_class, venue_of
from core.bot_config import BotConfig, Leg
from core.process.claims import Claim
from utils.errors import VenueAuthError

log = logging.getLogger("makerd.process")


def key_claims(resolved: BotConfig, venue_symbols: Mapping[str, str] | None = None) -> list[Claim]:
    """Return a claim for each leg that has an API key: (venue, key, symbol), whatever the account is called.

    `venue_symbols` (by leg): the venue's own names, known once it is open; else the symbols as configured.
    """
    claims = []
    for leg in resolved.legs:
        settings = resolved.exchange_config_of(leg)
        key_id = client_class(leg.exchange, resolved.mode).key_id(settings)
        if key_id is not None:
            symbol = leg.symbol if venue_symbols is None else venue_symbols[leg.leg]
            claims.append(_claim(leg, key_id, symbol, bool(settings.get("allow_shared_symbol", False))))
    return claims


def _claim(leg: Leg, key_id: str, symbol: str, shared: bool) -> Claim:
    venue = venue_of(leg.exchange)
    digest = hashlib.sha256(f"{venue}\0{key_id}\0{symbol}".encode()).hexdigest()
    return Claim(f"key\0{digest}", f"{symbol} on {venue} with this API key", shared)


def venue_symbols(clients: Sequence[ExchangeClient], legs: Sequence[Leg]) -> dict[str, str]:
    """Return each leg's symbol as its venue writes it; the clients are open."""
    return {leg.leg: client.instrument.venue_symbol for leg, client in zip(legs, clients, strict=True)}


def check_keys(config: BotConfig, clients: Sequence[ExchangeClient]) -> None:
    """Ask the venues about our keys, as far as they tell; waits for them. Raises VenueAuthError, VenueUnreachable."""
    for leg, client in zip(config.legs, clients, strict=True):
        if client.per_home:
            continue
        may_withdraw = bool(config.exchange_config_of(leg).get("allow_withdrawal_key", False))
        report = client.check_key()
        warnings = list(report.warnings)
        if report.refused and may_withdraw and "withdraw" in report.refused.lower():
            warnings.append(f"{report.refused} (allowed by allow_withdrawal_key)")
        elif report.refused:
            raise VenueAuthError(report.refused)
        for warning in warnings:
            log.warning("key_warning", extra={"fields": {"leg": leg.leg, "exchange": leg.exchange, "reason": warning}})
