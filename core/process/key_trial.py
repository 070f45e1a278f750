"""Whether a venue takes the key that is in `.env`: connected, read, hung up. No order is placed, nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.base_client import Inbox
from api.client_registry import client_class
from core.process.legs import build_client
from core.process.network_names import take_network_names
from core.registry.config_manager import load_plain
from core.registry.reading import config_files
from core.registry.secret_values import resolve_secrets
from core.trading.clock import SystemClock
from utils.errors import ConfigError, VenueError, VenueUnreachable
from utils.home import Home


def key_problems(exchange: str, parts: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the form of a venue's key, by its part. Raises ConfigError for an unknown venue."""
    return client_class(exchange).key_problems(parts)


def try_key(home: Home, exchange: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return why a venue does not take its key, "" when it does, and what else it says of it."""
    try:
        config = load_plain(_live(template_of(home, exchange)), f"template of {exchange}", home, environ)
        resolved = resolve_secrets(config, environ, home.env_file)
        take_network_names(resolved, environ, home.env_file)
        client = build_client(resolved, resolved.legs[0], home.state, home.data_dirs, SystemClock())
        inbox = Inbox()
        try:
            client.open(inbox, "main")
            report = client.check_key()
        finally:
            client.close()
            inbox.close()
    except (ConfigError, VenueError, VenueUnreachable) as exc:
        return str(exc), []
    return report.refused, list(report.warnings)


def template_of(home: Home, exchange: str) -> dict[str, Any]:
    """Return the first template of a venue. Raises ConfigError when there is none."""
    for path in config_files(home.templates):
        plain = _plain(path)
        if plain.get("metadata", {}).get("exchange") == exchange:
            return plain
    raise ConfigError(f"there is no template of {exchange} to try its key with")


def _plain(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _live(plain: dict[str, Any]) -> dict[str, Any]:
    return {**plain, "exchange_config": {**plain.get("exchange_config", {}), "mode": "live"}}
