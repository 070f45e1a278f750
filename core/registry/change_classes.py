"""What a changed key means for a bot that runs: taken over at once, or by a new worker, or it is another bot then.

The schemas say it: `x-reload` is `live` or `restart`, `x-identity` marks what says where which money is traded. Who
cannot read schemas compares digests, made here by the validator (`core/process/config_change.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.bot_config import BotConfig
from core.registry.complaints import JsonPath
from core.registry.schema import DocumentSchema, schema_for


@dataclass(frozen=True, slots=True)
class ChangedKey:
    """One key that differs between two configs of a bot."""

    path: JsonPath
    live: bool


def with_digests(config: BotConfig, schema: DocumentSchema) -> BotConfig:
    """Return the config with the digests by which its successors are told apart from it."""
    flat, legs = tuple(_flat(config)), _legs(config)
    live, identity = _live_keys(schema), schema.marked("x-identity", True)
    # While the first one stays, a running worker can take a change over; while the second one stays, orders and ledger
    # are still the bot's.
    can_stay = _digest([legs, [pair for pair in flat if pair[0] not in live]])
    is_same = _digest([config.name, legs, [pair for pair in flat if pair[0] in identity]])
    return replace(config, restart_digest=can_stay, identity_digest=is_same)


def changed_keys(old: BotConfig, new: BotConfig) -> tuple[ChangedKey, ...]:
    """Return the keys that differ between two configs of one bot, its legs and references as written included."""
    schema = schema_for("bot", old.exchange, old.strategy, old.hedge_exchange)
    before, after = dict(_flat(old)), dict(_flat(new))
    missing = object()
    paths = [path for path in {**before, **after} if before.get(path, missing) != after.get(path, missing)]
    live = _live_keys(schema)
    found = [ChangedKey(path, path in live) for path in sorted(paths)]
    return (*found, *([ChangedKey(("legs",), False)] if old.legs != new.legs else []))


def _sections(config: BotConfig) -> dict[str, Mapping[str, Any]]:
    return {
        "metadata": config.metadata,
        "daemon_config": asdict(config.daemon),
        "exchange_config": config.exchange_config,
        "strategy_config": config.strategy_config,
        "risk_config": config.risk_config,
        "hedge_exchange_config": config.hedge_exchange_config,
        "reference_config": config.reference_config,
    }


def _flat(config: BotConfig) -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield every key of every section; what lies inside a key is one value with it."""
    for name, section in _sections(config).items():
        for key, value in section.items():
            yield (name, key), value


_OF_VENUES = frozenset({"exchange_config", "hedge_exchange_config"})


def _live_keys(schema: DocumentSchema) -> frozenset[JsonPath]:
    """Return what a running worker takes over; a key that no schema knows, or a client reads, needs a new one."""
    return frozenset(path for path in schema.marked("x-reload", "live") if path[0] not in _OF_VENUES)


def _legs(config: BotConfig) -> list[Any]:
    return [asdict(leg) for leg in config.legs]


def _digest(what: Any) -> str:
    text = json.dumps(what, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
