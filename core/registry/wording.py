"""How paths, values and near misses are put in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from core.registry.complaints import JsonPath
from utils.input_validation import printable


def path_text(path: JsonPath) -> str:
    """Return a JSON path as people write it: `strategy_config.layer_sizes[2]`."""
    parts = [f"[{part}]" if isinstance(part, int) else "." + printable(part, 60) for part in path]
    return "".join(parts).removeprefix(".")


def shown(value: Any) -> str:
    """Return a JSON value as one short piece of a line; containers only by their kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f'"{printable(value)}"'
    return printable(json.dumps(value))


def nearest_of(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that was probably meant, None when none is near."""
    given = word.lower()[:64]
    same = [name for name in known if name.lower() == given]
    close = get_close_matches(word[:64], known, n=1, cutoff=0.6)
    begun = [name for name in known if len(given) > 2 and name.lower().startswith(given)]
    return next(iter((*same, *close, *begun)), None)
