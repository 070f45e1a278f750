"""Fixtures of the tests with real processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import logger
from core.bot_config import BotConfig
from core.process.worker import Task
from tests.process.fleet_parts import Fleet
from tests.process.live_fleet import Crew, LiveFleet, add_crew
from tests.process.live_parts import LiveWorker
from tests.process.worker_parts import Start
from tests.sim_process import Simulators
from utils.home import Home


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A home without configs; whatever runs in it at the end is stopped."""
    fleet = Fleet(tmp_path / "home")
    yield fleet
    fleet.end()


@pytest.fixture(scope="module")
def simulators() -> Iterator[Simulators]:
    running = Simulators("--seed", "5")
    yield running
    running.close()


@pytest.fixture
def live(fleet: Fleet, simulators: Simulators, venue: str) -> LiveFleet:
    simulators[venue].reset()
    return LiveFleet(fleet, simulators[venue], venue)


@pytest.fixture(scope="module")
def live_crew(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulators: Simulators
) -> Iterator[Crew]:
    """The bots of the module's CREW under one daemon: for tests that harm their own one only."""
    fleet = Fleet(tmp_path_factory.mktemp("crew") / "home")
    crew = add_crew(fleet, simulators, request.module.CREW)
    try:
        fleet.start()
        yield crew
    finally:
        fleet.end()


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Undo what a child's code does to this process's logging."""
    root, before = logging.getLogger(), logger._current[0]
    handlers, level = root.handlers[:], root.level
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        if handler not in root.handlers:
            root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)
    logger._current[0] = before


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with claims of its own."""
    monkeypatch.setenv("MAKERD_CLAIMS_DIR", str(tmp_path / "claims"))
    home = Home(tmp_path / "home")
    home.make_folders()
    return home


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    """What starts a worker in that home; all are closed at the end."""
    workers: list[LiveWorker] = []

    def begin(config: BotConfig, **task: bool) -> LiveWorker:
        workers.append(LiveWorker(home, config, Task(**task)))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.close()
