"""Every key of a config with its value and where that came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.bot_config import BotConfig
from core.registry.complaints import JsonPath
from core.registry.document import Document, Loaded
from core.registry.environment import Environment
from core.registry.references import leaves, origin_of
from core.registry.schema import DocumentSchema, schema_for
from core.registry.wording import path_text
from utils.env import MASK, references
from utils.input_validation import printable

_ATTRIBUTES = {"daemon_config": "daemon"}  # of a config, where the section is called otherwise


@dataclass(frozen=True, slots=True)
class Explained:
    """One key: its value as text, the layer that says it, and its origin.

    Layers are `flag`, `file`, `base`, `environment` and `default`. Origins are `file:line`, `base file:line`,
    `env NAME`, `.env NAME` and `default`.
    """

    path: str
    value_text: str
    origin: str
    layer: str


def explain_loaded(loaded: Loaded, config: BotConfig, environment: Environment) -> list[Explained]:
    """Return every key of a valid config in the order of the schemas."""
    schema = schema_for(config.kind, config.exchange, config.strategy, config.hedge_exchange)
    plain = config.to_plain()
    sections = {name: plain.get(_ATTRIBUTES.get(name, name), {}) for name in schema.sections if name != "kind"}
    return [
        _explained(path, value, loaded, schema, environment)
        for name, section in sections.items()
        for path, value in _in_schema_order(name, section, schema)
    ]


def _in_schema_order(name: str, section: dict[str, Any], schema: DocumentSchema) -> Iterator[tuple[JsonPath, Any]]:
    order = list((schema.section(name) or {}).get("properties", ()))
    for key in sorted(section, key=order.index):
        value = section[key]
        yield from [((name, key), value)] if isinstance(value, list) else leaves(value, (name, key))


def _explained(
    path: JsonPath, value: Any, loaded: Loaded, schema: DocumentSchema, environment: Environment
) -> Explained:
    layer, written = _layer(path, loaded.document)
    if schema.is_secret(path) and value:
        names = tuple(name for name in references(str(value)) if environment.get(name))
        return Explained(path_text(path), MASK, origin_of(names, environment, written), layer)
    ways_up = (path[:end] for end in range(len(path), 1, -1))  # a variable may hold a whole list
    names = next((loaded.variables[way] for way in ways_up if loaded.variables.get(way)), ())
    return Explained(path_text(path), _value_text(value), origin_of(names, environment, written), layer)


def _layer(path: JsonPath, document: Document) -> tuple[str, str]:
    """Return which layer says what is at a path, and where it is written there."""
    for end in range(len(path), 1, -1):
        owner = document.owner_of(path[:end])
        if owner is None:
            continue
        place = owner.text.value_places[path[:end]]
        if owner is document.base:
            return "base", f"base {owner.file}:{place[0]}"
        return ("file", f"{owner.file}:{place[0]}") if owner.has_lines else ("flag", owner.file)
    return ("default", "default") if document.value_at(path[:2]) is None else ("environment", "environment")


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value_text(member) for member in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return printable(str(value) if value != {} else "{}", 200)
