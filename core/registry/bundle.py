"""A bundle of configs: one JSON document with files of bots, and bases, as they are written; no secret. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.registry.history import file_digest
from core.registry.json_text import MAX_BYTES
from utils.errors import ConfigError
from utils.input_validation import bot_name_problem

FORMAT = 1
MAX_BUNDLE_BYTES = 64 * 1024 * 1024
BASE = "bases"
PLACES = ("active", "archived", BASE)


@dataclass(frozen=True, slots=True)
class Packed:
    """One bot in a bundle, or one base by its short name; `place` is `active`, `archived` or `bases`."""

    bot: str
    place: str
    content: bytes


def packed(bots: Sequence[Packed], at: str, version: str) -> str:
    """Return the text of a bundle."""
    entries = [
        {"name": one.bot, "place": one.place, "digest": file_digest(one.content), "text": one.content.decode()}
        for one in bots
    ]
    return json.dumps({"makerd_bundle": FORMAT, "made_at": at, "made_by": version, "bots": entries}, indent=1) + "\n"


def unpacked(content: bytes) -> list[Packed]:
    """Return what is in a bundle. Raises ConfigError for what is none, or is damaged."""
    try:
        tree = json.loads(content.decode())
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"this is not a bundle: {exc}") from exc
    if not isinstance(tree, dict) or not isinstance(tree.get("bots"), list) or "makerd_bundle" not in tree:
        raise ConfigError("this is not a bundle: it has no makerd_bundle and bots")
    if tree["makerd_bundle"] != FORMAT:
        raise ConfigError(f"this bundle has format {str(tree['makerd_bundle'])[:20]}, expected {FORMAT}")
    found = [_bot(one, place) for place, one in enumerate(tree["bots"])]
    names = [(one.place == BASE, one.bot) for one in found]
    if twice := sorted({name for is_base, name in names if names.count((is_base, name)) > 1}):
        raise ConfigError(f"the bundle has {', '.join(twice)} more than once")
    return found


def _bot(entry: Any, place: int) -> Packed:
    where = f"bots[{place}] of the bundle"
    keys = ("name", "place", "digest", "text")
    if not isinstance(entry, Mapping) or not all(isinstance(entry.get(key), str) for key in keys):
        raise ConfigError(f"{where} lacks one of {', '.join(keys)}")
    name, content = entry["name"], entry["text"].encode("utf-8", "replace")
    if problem := bot_name_problem(name):
        raise ConfigError(f"{where}: {problem}")
    if entry["place"] not in PLACES:
        raise ConfigError(f"{where}: place is one of {', '.join(PLACES)}")
    if len(content) > MAX_BYTES or file_digest(content) != entry["digest"]:
        raise ConfigError(f"{where}: the text of {name} is damaged: its digest is not the one noted")
    return Packed(name, entry["place"], content)
