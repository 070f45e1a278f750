"""Which legs a bot's ledger is of: a position in one instrument means nothing in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.bot_config import BotConfig, Leg
from core.registry.live_consent import is_simulated
from utils.errors import ConfigError, LedgerError
from utils.files import read_json, write_json_atomic

LEGS_NAME = "legs.json"


def hold_to_legs(config: BotConfig, folder: Path) -> None:
    """Make sure that a bot's ledger is of the legs that it trades now; a first start writes down which they are.

    Raises ConfigError, LedgerError.
    """
    path = folder / LEGS_NAME
    try:
        found = read_json(path)
        if found is None:
            write_json_atomic(path, _legs_of(config))
    except (OSError, ValueError) as exc:
        raise LedgerError(f"{path} cannot be used: {exc}") from exc
    if problem := _difference(config, found, folder):
        raise ConfigError(problem)


def why_not_its_ledger(config: BotConfig, folder: Path) -> str:
    """Return why a config cannot go on with the ledger in a folder; empty when it can, or when that cannot be told."""
    try:
        return _difference(config, read_json(folder / LEGS_NAME), folder)
    except (AttributeError, OSError, TypeError, ValueError):
        return ""  # the worker says what is wrong with the file


def _difference(config: BotConfig, found: Any, folder: Path) -> str:
    if found is None or found == _legs_of(config):
        return ""
    was = "; ".join(" ".join(str(part) for part in leg if part) for leg in found.values())
    return f"the ledger of bot {config.name!r} is of {was}; give the changed bot another name, or move {folder} away"


def _legs_of(config: BotConfig) -> dict[str, list[str | None]]:
    return {
        leg.leg: [leg.exchange, leg.account, leg.symbol, config.mode, _network_of(config, leg)] for leg in config.legs
    }


def _network_of(config: BotConfig, leg: Leg) -> str | None:
    return "simulator" if is_simulated(config.exchange_config_of(leg)) else config.network_of(leg)
