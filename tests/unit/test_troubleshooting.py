"""The page of troubleshooting knows every gate of the code, and every old command of the dashboards."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from cli.commands import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
ROOMS = ("core/market", "core/trading", "strategies")


def constants(tree: ast.Module) -> dict[str, str]:
    """Return the texts that a module gives a name, also several in one line."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = value.elts if isinstance(value, ast.Tuple) else [value]
            for name, one in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and isinstance(one, ast.Constant) and isinstance(one.value, str):
                    found[name.id] = one.value
    return found


def named(node: ast.expr, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return known.get(node.id) if isinstance(node, ast.Name) else None


def gates_of(tree: ast.Module) -> Iterator[str | None]:
    """Yield the names of gates that a module makes, and those that a strategy asks for in `gates`."""
    known = constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Gate":
            yield named(node.args[0], known)
        if isinstance(node, ast.FunctionDef) and node.name == "gates":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Subscript) and isinstance(inner.ctx, ast.Store):
                    yield named(inner.slice, known)
                if isinstance(inner, ast.Dict):
                    yield from (named(key, known) for key in inner.keys if key is not None)


def gates_of_the_code() -> set[str]:
    trees = [ast.parse(path.read_text()) for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    latches = constants(ast.parse((ROOT / "core/trading/latches.py").read_text()))["UNREADABLE"]
    return {name for tree in trees for name in gates_of(tree) if name} | {latches}


def rows(heading: str) -> set[str]:
    """Return what stands first in each row of a section's table."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))


def test_each_gate_of_the_code_is_on_the_page() -> None:
    known = gates_of_the_code()
    assert {"stale", "paused", "withheld", "halt", "hedge_first", "latches"} <= known  # the reading itself works
    assert known - rows("The bot does not quote") == set()


def test_each_command_of_the_old_dashboards_has_one_of_ours() -> None:
    assert rows("Coming from a dashboard") == {"start", "stop", "stop_close", "reload_config", "restart", "shutdown"}


def test_each_command_on_the_page_exists() -> None:
    told = re.findall(r"(?:`|^)D ([a-z]+)(?: ([a-z]+))?", PAGE, re.MULTILINE)
    assert len(told) > 20
    for first, second in told:
        assert first in cli.commands, first
        group = cli.commands[first]
        below = getattr(group, "list_commands", None)
        assert below is None or second in below(None), (first, second)
