"""The schemas of one document put together: the one home of every key's type, range, unit, default and help."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from core.registry.complaints import JsonPath
from core.registry.schema_files import (
    SCHEMAS,
    Node,
    bundled_schema,
    known_exchanges,
    known_jobs,
    known_strategies,
    load_schema,
    validator_of,
    venue_of,
)

__all__ = [
    "SCHEMAS",
    "BaseSchema",
    "BotSchema",
    "DocumentSchema",
    "JobSchema",
    "bundled_schema",
    "expectation",
    "known_exchanges",
    "known_jobs",
    "known_strategies",
    "load_schema",
    "schema_for",
    "types_of",
    "validator_of",
    "venue_of",
    "with_defaults",
]
_NOTHING: Node = {}


class DocumentSchema:
    """The schema of one kind of file, whose sections may lie in schemas of their own. Made once, asked often."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.names: dict[str, str] = {}  # section -> its own schema
        self._nodes: dict[JsonPath, Node] = {}
        self._marked: dict[tuple[str, Any], frozenset[JsonPath]] = {}

    @property
    def sections(self) -> tuple[str, ...]:
        """Return the names of all sections."""
        return tuple(load_schema(self.root)["properties"])

    def section(self, name: str) -> Node | None:
        """Return the schema of one section, None when it is not known."""
        if name in self.names:
            return load_schema(self.names[name])
        node: Node | None = load_schema(self.root)["properties"].get(name)
        return node if node and "properties" in node else None

    def node(self, path: JsonPath) -> Node | None:
        """Return the schema of what is at a path, None for an unknown key."""
        found = self._nodes.get(path)
        if found is None:
            found = self._node(path)
            if found is not None and len(path) <= 2:  # the keys of a schema are few, those of a hostile file are not
                self._nodes[path] = found
        return found

    def _node(self, path: JsonPath) -> Node | None:
        if not path:
            return load_schema(self.root)
        node = self.section(str(path[0])) or load_schema(self.root)["properties"].get(path[0])
        for part in path[1:]:
            node = _child(node or _NOTHING, part)
        return node

    def keys(self, section: str) -> tuple[str, ...]:
        """Return the keys that a section may have, in the order of the schema."""
        return tuple((self.section(section) or _NOTHING).get("properties", ()))

    def marked(self, mark: str, value: Any) -> frozenset[JsonPath]:
        """Return the keys of all sections whose schema says that of them."""
        if (mark, value) not in self._marked:
            paths = [(section, key) for section in self.sections for key in self.keys(section)]
            self._marked[mark, value] = frozenset(
                path for path in paths if (self.node(path) or _NOTHING).get(mark) == value
            )
        return self._marked[mark, value]

    def is_below_secret(self, path: JsonPath) -> bool:
        """Tell whether what is at a path is a secret or lies in one."""
        if path in self._nodes and len(path) == 2:  # the usual question
            return bool(self._nodes[path].get("writeOnly"))
        return any((self.node(path[:end]) or _NOTHING).get("writeOnly") for end in range(1, len(path) + 1))

    def is_secret(self, path: JsonPath) -> bool:
        """Tell whether what is at a path is, lies in, or may hold a secret."""
        return self.is_below_secret(path) or _holds_secret(self.node(path) or _NOTHING)


class BotSchema(DocumentSchema):
    """The schema of one whole config: the sections of its exchange and strategy put together.

    An unknown exchange or strategy leaves its section out. `hedge` is the venue of the hedge leg, where there is one.
    """

    def __init__(self, exchange: str | None, strategy: str | None, hedge: str | None = None) -> None:
        super().__init__("bot")
        if exchange is not None and venue_of(exchange) in known_exchanges():
            self.names["exchange_config"] = f"exchanges/{venue_of(exchange)}"
        if strategy is not None and strategy in known_strategies():
            self.names["strategy_config"] = f"strategies/{strategy}"
        if hedge is not None and venue_of(hedge) in known_exchanges():
            self.names["hedge_exchange_config"] = f"exchanges/{venue_of(hedge)}"


class JobSchema(DocumentSchema):
    """The schema of a config of kind "job"; an unknown job leaves its section out."""

    def __init__(self, job: str | None) -> None:
        super().__init__("job")
        if job is not None and job in known_jobs():
            self.names["job_config"] = f"jobs/{job}"


def schema_for(kind: str, exchange: str | None, strategy: str | None, hedge: str | None = None) -> DocumentSchema:
    """Return the schema of a config of that kind; of a job, `strategy` is its name, `hedge` the hedge leg's venue."""
    if kind == "job":
        return _job_schema(strategy if strategy in known_jobs() else None)
    venue = venue_of(exchange or "")
    known = venue if venue in known_exchanges() else None
    other = venue_of(hedge or "")
    other_known = other if other in known_exchanges() else None
    return _bot_schema(known, strategy if strategy in known_strategies() else None, other_known)


