"""`metadata.extends`: a shared file whose keys count where a config says nothing. One level, merged deeply.

The bases of a home are the files of `config/bases`. They are no configs: nothing runs them, and what is wrong with one
is told with each config that extends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.registry.complaints import Complaint, JsonPath, Problem
from core.registry.document import Document
from core.registry.wording import nearest_of, shown
from utils.env import BrokenReference, MissingVariables, interpolate
from utils.input_validation import BOT_NAME, matches

PATH: JsonPath = ("metadata", "extends")
_ITS_OWN = ("name", "extends")  # keys of metadata that only a config can say


@dataclass(slots=True)
class Bases:
    """The bases of one folder, each read once."""

    folder: Path
    read: Callable[[Path], Document]
    _known: dict[str, Document] = field(default_factory=dict)
    _names: list[str] | None = None

    def names(self) -> list[str]:
        """Return the names of all bases there are."""
        if self._names is None:
            self._names = sorted(path.stem for path in self.folder.glob("*.json") if not path.name.startswith("."))
        return self._names

    def get(self, name: str) -> Document:
        """Return a base; what is wrong with its text is in it."""
        if name not in self._known:
            self._known[name] = self.read(self.folder / f"{name}.json")
        return self._known[name]


def extended(document: Document, bases: Bases, environ: Mapping[str, str]) -> Document:
    """Return a document with the keys of its base beneath its own; what is wrong with those is complained of."""
    name = extends_of(document.tree, environ)
    if name is None or not matches(BOT_NAME, name):
        return document  # the schema says what a name is
    if name not in bases.names():
        expected = "the name of a file in config/bases, without .json"
        problem = Problem(PATH, shown(name), expected, nearest_of(name, bases.names()))
        return replace(document, complaints=(*document.complaints, document.complain(problem)))
    base = bases.get(name)
    complaints = (*document.complaints, *base.complain_all(_problems(base)))
    if isinstance(base.tree, dict):
        return replace(document, base=base, merged=merged(base.tree, document.tree), complaints=complaints)
    return replace(document, complaints=complaints)


def extends_of(tree: Any, environ: Mapping[str, str]) -> str | None:
    """Return the name of the base that a config extends, None when it extends none that can be told."""
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    name = metadata.get("extends") if isinstance(metadata, dict) else None
    try:
        return str(interpolate(name, environ)) if isinstance(name, str) else None
    except (MissingVariables, BrokenReference):
        return None


def _problems(base: Document) -> Iterator[Problem]:
    yield from base.text.problems
    tree = base.tree
    if not isinstance(tree, dict) and not base.text.problems:
        yield Problem((), shown(tree), "an object")
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    for key in _ITS_OWN if isinstance(metadata, dict) else ():
        if key in (metadata or ()):
            why = "a base has no base of its own" if key == "extends" else "each bot has a name of its own"
            yield Problem(("metadata", key), "a key that a base cannot have", f"none: {why}", at_key=True)


def merged(base: Any, own: Any) -> Any:
    """Return what both say together: objects are merged key by key, of everything else the own counts."""
    if not (isinstance(base, dict) and isinstance(own, dict)):
        return own
    both = {key: merged(value, own[key]) if key in own else value for key, value in base.items()}
    return {**both, **{key: value for key, value in own.items() if key not in base}}


def base_complaints(name: str, bases: Bases) -> tuple[Complaint, ...]:
    """Return what is wrong with a base whoever extends it; whether its keys are known only its configs can tell."""
    base = bases.get(name)
    return base.complain_all(_problems(base))
