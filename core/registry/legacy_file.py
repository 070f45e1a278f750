"""The legacy file as documents, as if each bot had a file of its own; complaints point into the one there is."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.registry.complaints import Complaint, JsonPath, Problem
from core.registry.document import Document, read_document
from core.registry.json_text import JsonText, Places
from core.registry.legacy import MISTAKES, UNKNOWN, Legacy, Part, read_legacy
from core.registry.wording import shown
from utils.home import Home

_AN_OBJECT = "an object with a list of bots"


@dataclass(frozen=True, slots=True)
class LegacyFile:
    """What stands in the legacy file: bots, keys of the daemon file, and what is wrong outside of the bots."""

    file: str
    bots: tuple[Document, ...] = ()
    daemon: Document | None = None
    complaints: tuple[Complaint, ...] = ()


def read_legacy_file(home: Home) -> LegacyFile | None:
    """Read the legacy file as it is; None where there is none."""
    if not os.path.lexists(home.legacy_file):
        return None
    document = read_document(home.legacy_file, home, home.root)
    problems = list(document.text.problems)
    if not isinstance(document.tree, dict):
        problems += [] if problems else [Problem((), shown(document.tree), _AN_OBJECT)]
        return LegacyFile(document.file, complaints=document.complain_all(problems))
    legacy = read_legacy(document.tree)
    problems += [Problem(path, shown(document.value_at(path)), "a list of bots") for path in legacy.no_lists]
    problems += _mistakes(legacy.dropped)
    places = _Index(document.text)
    bots = tuple(_document(document, part, places) for part in legacy.bots)
    return LegacyFile(document.file, bots, _daemon(document, legacy, places), document.complain_all(problems))


def _daemon(document: Document, legacy: Legacy, places: _Index) -> Document | None:
    return _document(document, legacy.daemon, places) if legacy.daemon.tree else None


def _document(whole: Document, part: Part, places: _Index) -> Document:
    mistakes = [whole.complain(problem) for problem in _mistakes(part.dropped)]
    values, keys = places.moved(part)
    text = JsonText(part.tree, value_places=values, key_places=keys)
    return Document(whole.file, whole.source_path, text, renamed=dict(part.renamed), complaints=tuple(mistakes))


def _mistakes(dropped: Any) -> list[Problem]:
    found = {UNKNOWN: "an unknown key"}
    expected = "a key of a bot or of the daemon file (`config migrate` tells what each key becomes)"
    return [Problem(old, found.get(why, why), expected, at_key=True) for old, why in dropped if why in MISTAKES]


class _Index:
    """Where everything below each path of a text is written."""

    def __init__(self, text: JsonText) -> None:
        self._values = _by_prefix(text.value_places)
        self._keys = _by_prefix(text.key_places)

    def moved(self, part: Part) -> tuple[Places, Places]:
        """Return the places of a part's values and keys by their paths of today."""
        values, keys = _moved(self._values, part.renamed), _moved(self._keys, part.renamed)
        whole = self._values[part.at].get(part.at)
        for path in ((), *((section,) for section in part.tree)):
            if whole is not None:
                values.setdefault(path, whole)
        return values, keys


def _by_prefix(places: Places) -> Mapping[JsonPath, Places]:
    index: dict[JsonPath, Places] = defaultdict(dict)
    for path, place in places.items():
        for end in range(min(len(path), 4) + 1):  # a key of a bot stands no deeper
            index[path[:end]][path] = place
    return index


def _moved(index: Mapping[JsonPath, Places], renamed: Mapping[JsonPath, JsonPath]) -> Places:
    found: Places = {}
    for new, old in renamed.items():
        for path, place in index[old].items() if len(new) > 1 else ((old, index[old].get(old)),):
            if place is not None:
                found[(*new, *path[len(old) :])] = place
    return found
