"""Tests that a page names in backticks, file and name with `::` between: what is named, and what of it is gone."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of the tests in a file, also of those that are there under a condition only."""
    if not file.exists():
        return frozenset()
    return frozenset(node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))


def missing_in(text: str) -> list[str]:
    """Return what a page names and what does not exist."""
    named = NAMED.findall(text)
    return sorted({f"{file}::{test}" for file, test in named if test not in names_in(ROOT / file)})
