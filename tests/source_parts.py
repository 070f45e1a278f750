"""What stands in source files, read once for all the tests that look for what must not stand there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def tree_of(path: Path) -> ast.Module:
    """Return what stands in a file; shared, so not to be changed."""
    return ast.parse(path.read_text())


def dotted(node: ast.expr) -> str:
    """Return a chain of names with its dots, `a.b.c`; what is no name at its beginning is `()`.

    `ast.unparse` says the same in a hundred times as long, which is seconds over all the sources.
    """
    names, one = [], node
    while isinstance(one, ast.Attribute):
        names.append(one.attr)
        one = one.value
    return ".".join([one.id if isinstance(one, ast.Name) else "()", *reversed(names)])


def last_two(name: str) -> str:
    """Return the last two of names with dots between."""
    return ".".join(name.split(".")[-2:])


def calls_in(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the dotted name of what is called."""
    return ((dotted(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call))
