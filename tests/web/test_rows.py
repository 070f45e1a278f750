"""What the monitor makes of a status: why a bot does not quote, what changed, what it all comes to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.web_parts import bot_row
from web.rings import SPARK_POINTS, Rings
from web.rows import AGES, changed, difference, equity_of, fleet_row, totals, why_not_quoting


@pytest.mark.parametrize(
    ("row", "why", "attention"),
    [
        ({}, "", ""),
        ({"state": "FATAL", "reason": "5 restarts in 60 s"}, "5 restarts in 60 s", "bad"),
        ({"state": "HALTED"}, "halted by a risk limit; look why, then `reset`", "bad"),
        ({"state": "STOPPED", "wanted": False}, "is stopped", ""),
        ({"state": "STOPPED", "wanted": True}, "is stopped", "warn"),
        ({"state": "BACKOFF", "kind": "job", "reason": "next run in 5 s"}, "next run in 5 s", ""),
        ({"state": "SOMETHING NEW"}, "something new", "warn"),
        ({"heartbeat_age_s": 7.2}, "no heartbeat for 7 s", "bad"),
        ({"gates": ["paused"], "phase": "PAUSED"}, "paused by an operator", ""),
        ({"gates": ["stale", "max_loss"]}, "market data is stale; the loss limit has tripped", "bad"),
        ({"gates": ["of a strategy"]}, "gate of a strategy is shut", "warn"),
        ({"phase": "WARMUP"}, "waits for the first book", ""),
        ({"open_orders": 0}, "it quotes, but no order rests at the moment", ""),
        ({"stats": {"reference_stale": "x"}}, "the price of its reference is stale; its own mid is used", "warn"),
        ({"stats": {"reference_stale": ""}}, "", ""),
    ],
)
def test_each_reason_not_to_quote_is_said_in_words(row: dict[str, Any], why: str, attention: str) -> None:
    assert why_not_quoting(bot_row(**row)) == (why, attention)


def _rows(*bots: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {bot["name"]: fleet_row(bot, [], None) for bot in bots}


def test_a_loud_change_is_told_at_once_and_a_quiet_one_when_it_is_due() -> None:
    before, loud, quiet = _rows(bot_row()), _rows(bot_row(state="BACKOFF")), _rows(bot_row(mid="151"))
    assert changed(before, loud, quiet_due=False) and changed(before, _rows(bot_row("new")), quiet_due=False)
    assert not changed(before, quiet, quiet_due=False) and changed(before, quiet, quiet_due=True)


def test_of_a_row_that_changed_only_the_changes_are_told() -> None:
    [before], [after] = _rows(bot_row(clock=1)).values(), _rows(bot_row(mid="151")).values()
    assert difference(before, after) == {"name": "sol-mm", "mid": "151", "clock": None}
    assert difference(None, after) == after


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 1)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 1)),
)
def test_what_changed_laid_over_what_was_is_what_is(before: dict[str, int], after: dict[str, int]) -> None:
    laid = {**before, **difference({"name": "x", **before}, {"name": "x", **after})}
    assert {key: value for key, value in laid.items() if value is not None} == {"name": "x", **after}


def test_growing_older_is_no_change() -> None:
    aged = {key: 99 for key in AGES if key != "equity_spark"}
    assert not changed(_rows(bot_row()), _rows(bot_row(**{**aged, "heartbeat_age_s": 1.0})), quiet_due=True)


def test_amounts_of_different_assets_are_not_added() -> None:
    bots = [("a", "USDC"), ("b", "USDC"), ("c", "BTC"), ("d", None)]
    told = totals([fleet_row(bot_row(name, realised_pnl="1.5"), [], None, quote) for name, quote in bots])
    assert told["realised_pnl"] is None
    assert {one["quote"]: one["realised_pnl"] for one in told["by_quote"]} == {"USDC": "3.0", "BTC": "1.5", "": "1.5"}
    assert totals([fleet_row(bot_row(), [], None, "USDC"), fleet_row(bot_row("b"), [], None)])["fees"] == "-0.0240"


_TEXT = st.one_of(
    st.none(), st.just("NaN"), st.just("1e999"), st.decimals(allow_nan=True).map(str), st.text(max_size=5)
)


@given(st.lists(st.fixed_dictionaries({"realised_pnl": _TEXT, "unrealised_pnl": _TEXT, "fees": _TEXT}), max_size=5))
def test_figures_of_any_kind_become_valid_json(bots: list[dict[str, Any]]) -> None:
    rows = [fleet_row(bot_row(f"b{at}", **bot), [], None) for at, bot in enumerate(bots)]
    assert totals(rows)["bots"] == len(bots)
    json.dumps([equity_of(row) for row in rows], allow_nan=False)


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["1", "1e999", "x", None])), max_size=300))
def test_rings_are_bounded_and_forget_bots_that_are_gone(turns: list[tuple[float, Any]]) -> None:
    rings, at_s = Rings(), 0.0
    for pause_s, mid in turns:
        at_s += pause_s
        rings.add([bot_row("a", mid=mid, realised_pnl=mid)], at_s)
    assert len(rings.spark("a")) <= SPARK_POINTS
    json.dumps([rings.spark("a"), rings.mids("a")], allow_nan=False)
    rings.add([], at_s)
    assert rings.spark("a") == [] and rings.mids("a") == []
