from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.keys_read_once  # noqa: F401
from tests.conformance.live_bot import LiveBot
from tests.conformance.live_stage import LIVE, SIZES, Stage, wrong_times
from tests.conformance.live_venues import SIMULATORS, VENUES, LiveUnderTest
from tests.conformance.venues import Session, Venue


@pytest.fixture(scope="module", autouse=True)
def simulators() -> Iterator[None]:
    """End the simulators with the file that has asked for them."""
    yield
    SIMULATORS.close()


@pytest.fixture(params=sorted(VENUES))
def venue(request: pytest.FixtureRequest, tmp_path: Path) -> Venue:
    """Return each venue in turn, with a fresh account."""
    return VENUES[request.param](tmp_path)


@pytest.fixture
def session(venue: Venue) -> Iterator[Session]:
    """Return an open session with market data."""
    opened = Session.open(venue)
    yield opened
    opened.close()


@pytest.fixture
def risk() -> dict[str, Any]:
    """Return limits of a test's own."""
    return {}


@pytest.fixture
def exchange() -> dict[str, Any]:
    """Return keys of `exchange_config` of a test's own."""
    return {}


@pytest.fixture
def ahead_s() -> int:
    """Return how far the venue's clock is ahead of ours when the bot starts."""
    return 0


@pytest.fixture(params=LIVE)
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, risk: dict[str, Any], exchange: dict[str, Any], ahead_s: int
) -> Iterator[Stage]:
    venue = VENUES[request.param](tmp_path)
    assert isinstance(venue, LiveUnderTest)
    venue.config |= exchange
    if ahead_s:
        venue.sim.fault("clock_skew", seconds=ahead_s)
    before = wrong_times(venue)
    made = Stage(venue, LiveBot(venue, tmp_path / "state", SIZES[request.param], risk=risk).start(), before)
    made.bot.run(made.is_whole)
    yield made
    made.bot.kill()
    venue.sim.reset()
