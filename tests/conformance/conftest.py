from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.live_venues import VENUES
from tests.conformance.venues import Session, Venue


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
