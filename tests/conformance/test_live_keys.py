"""Keys that are not good enough, at venues behind real sockets: one typed error with the venue's code, never a loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.live_venues import LiveUnderTest, connection_of
from tests.conformance.venues import VENUES, Session
from utils.errors import VenueAuthError

WRITE = {"backpack": "POST /api/v1/order", "thalex": "WS private/insert"}
REFUSED = {"backpack": r"FORBIDDEN: .*; create a key with trading right", "thalex": r"28: .*; check key_id"}


@pytest.fixture(params=["backpack_perp", "thalex"])
def read_only(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    """Give a session on an account whose key may read and not trade."""
    venue = VENUES[request.param](tmp_path)
    assert isinstance(venue, LiveUnderTest)
    venue.account = f"{venue.account}-view"
    venue.config |= connection_of(venue.sim, venue.sim.account(account=venue.account)["credentials"])
    session = Session.open(venue)
    yield session
    session.close()
    venue.sim.reset()


def test_a_key_without_the_right_to_trade_reads_and_is_an_auth_error_at_its_first_order(read_only: Session) -> None:
    venue = read_only.venue
    assert isinstance(venue, LiveUnderTest)
    assert read_only.report().complete
    asked = venue.sim.state()["counters"]["requests"].get(WRITE[venue.venue], 0)
    read_only.client.submit([read_only.far_bid("mk-a-1")])
    with pytest.raises(VenueAuthError, match=REFUSED[venue.venue]):
        read_only.wait(lambda: False)
    assert venue.sim.state()["counters"]["requests"][WRITE[venue.venue]] == asked + 1
