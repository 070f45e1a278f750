"""A resolved config against its schemas: every violation as a problem that names key, range and unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core.registry.complaints import NOTHING, JsonPath, Problem
from core.registry.schema import (
    DocumentSchema,
    expectation,
    known_exchanges,
    known_jobs,
    known_strategies,
    validator_of,
    venue_of,
)
from core.registry.wording import nearest_of, path_text, shown
from utils.env import MASK

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

WrittenAt = Callable[[JsonPath], Any]
MAX_PROBLEMS = 200  # looked at before the file is given up on


def schema_problems(tree: Any, schema: DocumentSchema, written_at: WrittenAt) -> Iterator[Problem]:
    """Yield what the schemas say against a config, at most one problem for each path."""
    unknown = list(_unknown_names(tree, schema.root, written_at))
    yield from unknown
    seen = {problem.path for problem in unknown}
    for error, path in _errors(tree, schema):
        for problem in _problems_of(error, path, schema, written_at):
            if problem.path not in seen:
                seen.add(problem.path)
                yield problem
            if len(seen) >= MAX_PROBLEMS:
                return


def _errors(tree: Any, schema: DocumentSchema) -> Iterator[tuple[ValidationError, JsonPath]]:
    for error in validator_of(schema.root).iter_errors(tree):
        yield error, tuple(error.absolute_path)
    for section, name in schema.names.items():
        value = tree.get(section) if isinstance(tree, dict) else None
        if isinstance(value, dict):
            for error in validator_of(name).iter_errors(value):
                yield error, (section, *error.absolute_path)


def _problems_of(
    error: ValidationError, path: JsonPath, schema: DocumentSchema, written_at: WrittenAt
) -> Iterator[Problem]:
    if "propertyNames" in error.absolute_schema_path:
        key = str(error.instance)
        yield Problem((*path, key), shown(key), expectation(error.schema), at_key=True)  # type: ignore[arg-type]
    elif error.validator == "additionalProperties":
        known = list(error.schema.get("properties", ()))  # type: ignore[union-attr]
        for key in error.instance:  # type: ignore[union-attr]
            if key not in known:
                yield _unknown_key((*path, str(key)), known, schema)
    elif error.validator == "required":
        for key in error.validator_value:  # type: ignore[union-attr]
            if key not in error.instance:  # type: ignore[operator]
                yield Problem((*path, key), NOTHING, expectation(schema.node((*path, key)) or {}))
    else:
        yield _wrong_value(error, path, schema, written_at)


def _wrong_value(error: ValidationError, path: JsonPath, schema: DocumentSchema, written_at: WrittenAt) -> Problem:
    # What is shown is what the file says: the value of a variable is nobody's business.
    written = written_at(path)
    found = MASK if schema.is_secret(path) and not isinstance(written, dict | list) else shown(written)
    choices = [one for one in error.schema.get("enum", ()) if isinstance(one, str)]  # type: ignore[union-attr]
    near = nearest_of(written, choices) if isinstance(written, str) and found != MASK else None
    return Problem(path, found, expectation(error.schema), near)  # type: ignore[arg-type]


def _unknown_key(path: JsonPath, known: Sequence[str], schema: DocumentSchema) -> Problem:
    key = str(path[-1])
    elsewhere = [path_text((one, key)) for one in schema.sections if len(path) > 1 and key in _keys_of(schema, one)]
    owner = f"a key of {path_text(path[:-1])}" if len(path) > 1 else f"one of {', '.join(known)}"
    nearest = nearest_of(key, known)
    return Problem(path, "an unknown key", owner, elsewhere[0] if elsewhere else nearest, at_key=True)


def _keys_of(schema: DocumentSchema, section: str) -> Sequence[str]:
    return list((schema.section(section) or {}).get("properties", ()))


# kind of document -> the keys whose value is the name of a further schema: section, key, its name, the known ones
_NAMING: dict[str, tuple[tuple[str, str, Callable[[str], str], Callable[[], Sequence[str]]], ...]] = {
    "bot": (("metadata", "exchange", venue_of, known_exchanges), ("metadata", "strategy", str, known_strategies)),
    "job": (("job_config", "job", str, known_jobs),),
}


def _unknown_names(tree: Any, root: str, written_at: WrittenAt) -> Iterator[Problem]:
    for section, key, name_of, known in _NAMING.get(root, ()):
        given = tree.get(section) if isinstance(tree, dict) else None
        name = given.get(key) if isinstance(given, dict) else None
        if isinstance(name, str) and name_of(name) not in known():
            written = str(written_at((section, key)))
            expected = f"a known {key}: {', '.join(known())}"
            yield Problem((section, key), shown(written), expected, nearest_of(name_of(written), known()))
