"""Every key of a config with its value and where that came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.bot_config import BotConfig
from core.registry.complaints import JsonPath
from core.registry.document import Loaded
from core.registry.environment import Environment
from core.registry.references import leaves, origin_of
from core.registry.schema import DocumentSchema, schema_for
from core.registry.wording import path_text
from utils.env import MASK, references
from utils.input_validation import printable

_ATTRIBUTES = {"daemon_config": "daemon"}  # of a config, where the section is called otherwise


@dataclass(frozen=True, slots=True)
class Explained:
    """One key: its value as text, and its origin: `file:line`, `env NAME`, `.env NAME` or `default`."""

    path: str
    value_text: str
    origin: str


def explain_loaded(loaded: Loaded, config: BotConfig, environment: Environment) -> list[Explained]:
    """Return every key of a valid config in the order of the schemas."""
    schema = schema_for(config.kind, config.exchange, config.strategy)
    plain = config.to_plain()
    sections = {name: plain[_ATTRIBUTES.get(name, name)] for name in schema.sections if name != "kind"}
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
    document = loaded.document
    place = document.text.value_places.get(path)
    written = f"{document.file}:{place[0]}" if place and document.has_lines else document.file
    if schema.is_secret(path) and value:
        names = tuple(name for name in references(str(value)) if environment.get(name))
        return Explained(path_text(path), MASK, origin_of(names, environment, written))
    names = loaded.variables.get(path, ())
    origin = origin_of(names, environment, written) if place else "default"
    return Explained(path_text(path), _value_text(value), origin)


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value_text(member) for member in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return printable(str(value) if value != {} else "{}", 200)
