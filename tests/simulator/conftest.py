"""A simulator per test file; a desk or a caller per test, whose accounts and sessions end with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sim_process import SimProcess, start_simulator
from tests.simulator.backpack_caller import Caller, Stream
from tests.simulator.thalex_talker import Desk, desk_of


@pytest.fixture(scope="module")
def still_thalex() -> Iterator[SimProcess]:
    """Yield a simulator whose market stands still but for what we do."""
    with start_simulator("thalex") as process:
        process.feed(paused=True)
        yield process


@pytest.fixture
def desk(still_thalex: SimProcess) -> Iterator[Desk]:
    """Yield a desk at the still market."""
    with desk_of(still_thalex) as found:
        yield found


@pytest.fixture(scope="module")
def sim(request: pytest.FixtureRequest) -> Iterator[SimProcess]:
    """Yield a Backpack simulator with the module's own SIMULATOR options; none of its tests may make it fail."""
    with start_simulator("backpack", *request.module.SIMULATOR, "--touch-prob", "0") as process:
        yield process
        assert "simulator_error" not in process.state()["counters"]["violations"]


@pytest.fixture
def user(sim: SimProcess) -> Iterator[Caller]:
    """Yield a caller with an account of its own; no fault is armed before or after."""
    sim.fault("clear")
    with Caller(sim.hello["base_url"], sim.account()) as caller:
        yield caller
    sim.fault("clear")


@pytest.fixture
def stream(sim: SimProcess) -> Iterator[Stream]:
    """Yield an open socket that has subscribed to nothing."""
    with Stream(sim.hello["ws_url"]) as opened:
        yield opened
