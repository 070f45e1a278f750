"""`metadata.extends`: a shared file whose keys count where a config says nothing. One level, merged deeply.

The bases of a home are the files of `config/bases`. They are no configs: nothing runs them, and what is wrong with one
is told with each config that extends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.registry.complaints import JsonPath, Problem
from core.registry.wording import shown
from utils.env import BrokenReference, MissingVariables, interpolate

PATH: JsonPath = ("metadata", "extends")
_ITS_OWN = ("name", "extends")  # keys of metadata that only a config can say


def extends_of(tree: Any, environ: Mapping[str, str]) -> str | None:
    """Return the name of the base that a config extends, None when it extends none that can be told."""
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    name = metadata.get("extends") if isinstance(metadata, dict) else None
    try:
        return str(interpolate(name, environ)) if isinstance(name, str) else None
    except (MissingVariables, BrokenReference):
        return None


def base_problems(tree: Any) -> Iterator[Problem]:
    """Yield what is wrong with a base whoever extends it; whether its keys are known only its configs can tell."""
    if not isinstance(tree, dict):
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
