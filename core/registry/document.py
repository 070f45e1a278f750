"""One config as it is written: its values, where each is, and complaints that point there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.registry.complaints import MAX_COMPLAINTS, Complaint, JsonPath, Problem
from core.registry.json_text import MAX_BYTES, JsonText, read_json_text
from core.registry.reading import read_regular
from core.registry.wording import path_text
from utils.home import Home
from utils.input_validation import printable

_LONGEST_NAME = 4096


@dataclass(frozen=True, slots=True)
class Document:
    """A read config; `file` is how its file is called in complaints.

    It may say more than its file: `base` is the shared file that it extends, `merged` both and what the environment
    supplies. `renamed` tells how a key is called in the file, where that is not how it is called today.
    """

    file: str
    source_path: str
    text: JsonText
    has_lines: bool = True
    base: Document | None = None
    merged: Any = None
    renamed: Mapping[JsonPath, JsonPath] = field(default_factory=dict)
    complaints: tuple[Complaint, ...] = ()  # what came up while it was put together

    @property
    def tree(self) -> Any:
        """Return the values as written, references unresolved; None when the text is not JSON."""
        return self.text.value if self.merged is None else self.merged

    def value_at(self, path: JsonPath) -> Any:
        """Return the value as written at a path, None when there is none; in a variable's value, its reference."""
        value = self.tree
        for part in path:
            if isinstance(value, str):
                return value
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def complain(self, problem: Problem) -> Complaint:
        """Return the complaint about a problem, with its file, line and column."""
        owner, place = self._place(problem)
        line, column = place or (None, None)
        path = path_text(owner.written_path(problem.path))
        return Complaint(owner.file, line, column, path, problem.found, problem.expected, problem.nearest)

    def complain_all(self, problems: Iterable[Problem]) -> tuple[Complaint, ...]:
        """Return the complaints about all problems in the order of the files."""
        complaints = [*self.complaints, *(self.complain(problem) for problem in problems)]
        return tuple(sorted(complaints, key=lambda one: (one.file != self.file, one.line or 0, one.column or 0)))

    def written_path(self, path: JsonPath) -> JsonPath:
        """Return the path of a key as the file calls it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.renamed:
                return (*self.renamed[path[:end]], *path[end:])
        return path

    def _place(self, problem: Problem) -> tuple[Document, tuple[int, int] | None]:
        if problem.place or not self.has_lines:
            return self, problem.place
        owners = (self,) if self.base is None else (self, self.base)
        for owner in owners if problem.at_key else ():
            if problem.path in owner.text.key_places:
                return owner, owner.text.key_places[problem.path]
        for end in range(len(problem.path), -1, -1):  # something missing is complained of where it belongs
            for owner in owners:
                if problem.path[:end] in owner.text.value_places:
                    return owner, owner.text.value_places[problem.path[:end]]
        return self, None

    def owner_of(self, path: JsonPath) -> Document | None:
        """Return the document, this or its base, that says what is at a path; None when neither does."""
        owners = (self,) if self.base is None else (self, self.base)
        return next((one for one in owners if path in one.text.value_places), None)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document with its bot (None when it is not valid) and its complaints (none when it is).

    `name` is the bot's name as far as it can be told, `variables` what a value was put together from; `document` is
    the one that was validated: with its base and what the environment supplies.
    """

    document: Document
    config: BotConfig | None
    complaints: tuple[Complaint, ...]
    name: str | None = None
    variables: Mapping[JsonPath, tuple[str, ...]] = field(default_factory=dict)


def limited(document: Document, problems: list[Problem]) -> tuple[Complaint, ...]:
    """Return the complaints about a document, not more than a person reads."""
    complaints = document.complain_all(problems)
    if len(complaints) > MAX_COMPLAINTS:
        rest = Problem((), f"more than {MAX_COMPLAINTS} mistakes", "these to be corrected first")
        complaints = (*complaints[:MAX_COMPLAINTS], document.complain(rest))
    return complaints


def digest_of(unresolved: Any, sections: Any) -> str:
    """Return a hash over a config as written and as it is understood: it follows values, not spelling."""
    text = json.dumps([unresolved, sections], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def shown_path(path: Path, home: Home) -> str:
    """Return a path relative to the home where it lies inside; who names a file may mean to steer a terminal."""
    try:
        return printable(str(path.absolute().relative_to(home.root)), _LONGEST_NAME)
    except ValueError:
        return printable(str(path), _LONGEST_NAME)


def read_document(path: Path, home: Home, within: Path | None = None) -> Document:
    """Read a config file; whatever is wrong with it is in the problems of its text.

    A link that leads out of `within` is refused: what lies elsewhere changes by other hands.
    """
    file = shown_path(path, home)
    try:
        if within is not None and leads_outside(path, within):
            raise OSError(0, f"a link that leads out of {shown_path(within, home)}")
        text = read_json_text(read_regular(path, MAX_BYTES + 1))
    except OSError as exc:
        text = JsonText(problems=[Problem((), f"no readable file ({exc.strerror})", "a JSON file")])
    return Document(file, str(path.absolute()), text)


def leads_outside(path: Path, within: Path) -> bool:
    """Tell whether a path is a link to something that does not lie below `within`. Raises OSError."""
    if not path.is_symlink():
        return False
    try:
        return not path.resolve(strict=True).is_relative_to(within.resolve())
    except RuntimeError as exc:  # links in a circle
        raise OSError(0, "links that lead in a circle") from exc


def document_of(plain: Mapping[str, Any], source: str) -> Document:
    """Return a document for a config that was never a file; its complaints have no lines."""
    text = read_json_text(json.dumps(plain, ensure_ascii=False).encode("utf-8", "backslashreplace"))
    return Document(source, source, text, has_lines=False)
