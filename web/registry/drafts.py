"""A file as it is to be: what is wrong with it, what changes, and what that means for a bot that runs."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.bot_config import BotConfig
from core.registry.change_classes import changed_keys
from core.registry.complaints import Complaint
from core.registry.one_file import config_of, loaded_from
from core.registry.risk_width import wider_risks
from core.registry.text_edit import with_values
from core.registry.wording import path_text
from utils.home import Home
from utils.input_validation import printable

if TYPE_CHECKING:
    from core.registry.proposal import Judged

MAX_MESSAGE = 1000
INDENT = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """One file as it is (None: there is none) and as it is to be (None: it goes)."""

    bot: str
    path: Path
    old: bytes | None
    new: bytes | None


def complaint_plain(one: Complaint) -> dict[str, Any]:
    """Return a complaint for the API."""
    hint = f"; nearest known key: {one.nearest}" if one.nearest else ""
    message = printable(f"found {one.value}, expected {one.expected}{hint}", MAX_MESSAGE)
    return {"path": one.path, "line": one.line, "column": one.column, "message": message}


def _name_complaint(name: str, config: BotConfig | None) -> list[dict[str, Any]]:
    if config is None or config.name == name:
        return []
    message = f"found {printable(config.name)}, expected {name}: a bot is its name, with its ledger and history"
    return [{"path": "metadata.name", "line": None, "column": None, "message": message}]


def complaints_alone(home: Home, name: str | None, path: Path, content: bytes) -> list[dict[str, Any]]:
    """Return what is wrong with a text by itself: quick, for somebody who is typing."""
    loaded = loaded_from(home, os.environ, path, content)
    found = [complaint_plain(one) for one in loaded.complaints]
    return found + ([] if name is None else _name_complaint(name, loaded.config))


def proposals(drafts: Sequence[Draft]) -> dict[Path, bytes | None]:
    """Return what drafts propose, for `judge`."""
    return {one.path: one.new for one in drafts}


def complaints_among(verdicts: Mapping[Path, Judged], drafts: Sequence[Draft]) -> list[dict[str, Any]]:
    """Return all that is wrong with drafts, of the verdicts on them."""
    names = {one.path: one.bot for one in drafts}
    found = [complaint_plain(one) for judged in verdicts.values() for one in judged.complaints]
    return found + [one for path, judged in verdicts.items() for one in _name_complaint(names[path], judged.config)]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a change of a file means."""

    diff: str
    live: list[str]
    restarts: list[str]
    wider_risk: list[str]


def meaning_of(home: Home, draft: Draft) -> Meaning:
    """Return what a valid draft changes; an old text that is not valid is not shown, for it may hold a secret."""
    assert draft.new is not None
    old = None if draft.old is None else config_of(home, os.environ, draft.path, draft.old)
    new = config_of(home, os.environ, draft.path, draft.new)
    shown = draft.old if draft.old is not None and old is not None else b""
    name = draft.path.name
    diff = "\n".join(_diff(shown, draft.new, f"{name} (now)" if shown else "(nothing that can be shown)", name))
    if old is None or new is None or old.is_job or new.is_job:
        return Meaning(diff, [], [], [])
    keys = changed_keys(old, new)
    return Meaning(
        diff,
        [path_text(one.path) for one in keys if one.live],
        [path_text(one.path) for one in keys if not one.live],
        [str(risk) for risk in wider_risks(old, new)],
    )


def _diff(old: bytes, new: bytes, old_name: str, new_name: str) -> list[str]:
    before, after = (text.decode("utf-8-sig", "replace").splitlines() for text in (old, new))
    return [
        printable(line, MAX_MESSAGE) for line in difflib.unified_diff(before, after, old_name, new_name, lineterm="")
    ]


def text_of(values: Mapping[str, Any], base: bytes | None) -> bytes:
    """Return the text of a whole config; where a base has all of its keys, only what differs is written anew."""
    tree = _object(base)
    if tree is not None and _keys(tree) <= _keys(values):
        was = _flat(tree)
        changed = {path: value for path, value in _flat(values).items() if path not in was or was[path] != value}
        try:
            return with_values(base or b"", changed)
        except ValueError:
            pass  # the base cannot be edited in place
    return (json.dumps(values, indent=INDENT, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _object(content: bytes | None) -> dict[str, Any] | None:
    try:
        tree = json.loads((content or b"").decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def _flat(tree: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    """Return every key of every section; what lies inside a key is one value with it."""
    found: dict[tuple[str, ...], Any] = {}
    for section, value in tree.items():
        if isinstance(value, dict) and value:
            found |= {(section, key): member for key, member in value.items()}
        else:
            found[(section,)] = value
    return found


def _keys(tree: Mapping[str, Any]) -> set[tuple[str, ...]]:
    return set(_flat(tree))
