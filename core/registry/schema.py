"""The schema files: the one home of every key's type, range, unit, default and help.

jsonschema is imported when something is validated, so a worker that only resolves its secrets never loads it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.registry.complaints import JsonPath
from utils.home import CHECKOUT

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SCHEMAS = CHECKOUT / "config" / "schemas"
Node = Mapping[str, Any]
_NOTHING: Node = {}


def venue_of(exchange: str) -> str:
    """Return the venue behind a configured exchange name: `paper:a` is a `paper`."""
    return exchange.partition(":")[0]


@functools.cache
def known_exchanges() -> tuple[str, ...]:
    """Return the venues that have a schema."""
    return tuple(sorted(path.stem for path in (SCHEMAS / "exchanges").glob("*.json")))


@functools.cache
def known_strategies() -> tuple[str, ...]:
    """Return the strategies that have a schema."""
    return tuple(sorted(path.stem for path in (SCHEMAS / "strategies").glob("*.json")))


@functools.cache
def known_jobs() -> tuple[str, ...]:
    """Return the jobs that have a schema."""
    return tuple(sorted(path.stem for path in (SCHEMAS / "jobs").glob("*.json")))


@functools.cache
def load_schema(name: str) -> Node:
    """Return a schema by its file name without the ending: `bot`, `exchanges/paper`."""
    schema: Node = json.loads((SCHEMAS / f"{name}.json").read_bytes())
    return schema


@functools.cache
def validator_of(name: str) -> Validator:
    """Return the compiled validator of a schema."""
    import jsonschema

    # Every pattern of ours means the whole text; `$` alone would let a last line break through.
    extend: Any = jsonschema.validators.extend
    strict = extend(jsonschema.Draft202012Validator, {"pattern": _whole_text_matches})
    compiled: Validator = strict(load_schema(name))
    return compiled


def _whole_text_matches(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    import re

    import jsonschema

    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield jsonschema.ValidationError("does not match")


class DocumentSchema:
    """The schema of one kind of file, whose sections may lie in schemas of their own."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.names: dict[str, str] = {}  # section -> its own schema

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
        if not path:
            return load_schema(self.root)
        node = self.section(str(path[0])) or load_schema(self.root)["properties"].get(path[0])
        for part in path[1:]:
            node = _child(node or _NOTHING, part)
        return node

    def is_secret(self, path: JsonPath) -> bool:
        """Tell whether what is at a path is, lies in, or may hold a secret."""
        inside = any((self.node(path[:end]) or _NOTHING).get("writeOnly") for end in range(1, len(path) + 1))
        return inside or _holds_secret(self.node(path) or _NOTHING)


class BotSchema(DocumentSchema):
    """The schema of one whole config: the sections of its exchange and strategy put together.

    An unknown exchange or strategy leaves its section out.
    """

    def __init__(self, exchange: str | None, strategy: str | None) -> None:
        super().__init__("bot")
        self.names = {"daemon_config": "daemon", "risk_config": "risk"}
        if exchange is not None and venue_of(exchange) in known_exchanges():
            self.names["exchange_config"] = f"exchanges/{venue_of(exchange)}"
        if strategy is not None and strategy in known_strategies():
            self.names["strategy_config"] = f"strategies/{strategy}"


class JobSchema(DocumentSchema):
    """The schema of a config of kind "job"; an unknown job leaves its section out."""

    def __init__(self, job: str | None) -> None:
        super().__init__("job")
        self.names = {"daemon_config": "daemon"}
        if job is not None and job in known_jobs():
            self.names["job_config"] = f"jobs/{job}"


def schema_for(kind: str, exchange: str | None, strategy: str | None) -> DocumentSchema:
    """Return the schema of a config of that kind; of a job, `strategy` is its name."""
    return JobSchema(strategy) if kind == "job" else BotSchema(exchange, strategy)


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
    properties: Node = node.get("properties", _NOTHING)
    if isinstance(value, dict):
        filled = {key: with_defaults(properties.get(key, _NOTHING), member) for key, member in value.items()}
        for key, child in properties.items():
            if key not in filled and "default" in child:
                filled[key] = with_defaults(child, child["default"])
        return filled
    if isinstance(value, list):
        return [with_defaults(node.get("items", _NOTHING), member) for member in value]
    return _number_in_form(types_of(node), value)


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
        return f"a list of {node.get('minItems', 0)} to {node.get('maxItems', 'any number')} values, each {each}"
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
