"""The last step, in the worker after its fork: references at `writeOnly` keys become secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.registry.complaints import JsonPath
from core.registry.environment import Environment
from core.registry.references import secret_references
from core.registry.schema import schema_for
from utils.env import MissingVariables, Reference, Secret
from utils.errors import ConfigError

_SECTIONS = ("exchange_config", "strategy_config", "risk_config", "job_config", "hedge_exchange_config")


def references_to_secrets(config: BotConfig) -> dict[JsonPath, Reference]:
    """Return the reference at every `writeOnly` key of a config; once asked, the schemas that say so are at hand."""
    schema = schema_for(config.kind, config.exchange, config.strategy, config.hedge_exchange)
    return secret_references(_sections(config), schema)


def resolve_secrets(config: BotConfig, environ: Mapping[str, str], env_file: Path) -> BotConfig:
    """Return the config with a Secret at every `writeOnly` key (None where its default is empty).

    Raises ConfigError naming every missing variable, or why `.env` was refused.
    """
    found = references_to_secrets(config)
    if not found:
        return config
    environment = Environment(environ, env_file)
    missing = sorted({ref.name for ref in found.values() if not ref.look_up(environment) and ref.default is None})
    if missing and environment.complaints:
        raise ConfigError(str(environment.complaints[0]))
    if missing:
        raise MissingVariables(tuple(missing))
    sections = _sections(config)
    for path, ref in found.items():
        sections = _with(sections, path, _secret(ref.look_up(environment)))
    return replace(config, **sections)


def _sections(config: BotConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in _SECTIONS}


def _secret(text: str | None) -> Secret | None:
    return Secret(text) if text else None


def _with(tree: Any, path: JsonPath, value: Any) -> Any:
    if not path:
        return value
    if isinstance(tree, list):
        return [_with(member, path[1:], value) if place == path[0] else member for place, member in enumerate(tree)]
    return {**tree, path[0]: _with(tree[path[0]], path[1:], value)}
