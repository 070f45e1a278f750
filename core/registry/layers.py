"""What a config says, layer upon layer: its file, its base, the environment; then come the schema's defaults.

A flag of a direct run counts before all of them: it is in the place of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.registry.bases import PATH as EXTENDS
from core.registry.bases import base_problems, extends_of, merged
from core.registry.complaints import Problem
from core.registry.document import Document, read_document
from core.registry.environment import Environment
from core.registry.environment_keys import supplied
from core.registry.naming import name_of, schema_of
from core.registry.versions import is_known, upgrade
from core.registry.wording import nearest_of, shown
from utils.home import Home
from utils.input_validation import BOT_NAME, matches


@dataclass(slots=True)
class Bases:
    """The bases of a home; each is read when a config asks for it, and once.

    `proposed` has those that are to be written (by name), None for one that is to go.
    """

    home: Home
    proposed: Mapping[str, Document | None] = field(default_factory=dict)
    _known: dict[str, Document] = field(default_factory=dict)
    _names: list[str] | None = None

    def names(self) -> list[str]:
        """Return the names of all bases there are."""
        if self._names is None:
            files = (path for path in self.home.bases.glob("*.json") if not path.name.startswith("."))
            there = {path.stem for path in files} - {*self.proposed}
            self._names = sorted(there | {name for name, document in self.proposed.items() if document})
        return self._names

    def get(self, name: str) -> Document:
        """Return a base; what is wrong with its text is in it."""
        if name not in self._known:
            path = self.home.bases / f"{name}.json"
            read = self.proposed.get(name) or read_document(path, self.home, self.home.root)
            self._known[name] = upgraded(read)
        return self._known[name]


def layered(document: Document, environment: Environment, bases: Bases) -> Document:
    """Return a document in today's version, with its base and with what only the environment says."""
    if document.tree is None or not is_known(document.tree):
        return upgraded(document)
    document = extended(upgraded(document), bases, environment)
    schema, name = schema_of(document.tree, environment), name_of(document.tree, environment)
    tree = supplied(document.tree, schema, environment, name or "")
    return document if tree is document.tree else replace(document, merged=tree)


def upgraded(document: Document) -> Document:
    """Return a document as the current version has it; what is wrong with its version is among its complaints."""
    result = upgrade(document.tree)
    if result.problem:
        return replace(document, complaints=(*document.complaints, document.complain(result.problem)))
    if result.tree is document.tree:
        return document
    text = document.text.moved(result.tree, result.renamed)
    renamed = {new: document.written_path(old) for new, old in result.renamed.items()}
    return replace(document, text=text, renamed={**document.renamed, **renamed})


def extended(document: Document, bases: Bases, environ: Mapping[str, str]) -> Document:
    """Return a document with the keys of its base beneath its own; what is wrong with those is complained of."""
    name = extends_of(document.tree, environ)
    if name is None or not matches(BOT_NAME, name):
        return document  # the schema says what a name is
    if name not in bases.names():
        expected = "the name of a file in config/bases, without .json"
        problem = Problem(EXTENDS, shown(name), expected, nearest_of(name, bases.names()))
        return replace(document, complaints=(*document.complaints, document.complain(problem)))
    base = bases.get(name)
    problems = base.text.problems or list(base_problems(base.tree))
    complaints = (*document.complaints, *base.complain_all(problems))
    if isinstance(base.tree, dict):
        return replace(document, base=base, merged=merged(base.tree, document.tree), complaints=complaints)
    return replace(document, complaints=complaints)
