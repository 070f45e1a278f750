from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.keys_read_once  # noqa: F401
from tests.conformance.live_venues import SIMULATORS, VENUES
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
