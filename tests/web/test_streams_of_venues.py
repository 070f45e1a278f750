"""What is told of venues: whose streams are up, and whose budgets there are."""

from __future__ import annotations

from typing import Any

from tests.web.web_parts import bot_row
from web.api.venues import venues_of


def _figures(name: str, **more: Any) -> dict[str, Any]:
    known = {"book_age_s": 0.2, "last_ack_age_s": 1.0, "loop_lag_ms": 0.5}
    return {"name": name, "exchange": "backpack", "account": "desk", **known, **more}


def test_a_stream_is_down_when_its_book_is_old_or_its_link_gone() -> None:
    rows = {"a": bot_row("a"), "b": bot_row("b", gates=["link"]), "c": bot_row("c"), "d": bot_row("d")}
    figures = [_figures("a"), _figures("b"), _figures("c", book_age_s=30.0), _figures("d", book_age_s=None)]
    [venue] = venues_of(rows, figures, ())
    assert [one["state"] for one in venue["streams"]] == ["up", "down", "down", "down"]


def test_a_budget_is_told_at_the_venue_of_those_that_hold_it() -> None:
    budget = {"key": "backpack:desk", "per_s": 10.0, "lent_per_s": 4.0, "holders": ["a"]}
    figures = [_figures("a"), {**_figures("b"), "exchange": "paper"}, {**_figures("c"), "exchange": None}]
    told = venues_of({}, figures, [budget])
    assert [(one["venue"], len(one["budgets"])) for one in told] == [("backpack", 1), ("paper", 0)]
    assert told[0]["budgets"][0] == {"key": "backpack:desk", "limit": 10.0, "used": 4.0, "per_s": 10.0}
