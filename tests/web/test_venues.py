"""What the monitor makes of the figures of venues."""

from __future__ import annotations

from typing import Any

import pytest

from web.api.venues import venues_of


def bot(name: str, clock_offset_ms: int | None) -> dict[str, Any]:
    return {"name": name, "exchange": "backpack", "account": "main", "clock_offset_ms": clock_offset_ms}


@pytest.mark.parametrize(("told", "shown"), [((None, None), None), ((None, 0), 0), ((-12, 3), -12)])
def test_clock_of_a_venue_is_what_one_of_its_bots_has_measured(told: tuple[int | None, ...], shown: int | None) -> None:
    (venue,) = venues_of({}, [bot(f"b{place}", ms) for place, ms in enumerate(told)], [])
    assert (venue["bots"], venue["clock_offset_ms"]) == (2, shown)


def test_a_venue_that_only_prices_are_read_of_has_an_entry_of_its_own() -> None:
    heard = {"exchange": "thalex", "symbol": "SOL-PERP", "is_heard": True}
    one = {**bot("one", 3), "reference": heard, "reference_age_s": 0.4}
    two = {**bot("two", 3), "reference": {**heard, "is_heard": False}, "reference_age_s": None}
    own, beside = venues_of({}, [one, two, bot("three", 3)], [])
    assert (own["venue"], own["bots"]) == ("backpack", 3)
    assert (beside["venue"], beside["account"], beside["bots"]) == ("thalex", "prices only", 2)
    streams = [(stream["name"], stream["state"], stream["age_s"]) for stream in beside["streams"]]
    assert streams == [("one", "up", 0.4), ("two", "down", None)]
