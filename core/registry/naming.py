"""What a config says of itself before it is validated: its name, and which schemas it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.registry.legs import hedge_venue
from core.registry.schema import BaseSchema, BotSchema, DocumentSchema, schema_for
from utils.env import BrokenReference, MissingVariables, interpolate


def name_of(tree: Any, environment: Mapping[str, str]) -> str | None:
    """Return the bot's name as far as it can be told without validating."""
    return _text(section_of(tree, "metadata").get("name"), environment)


def schema_of(tree: Any, environment: Mapping[str, str]) -> DocumentSchema:
    """Return the schema for the exchange and strategy, or the job, that a config names."""
    kind = tree.get("kind") if isinstance(tree, dict) else None
    metadata, job = section_of(tree, "metadata"), section_of(tree, "job_config").get("job")
    named = (metadata.get("exchange"), job if kind == "job" else metadata.get("strategy"))
    strategy = section_of(tree, "strategy_config")
    said = {key: _text(strategy.get(key), environment) for key in ("mode", "hedge_venue")}
    exchange, what = (_text(name, environment) for name in named)
    hedge = None if kind == "job" else hedge_venue({"exchange": exchange, "strategy": what}, said)
    return schema_for(str(kind), exchange, what, hedge)


def schema_of_base(tree: Any, environment: Mapping[str, str]) -> DocumentSchema:
    """Return the schema for a base, as far as it says what it is of."""
    found = schema_of(tree, environment)
    return BaseSchema(found) if isinstance(found, BotSchema) else found


def section_of(tree: Any, name: str) -> Mapping[str, Any]:
    """Return a section as it is written, an empty one where there is none."""
    found = tree.get(name) if isinstance(tree, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: Any, environment: Mapping[str, str]) -> str | None:
    if not isinstance(value, str) or "${" not in value:
        return value if isinstance(value, str) else None
    try:
        return str(interpolate(value, environment))
    except (MissingVariables, BrokenReference):
        return None
