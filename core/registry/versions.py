"""Older files, read as the version they are of: a table of pure steps, each from one version to the next.

A step only says which keys are called otherwise now. So complaints can name a key as it stands in the file, and
`config migrate` can tell what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.registry.complaints import JsonPath, Problem
from core.registry.old_names import RENAMED_IN_1

CURRENT = 1
PATH: JsonPath = ("metadata", "schema_version")
Move = tuple[JsonPath, JsonPath]  # old path, new path
Step = Callable[[Mapping[str, Any]], Iterator[Move]]


def _units_in_names(tree: Mapping[str, Any]) -> Iterator[Move]:
    """0 to 1: a number says its unit."""
    for section, names in RENAMED_IN_1.items():
        for old, new in names.items():
            yield (section, old), (section, new)


STEPS: Mapping[int, Step] = {0: _units_in_names}


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A tree of the current version, and how each key that is called otherwise now was called: new path -> old."""

    tree: Any
    renamed: Mapping[JsonPath, JsonPath] = field(default_factory=dict)
    problem: Problem | None = None


def upgrade(tree: Any, steps: Mapping[int, Step] = STEPS, current: int = CURRENT) -> Upgrade:
    """Return a config as the current version has it; one that is current, or says no version, as it is."""
    version = version_of(tree)
    if version is None or version == current:
        return Upgrade(tree)
    if version > current:
        expected = f"at most {current}: a newer makerd wrote this file"
        return Upgrade(tree, problem=Problem(PATH, str(version), expected))
    renamed: dict[JsonPath, JsonPath] = {}
    for step in range(version, current):
        if step not in steps:
            return Upgrade(tree, problem=Problem(PATH, str(version), f"a version from {min(steps)} to {current}"))
        tree = _stepped(tree, tuple(steps[step](tree)), renamed)
    return Upgrade({**tree, "metadata": {**tree["metadata"], "schema_version": current}}, renamed)


def is_known(tree: Any) -> bool:
    """Tell whether what a config says can be understood: its version is one of ours, or it says none."""
    version = version_of(tree)
    return version is None or min((*STEPS, CURRENT)) <= version <= CURRENT


def version_of(tree: Any) -> int | None:
    """Return the version that a config says it is of, None when it says none that can be read."""
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    version = metadata.get("schema_version") if isinstance(metadata, dict) else None
    return version if isinstance(version, int) and not isinstance(version, bool) else None


def _stepped(tree: Any, moves: tuple[Move, ...], renamed: dict[JsonPath, JsonPath]) -> Any:
    for (section, old), (_, new) in moves:
        there = tree.get(section)
        if not isinstance(there, dict) or old not in there or new in there:
            continue  # a key that is given by both names stays, and is refused as unknown
        tree = {**tree, section: {new if key == old else key: value for key, value in there.items()}}
        renamed[section, new] = renamed.pop((section, old), (section, old))
    return tree
