"""A Thalex simulator per test file; a desk per test, whose accounts and sessions end with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sim_process import SimProcess, start_simulator
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
