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


@dataclass(frozen=True, slots=True)
class Document:
    """A read config file; `file` is how the file is called in complaints."""

    file: str
    source_path: str
    text: JsonText
    has_lines: bool = True

    @property
    def tree(self) -> Any:
        """Return the values as written, references unresolved; None when the text is not JSON."""
        return self.text.value

    def value_at(self, path: JsonPath) -> Any:
        """Return the value as written at a path, None when there is none."""
        value = self.tree
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def complain(self, problem: Problem) -> Complaint:
        """Return the complaint about a problem, with its line and column."""
        line, column = self._place(problem)
        path = path_text(problem.path)
        return Complaint(self.file, line, column, path, problem.found, problem.expected, problem.nearest)

    def complain_all(self, problems: Iterable[Problem]) -> tuple[Complaint, ...]:
        """Return the complaints about all problems in the order of the file."""
        complaints = [self.complain(problem) for problem in problems]
        return tuple(sorted(complaints, key=lambda one: (one.line or 0, one.column or 0)))

    def _place(self, problem: Problem) -> tuple[int | None, int | None]:
        if not self.has_lines:
            return None, None
        if problem.place:
            return problem.place
        if problem.at_key and problem.path in self.text.key_places:
            return self.text.key_places[problem.path]
        for end in range(len(problem.path), -1, -1):  # something missing is complained of where it belongs
            if problem.path[:end] in self.text.value_places:
                return self.text.value_places[problem.path[:end]]
        return None, None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document with its bot (None when it is not valid) and its complaints (none when it is).

    `name` is the bot's name as far as it can be told, `variables` what a value was put together from.
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
    """Return a path relative to the home where it lies inside."""
    try:
        return str(path.absolute().relative_to(home.root))
    except ValueError:
        return str(path)


def read_document(path: Path, home: Home) -> Document:
    """Read a config file; whatever is wrong with it is in the problems of its text."""
    file = shown_path(path, home)
    try:
        text = read_json_text(read_regular(path, MAX_BYTES + 1))
    except OSError as exc:
        text = JsonText(problems=[Problem((), f"no readable file ({exc.strerror})", "a JSON file")])
    return Document(file, str(path.absolute()), text)


def document_of(plain: Mapping[str, Any], source: str) -> Document:
    """Return a document for a config that was never a file; its complaints have no lines."""
    text = read_json_text(json.dumps(plain, ensure_ascii=False).encode("utf-8", "backslashreplace"))
    return Document(source, source, text, has_lines=False)
