"""Fills since a mark, over more than one page of a venue's history: all of them, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import backpack_wire, thalex_wire
from tests.conformance.live_venues import LiveUnderTest
from tests.conformance.venues import VENUES, Session

PAGE, FILLS = 100, 210


@pytest.mark.parametrize("name", ["backpack_perp", "thalex"])
def test_fills_of_several_pages_are_all_in_the_report(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backpack_wire, "FILLS_PER_PAGE", PAGE)
    monkeypatch.setattr(thalex_wire.history, "__defaults__", (None, PAGE))
    venue = VENUES[name](tmp_path)
    assert isinstance(venue, LiveUnderTest)
    session = Session.open(venue)
    venue.sim.feed(paused=True)
    mark = session.report().mark
    session.submit(session.far_bid("mk-a-1", FILLS))
    for _ in range(FILLS):
        assert venue.sim.fault("partial_fill", account=venue.account, lots=1)["hit"] == 1
    report = session.report(mark)
    told = {fill.trade_id: fill.size_lots for fill in report.fills}
    assert report.complete and len(told) == sum(told.values()) == FILLS
    assert told.keys() == {fill["trade_id"] for fill in venue.sim.state()["accounts"][venue.account]["fills"]}
    again = session.report(report.mark)
    assert again.complete and {fill.trade_id for fill in again.fills} <= told.keys()
    session.close()
    venue.sim.reset()
