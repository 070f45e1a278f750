"""`${NAME}` in a config: values are put in and given their type, secrets stay references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.registry.complaints import JsonPath, Problem
from core.registry.environment import Environment
from core.registry.json_text import read_json_text
from core.registry.schema import DocumentSchema, types_of
from core.registry.wording import nearest_of, shown
from utils.env import MASK, BrokenReference, Reference, interpolate, parts_of, references, whole_reference
from utils.input_validation import printable

MAX_RESOLVED = 64 * 1024  # a thousand references to a large variable would be larger than any memory
_FORMS = "${NAME}, ${NAME:-default} or ${NAME:?message}"
_SECRET = "${NAME}, a variable of .env or the environment; never the secret itself"


@dataclass(slots=True)
class Resolved:
    """A tree with its references resolved, what they were, and what is wrong with them."""

    tree: Any
    names: dict[JsonPath, tuple[str, ...]] = field(default_factory=dict)  # where a value came from
    secret_names: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    empty: set[JsonPath] = field(default_factory=set)  # secrets that may be missing, and are


def leaves(value: Any, path: JsonPath = ()) -> Iterator[tuple[JsonPath, Any]]:
    """Yield every value of a tree that is not a container, and every empty container."""
    members: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    if not members:
        yield path, value
    for key, member in members:
        yield from leaves(member, (*path, key))


def resolve(
    tree: Any, schema: DocumentSchema, environment: Environment, other_secrets: frozenset[str] = frozenset()
) -> Resolved:
    """Resolve every reference of a config but those at `writeOnly` keys, which must only exist.

    `other_secrets` are names that other configs read as secrets: they may not reach a printable key here.
    """
    result = Resolved(tree, secret_names=secret_names_of(tree, schema))
    resolver = _Resolver(schema, environment, result, other_secrets | {*result.secret_names})
    result.tree = _rebuilt(tree, (), resolver)
    return result


def secret_names_of(tree: Any, schema: DocumentSchema) -> tuple[str, ...]:
    """Return every name that a `writeOnly` key refers to."""
    if not _refers(tree):
        return ()
    referring = ((path, value) for path, value in leaves(tree) if isinstance(value, str) and "${" in value)
    texts = [value for path, value in referring if schema.is_below_secret(path)]
    return tuple(sorted({name for text in texts for name in _names_in(text)}))


def _refers(value: Any) -> bool:
    """Tell whether there is any reference in a tree: most have none, and are done at once."""
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, dict):
        return any(_refers(member) for member in value.values())
    return isinstance(value, list) and any(_refers(member) for member in value)


def _names_in(text: str) -> tuple[str, ...]:
    try:
        return references(text)
    except BrokenReference:
        return ()


@dataclass(slots=True)
class _Resolver:
    schema: DocumentSchema
    environment: Environment
    result: Resolved
    secret_names: frozenset[str]

    def leaf(self, path: JsonPath, value: Any) -> Any:
        """Return what a leaf stands for; notes what is wrong with it."""
        if self.schema.is_below_secret(path):
            self._check_secret(path, value)
        elif isinstance(value, str) and "${" in value and self.schema.node(path) is not None:
            return self._resolved(path, value)
        return value

    def _check_secret(self, path: JsonPath, value: Any) -> None:
        if value is None or value == "":
            return
        ref = whole_reference(value) if isinstance(value, str) else None
        if ref is None or ref.default:
            self._note(path, MASK, _SECRET)
        elif not ref.look_up(self.environment) and ref.default is None:
            self._note_missing(path, f"${{{ref.name}}}", [ref])
        elif not ref.look_up(self.environment):
            self.result.empty.add(path)

    def _resolved(self, path: JsonPath, text: str) -> Any:
        try:
            refs = [part for part in parts_of(text) if isinstance(part, Reference)]
        except BrokenReference:
            self._note(path, shown(text), f"references of the form {_FORMS}; $${{ for a literal ${{")
            return text
        if shared := [ref.name for ref in refs if ref.name in self.secret_names]:
            self._note(path, shown(text), f"another variable: {shared[0]} holds a secret")
        elif missing := [ref for ref in refs if ref.look_up(self.environment) is None]:
            self._note_missing(path, shown(text), missing)
        elif sum(len(ref.look_up(self.environment) or "") for ref in refs) > MAX_RESOLVED:
            self._note(path, shown(text), f"variables of at most {MAX_RESOLVED} characters together")
        else:
            return self._put_together(path, text, refs)
        return text

    def _put_together(self, path: JsonPath, text: str, refs: list[Reference]) -> Any:
        self.result.names[path] = tuple(ref.name for ref in refs if self.environment.get(ref.name))
        resolved: str = interpolate(text, self.environment)
        if any("\ud800" <= char <= "\udfff" for char in resolved):  # how bytes that are no text come out of the system
            self._note(path, shown(text), "variables whose values are text")
            return text
        return coerced(resolved, types_of(self.schema.node(path) or {})) if whole_reference(text) else resolved

    def _note_missing(self, path: JsonPath, found: str, missing: Sequence[Reference]) -> None:
        refused = f" ({self.environment.shown} was refused)" if self.environment.complaints else ""
        said = [f"{ref.name} ({printable(ref.message)})" if ref.message else ref.name for ref in missing]
        expected = (
            f"{' and '.join(dict.fromkeys(said))} to be set in {self.environment.shown} or the environment{refused}"
        )
        self._note(path, found, expected, nearest_of(missing[0].name, self.environment.file_names))

    def _note(self, path: JsonPath, found: str, expected: str, nearest: str | None = None) -> None:
        self.result.problems.append(Problem(path, found, expected, nearest))


def _rebuilt(value: Any, path: JsonPath, resolver: _Resolver) -> Any:
    if isinstance(value, dict) and value:
        return {key: _rebuilt(member, (*path, key), resolver) for key, member in value.items()}
    if isinstance(value, list) and value:
        return [_rebuilt(member, (*path, place), resolver) for place, member in enumerate(value)]
    return resolver.leaf(path, value)


def coerced(text: str, types: Any) -> Any:
    """Return a variable's text as the first JSON type that the schema allows; the text itself when none fits.

    Empty text is null where null is allowed.
    """
    if text == "" and "null" in types:
        return None
    if "string" in types:
        return text
    value = read_json_text(text.encode("utf-8", "replace"))
    return text if value.problems or isinstance(value.value, str) else value.value


def value_of(text: str, types: Sequence[str]) -> Any:
    """Return what a typed text means at a key of these types; one that fits none stays text, and is complained of."""
    if text == "null" and "null" in types:
        return None
    return text if "${" in text else coerced(text, types)


def secret_references(config: Mapping[str, Any], schema: DocumentSchema) -> dict[JsonPath, Reference]:
    """Return the reference at every `writeOnly` key of a config's sections."""
    found: dict[JsonPath, Reference] = {}
    for path, value in leaves(config):
        ref = whole_reference(value) if isinstance(value, str) else None
        if ref and schema.is_below_secret(path):
            found[path] = ref
    return found


def origin_of(names: tuple[str, ...], environment: Environment, otherwise: str) -> str:
    """Return where a value came from: its variables, else `otherwise`."""
    return ", ".join(environment.origin(name) for name in names) or otherwise
