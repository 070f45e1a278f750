"""What no test imports is kept in step with what it imports: benchmarks and the scripts of the docs."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from tests.unit.test_import_table import ROOT

SCRIPTS = sorted([*Path(ROOT).glob("benchmarks/**/*.py"), *Path(ROOT).glob("docs/*.py")])
OURS = ("api", "benchmarks", "cli", "core", "docs", "strategies", "tests", "utils", "web")


def is_module(name: str) -> bool:
    """Tell whether there is a module of that name."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what stands before the last dot is no package
        return False


def unknown_names(source: str) -> Iterator[str]:
    """Yield what a source imports from our own packages that is not there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.split(".")[0] in OURS:
            module = importlib.import_module(node.module)
            for name in (alias.name for alias in node.names):
                if not hasattr(module, name) and not is_module(f"{node.module}.{name}"):
                    yield f"{node.module}.{name}"


def test_whatever_a_benchmark_or_a_script_of_the_docs_imports_is_there() -> None:
    assert SCRIPTS
    wrong = {str(path.relative_to(ROOT)): names for path in SCRIPTS if (names := [*unknown_names(path.read_text())])}
    assert wrong == {}


def test_a_name_that_has_moved_is_noticed() -> None:
    assert [*unknown_names("from api.replay_feed import open_replay, moved_elsewhere")] == [
        "api.replay_feed.moved_elsewhere"
    ]
