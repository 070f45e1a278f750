"""Every line says what it is about, in one word of a closed list: the sources are read for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_parts import calls_in, tree_of
from utils.home import CHECKOUT
from utils.log_components import COMPONENTS, PREFIX, component_of

ROOMS = ("core", "api", "strategies", "web", "cli", "utils")
ROOT_LOGGER_IN = CHECKOUT / "core" / "logger.py"


def logger_names(tree: ast.AST) -> Iterator[str | None]:
    """Yield the name of each logger that a source asks for, None for one that is no plain text."""
    for called, node in calls_in(tree):
        if called.rpartition(".")[2] in ("getLogger", "getChild"):
            name = node.args[0] if node.args else None
            yield name.value if isinstance(name, ast.Constant) else None


def test_every_logger_of_ours_is_of_a_component_of_the_list() -> None:
    wrong, found = [], set()
    for path in (path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py")):
        for name in logger_names(tree_of(path)):
            if name is None and path == ROOT_LOGGER_IN:
                continue
            found.add(name)
            if name is None or name not in {PREFIX + component for component in COMPONENTS}:
                wrong.append(f"{path.relative_to(CHECKOUT)}: {name}")
    assert wrong == []
    assert {"makerd.orders", "makerd.market", "makerd.risk", "makerd.strategy", "makerd.process"} <= found


def test_nothing_is_logged_without_a_logger_of_ours() -> None:
    """`logging.info(...)` would be of the root logger: of no component."""
    found = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno}"
        for path in (path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py"))
        for called, node in calls_in(tree_of(path))
        if called in {f"logging.{name}" for name in ("debug", "info", "warning", "error", "exception")}
    ]
    assert found == []


def test_a_source_that_breaks_the_rule_is_noticed() -> None:
    source = 'a = logging.getLogger("makerd.venue")\nb = getLogger(name)\nc = log.getChild("x")\n'
    assert list(logger_names(ast.parse(source))) == ["makerd.venue", None, "x"]


@pytest.mark.parametrize(
    ("logger", "component"),
    [
        *((PREFIX + name, name) for name in COMPONENTS),
        ("makerd", "process"),
        ("makerd.unheard", "process"),
        ("orders", "process"),
        ("urllib3.connectionpool", "process"),
        ("py.warnings", "process"),
    ],
)
def test_whatever_logs_is_of_one_component(logger: str, component: str) -> None:
    assert component_of(logger) == component


def test_the_page_about_logs_names_every_component() -> None:
    page = (Path(CHECKOUT) / "docs" / "system" / "logs.md").read_text()
    assert [name for name in COMPONENTS if f"| `{name}` |" not in page] == []