@functools.cache
def _bot_schema(exchange: str | None, strategy: str | None, hedge: str | None) -> DocumentSchema:
    return BotSchema(exchange, strategy, hedge)


@functools.cache
def _job_schema(job: str | None) -> DocumentSchema:
    return JobSchema(job)


class BaseSchema(DocumentSchema):
    """The schema of a base, which need not say of what venue it is: what is a secret of any schema is one in there."""

    def __init__(self, of: BotSchema) -> None:
        super().__init__(of.root)
        self.names = dict(of.names)

    def is_below_secret(self, path: JsonPath) -> bool:
        """Tell whether what is at a path is, or lies in, a secret of any config that could extend the base."""
        is_of_venue = bool(path) and str(path[0]).endswith(_VENUE_SECTION)
        own: JsonPath = (_VENUE_SECTION, *path[1:2]) if is_of_venue else path[:2]
        return own in _secrets_of_all() or super().is_below_secret(path)


_VENUE_SECTION = "exchange_config"  # how the section of any venue ends


@functools.cache
def _secrets_of_all() -> frozenset[JsonPath]:
    exchanges = [BotSchema(exchange, None) for exchange in known_exchanges()]
    strategies = [BotSchema(None, strategy) for strategy in known_strategies()]
    return frozenset().union(*(one.marked("writeOnly", True) for one in (*exchanges, *strategies)))


def _child(node: Node, part: str | int) -> Node | None:
    if isinstance(part, int):
        items: Node | None = node.get("items")
        return items
    known: Node | None = node.get("properties", {}).get(part)
    others = node.get("additionalProperties")
    return known if known is not None or not isinstance(others, dict) else others


def _holds_secret(node: Node) -> bool:
    children = [*node.get("properties", {}).values(), node.get("items")]
    return bool(node.get("writeOnly")) or any(_holds_secret(child) for child in children if child)


def types_of(node: Node) -> Sequence[str]:
    """Return the JSON types that a schema allows, empty when it says nothing."""
    types = node.get("type", ())
    return (types,) if isinstance(types, str) else types


def with_defaults(node: Node, value: Any) -> Any:
    """Return a valid value with the defaults of all missing keys and numbers in the form of their type."""
    if isinstance(value, dict):
        properties: Node = node.get("properties", _NOTHING)
        filled = {
            key: member if type(member) in _AS_THEY_ARE else with_defaults(properties.get(key, _NOTHING), member)
            for key, member in value.items()
        }
        for key, default in _defaults_of(properties):
            if key not in filled:
                filled[key] = default if type(default) in _AS_THEY_ARE else with_defaults(properties[key], default)
        return filled
    if isinstance(value, list):
        return [with_defaults(node.get("items", _NOTHING), member) for member in value]
    return _number_in_form(types_of(node), value)


_AS_THEY_ARE = frozenset({str, bool, type(None)})


def _defaults_of(properties: Node) -> list[tuple[str, Any]]:
    return [(key, child["default"]) for key, child in properties.items() if "default" in child]


def _number_in_form(types: Sequence[str], value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or "string" in types:
        return value
    if "integer" in types and float(value).is_integer():
        return int(value)
    return float(value) if "number" in types and abs(value) < 2**53 else value


_KINDS = {"boolean": "true or false", "object": "an object", "null": "null"}


def expectation(node: Node) -> str:
    """Return in words what a schema allows: `a number from 0 to 20 (%) or null`."""
    types = types_of(node)
    if "enum" in node:
        kinds = [" or ".join(json.dumps(one) for one in node["enum"])]
    else:
        kinds = [_kind_in_words(one, node) for one in types if one != "null"]
        kinds += ["null"] if "null" in types else []
    return " or ".join(kinds) or "something else"


def _kind_in_words(kind: str, node: Node) -> str:
    if kind in ("number", "integer"):
        name = "a number" if kind == "number" else "a whole number"
        unit = node.get("x-unit", "-")
        return " ".join([name, *_range_in_words(node)]) + ("" if unit == "-" else f" ({unit})")
    if kind == "string":
        return str(node.get("x-expected", "text"))
    if kind == "array":
        each = expectation(node.get("items", _NOTHING))
        values = "different values" if node.get("uniqueItems") else "values"
        return f"a list of {node.get('minItems', 0)} to {node.get('maxItems', 'any number')} {values}, each {each}"
    return _KINDS[kind]


def _range_in_words(node: Node) -> Iterator[str]:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        yield f"from {low} to {high}"
        return
    pairs = (("above", above), ("of at least", low), ("below", below), ("of at most", high))
    texts = [f"{word} {limit}" for word, limit in pairs if limit is not None]
    yield from [" and ".join(texts)] if texts else []
