"""The schema files: found, read with their `$ref`s put in, and compiled once.

jsonschema is imported when something is validated, so a worker that only resolves its secrets never loads it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SCHEMAS = Path(__file__).resolve().parents[2] / "config" / "schemas"
Node = Mapping[str, Any]
_NOTES = ("$schema", "title", "description", "default", "x-reload", "x-owner", "x-identity", "writeOnly")
_INSIDE = ("propertyNames", "additionalProperties", "items")  # keywords whose value is a schema


def venue_of(exchange: str) -> str:
    """Return the venue behind a configured exchange name: `paper:a` is a `paper`."""
    return exchange.partition(":")[0]


def _known(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (SCHEMAS / folder).glob("*.json")))


@functools.cache
def known_exchanges() -> tuple[str, ...]:
    """Return the venues that have a schema."""
    return _known("exchanges")


@functools.cache
def known_strategies() -> tuple[str, ...]:
    """Return the strategies that have a schema."""
    return _known("strategies")


@functools.cache
def known_jobs() -> tuple[str, ...]:
    """Return the jobs that have a schema."""
    return _known("jobs")


@functools.cache
def load_schema(name: str) -> Node:
    """Return a schema by its file name without the ending (`bot`, `exchanges/paper`), every `$ref` put in."""
    path = SCHEMAS / f"{name}.json"
    node: Node = _composed(_read(path), path)
    return node


@functools.cache
def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _composed(node: Any, file: Path) -> Any:
    """Return a schema with what it refers to in place of the reference; what stands beside a `$ref` wins.

    Only files beside ours can be meant: a config never gets here.
    """
    if isinstance(node, list):
        return [_composed(member, file) for member in node]
    if not isinstance(node, dict):
        return node
    beside = {key: _composed(member, file) for key, member in node.items() if key != "$ref"}
    if "$ref" not in node:
        return beside
    there, _, pointer = str(node["$ref"]).partition("#")
    target = (file.parent / there).resolve() if there else file
    found = _read(target)
    for part in pointer.split("/")[1:]:
        found = found[part]
    meant = _composed(found, target)
    return {key: value for key, value in {**meant, **beside}.items() if key not in ("$schema", "title")}


@functools.cache
def validator_of(name: str) -> Validator:
    """Return the compiled validator of a schema."""
    import jsonschema

    extend: Any = jsonschema.validators.extend
    ours = {"pattern": _whole_text_matches, "uniqueItems": _all_differ, "properties": _each_property}
    strict = extend(jsonschema.Draft202012Validator, ours)
    compiled: Validator = strict(_without_notes(load_schema(name)))
    return compiled


def _without_notes(node: Any) -> Any:
    """Return a schema without what decides nothing, which would be looked at for every value."""
    if not isinstance(node, dict):
        return node
    kept = {key: member for key, member in node.items() if key not in _NOTES}
    inner = {
        key: _without_notes(kept[key]) for key in ("propertyNames", "additionalProperties", "items") if key in kept
    }
    if "properties" in kept:  # their names may be those of notes
        inner["properties"] = {name: _without_notes(member) for name, member in kept["properties"].items()}
    return {**kept, **inner}


def _each_property(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """What the library does, without making a validator for every value: a composed schema refers to nothing."""
    for name in instance if isinstance(instance, dict) else ():
        for keyword, wanted in properties.get(name, {}).items():
            check = validator.VALIDATORS.get(keyword)
            for error in (check(validator, wanted, instance[name], properties[name]) if check else None) or ():
                if not isinstance(error.validator, str):  # it is of this keyword, not of one inside it
                    error.validator, error.validator_value = keyword, wanted
                    error.instance, error.schema = instance[name], properties[name]
                error.schema_path.extendleft((keyword, name))
                error.path.appendleft(name)
                yield error


def _whole_text_matches(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    """Every pattern of ours means the whole text; `$` alone would let a last line break through."""
    import jsonschema

    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield jsonschema.ValidationError("does not match")


def _all_differ(validator: Any, wanted: bool, instance: Any, schema: Any) -> Iterator[Any]:
    """In time that grows with the list, not with its square: a hostile list is long."""
    import jsonschema

    members = instance if wanted and isinstance(instance, list) else []
    if len({json.dumps(member, sort_keys=True) for member in members}) != len(members):
        yield jsonschema.ValidationError("not unique")


def bundled_schema(exchange: str, strategy: str) -> dict[str, Any]:
    """Return one self-contained JSON Schema of a bot on that venue with that strategy, for editors and tools."""
    bot = dict(load_schema("bot"))
    sections = {"exchange_config": f"exchanges/{venue_of(exchange)}", "strategy_config": f"strategies/{strategy}"}
    bot["properties"] = {**bot["properties"], **{name: load_schema(file) for name, file in sections.items()}}
    return bot
