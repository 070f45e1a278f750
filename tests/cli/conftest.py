"""Fixtures of the tests of commands, menu and tables; leaves out what needs a shell that is not there, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.commands import cli
from cli.shared import App
from tests.cli.shells import left_out, missing_shells
from tests.console_parts import Daemon, Services
from utils.home import Home


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs a shell that is not installed, and say so."""
    missing = set(missing_shells())
    driven = [item for item in items if (mark := item.get_closest_marker("shell")) and mark.args[0] in missing]
    if driven:
        items[:] = [item for item in items if item not in driven]
        config.hook.pytest_deselected(items=driven)
        print(f"\n{left_out()}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAKERD_HOME", str(tmp_path))
    found = Home(tmp_path)
    found.active.mkdir(parents=True)
    return found


@pytest.fixture
def daemon(home: Home) -> Iterator[Daemon]:
    made = Daemon(home)
    yield made
    made.close()


@pytest.fixture
def services() -> Services:
    return Services()


Run = Callable[..., Result]


@pytest.fixture
def run(home: Home, services: Services) -> Run:
    def invoke(*arguments: str, **extra: Any) -> Result:
        return CliRunner().invoke(cli, arguments, obj=App(services), **extra)

    return invoke


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def recordings(home: Home, compiled: Path) -> None:
    """Let a recording be compiled once for all tests of a file: half a second for each home otherwise."""
    home.data.parent.mkdir(parents=True)
    home.data.symlink_to(compiled)
