"""Exchange name -> client class, imported on demand: `paper` is `CLIENT` in `api/paper_client.py`."""

from __future__ import annotations

import importlib
import re

from api.base_client import ExchangeClient
from utils.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def venue_of(exchange: str) -> str:
    """Return the venue behind a configured exchange name: `paper:a` is a `paper`."""
    return exchange.partition(":")[0]


def client_class(exchange: str) -> type[ExchangeClient]:
    """Return the client class of an exchange. Raises ConfigError when there is none."""
    venue = venue_of(exchange)
    if not _NAME.fullmatch(venue):
        raise ConfigError(f"exchange {exchange!r} is not a venue's name")
    try:
        module = importlib.import_module(f"api.{venue}_client")
    except ModuleNotFoundError as exc:
        if exc.name == f"api.{venue}_client":
            raise ConfigError(f"exchange {exchange!r} is not known") from exc
        raise
    found: type[ExchangeClient] = module.CLIENT
    return found
