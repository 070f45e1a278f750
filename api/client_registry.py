"""Exchange name -> client class, imported on demand: `paper` is `CLIENT` in `api/paper_client.py`."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from typing import Any

from api.base_client import ExchangeClient
from utils.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_EMBEDDED = "paper"
_PAPER_ON_FEED = "api.paper_on_feed"


def venue_of(exchange: str) -> str:
    """Return the venue behind a configured exchange name: `paper:a` is a `paper`."""
    return exchange.partition(":")[0]


def client_class(exchange: str, mode: str = "live") -> type[ExchangeClient]:
    """Return the client class of an exchange. Raises ConfigError when there is none.

    In mode `paper` a live venue's public feed is joined to simulated fills; the embedded venue is paper in any mode.
    """
    venue = venue_of(exchange)
    if not _NAME.fullmatch(venue):
        raise ConfigError(f"exchange {exchange!r} is not a venue's name")
    if mode == "paper" and venue != _EMBEDDED:
        if importlib.util.find_spec(f"api.{venue}_client") is None:
            raise ConfigError(f"exchange {exchange!r} is not known")
        return _client_in(_PAPER_ON_FEED)
    try:
        return _client_in(f"api.{venue}_client")
    except ModuleNotFoundError as exc:
        if exc.name == f"api.{venue}_client":
            raise ConfigError(f"exchange {exchange!r} is not known") from exc
        raise


def config_complaints(
    exchange: str, mode: str, exchange_config: Mapping[str, Any], symbol: str, data_dirs: Sequence[str]
) -> list[str]:
    """Return what a venue has against a config. The embedded one says it without its client, which loads numpy."""
    if venue_of(exchange) == _EMBEDDED:
        settings = importlib.import_module(f"api.{_EMBEDDED}_settings")
        complaints: list[str] = settings.config_complaints(exchange_config, symbol, data_dirs)
        return complaints
    return client_class(exchange, mode).config_complaints(exchange_config, symbol, data_dirs)


def _client_in(module: str) -> type[ExchangeClient]:
    found: type[ExchangeClient] = importlib.import_module(module).CLIENT
    return found
