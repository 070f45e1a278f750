"""Filters: when they say what; the table of their names; the latch that keeps a signal."""

from __future__ import annotations

import inspect
import json
import math
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market import bar_filters
from core.market.bars import Bar
from core.market.filter import NEUTRAL, WAITING, Filter, Reading, Signal
from core.market.filters import FILTERS, make_filter
from core.market.signal_latch import LatchSettings, SignalLatch, blocked_sides, confirmed
from core.market.trend import TrendParams
from tests.golden_parts import golden_bars

SCHEMAS = Path(__file__).parents[2] / "config" / "schemas" / "strategies"
SECOND = 10**9
BUY, SELL = Reading(Signal.BUY), Reading(Signal.SELL)
SETTINGS = LatchSettings()


def after(kind: Filter[Any], closes: list[float], reach: float = 0.0) -> Filter[Any]:
    for close in closes:
        kind.update(Bar(close, close + reach, close - reach, close))
    return kind


def falling(count: int = 40) -> list[float]:
    return [100.0 - number for number in range(count)]


def rising(count: int = 40) -> list[float]:
    return [100.0 + number for number in range(count)]


def to_and_fro(count: int = 120) -> list[float]:
    return [100.0 + number % 2 for number in range(count)]


@pytest.mark.parametrize(
    ("name", "closes", "reading"),
    [
        ("bollinger", [*to_and_fro(), 90.0], BUY),
        ("bollinger", [*to_and_fro(), 110.0], SELL),
        ("bollinger", to_and_fro(), NEUTRAL),
        ("bollinger", [100.0] * 30, NEUTRAL),
        ("rsi", falling(), BUY),
        ("rsi", rising(), SELL),
        ("rsi", to_and_fro(), NEUTRAL),
        ("rsi", [100.0] * 30, NEUTRAL),
        ("adx", rising(), Reading(Signal.TRENDING, 1)),
        ("adx", falling(), Reading(Signal.TRENDING, -1)),
        ("adx", to_and_fro(), Reading(Signal.RANGING)),
        ("atr", [*to_and_fro(140), *[100.0 + 30 * (number % 2) for number in range(10)]], Reading(Signal.VOLATILE)),
        ("atr", to_and_fro(140), NEUTRAL),
        ("chop", rising(), Reading(Signal.TRENDING)),
        ("chop", to_and_fro(), Reading(Signal.RANGING)),
        ("ma", rising(), Reading(Signal.TRENDING, 1)),
        ("ma", falling(), Reading(Signal.TRENDING, -1)),
        ("ma", [100.0] * 40, NEUTRAL),
        ("combo", rising(), Reading(Signal.TRENDING, 1)),
        ("combo", [100.0] * 40, Reading(Signal.RANGING)),
    ],
)
def test_filter_says_what_it_sees(name: str, closes: list[float], reading: Reading) -> None:
    assert after(make_filter(name), closes).reading == reading


@pytest.mark.parametrize(("close", "reading"), [(98.0, BUY), (102.0, SELL)])
def test_a_close_exactly_at_a_band_is_a_signal(close: float, reading: Reading) -> None:
    assert after(make_filter("bollinger", period=2, std=1.0), [100.0, close]).reading == reading


@pytest.mark.parametrize("name", list(FILTERS))
def test_filter_waits_until_it_is_ready_and_then_speaks(name: str) -> None:
    made = make_filter(name)
    assert (made.value, made.ready, made.reading) == (None, False, WAITING)
    for bar in golden_bars():
        made.update(bar)
        assert made.ready == (made.reading.signal is not Signal.WAITING)
    assert made.ready
    assert made.value is not None


@pytest.mark.parametrize("name", list(FILTERS))
def test_every_filter_is_one_by_its_form(name: str) -> None:
    kind = FILTERS[name]
    assert kind.sees in ("bar", "trade", "book")
    assert all(isinstance(getattr(kind, part), property) for part in ("value", "ready", "reading"))
    assert list(inspect.signature(kind.update).parameters) == ["self", "seen"]
    assert all(one.default is not inspect.Parameter.empty for one in inspect.signature(kind).parameters.values()), (
        "every setting has a default"
    )


def offered(schema: dict[str, Any]) -> list[str] | None:
    """Return what a strategy's schema offers as `trend_filter`, None when it has no such key."""
    key = schema["properties"].get("trend_filter")
    return None if key is None else key["enum"]


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_schemas_offer_exactly_the_filters_there_are(path: Path) -> None:
    names = offered(json.loads(path.read_text()))
    assert names is None or names == ["off", *FILTERS]


@pytest.mark.parametrize("name", list(FILTERS))
def test_filter_stands_a_bar_that_is_none(name: str) -> None:
    struck, spared = make_filter(name), make_filter(name)
    for number, bar in enumerate(golden_bars()):
        if number == 200:
            struck.update(Bar(math.nan, math.nan, math.nan, math.nan))
        struck.update(bar)
        spared.update(bar)
    assert (struck.value, struck.reading) == (spared.value, spared.reading)


@pytest.mark.parametrize(
    ("name", "settings", "fault"),
    [
        ("magic", {}, "one of bollinger"),
        ("rsi", {"length": 3}, "length"),
        ("rsi", {"period": 0}, "period"),
        ("ma", {"fast": 20, "slow": 10}, "fast"),
        ("combo", {"weights": {}}, "weights"),
        ("combo", {"weights": {"magic": 1.0}}, "weights"),
        ("combo", {"weights": {"rsi": 0.0}}, "weights"),
    ],
)
def test_names_and_settings_that_are_not_possible_are_refused(name: str, settings: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        make_filter(name, **settings)


def test_the_others_vote_by_their_own_settings() -> None:
    eager = make_filter("combo", weights={"rsi": 1.0}, settings={"rsi": {"low": 55.0, "high": 60.0}})
    assert after(eager, [100.0] * 30).reading == BUY


def test_the_how_tos_example_is_a_filter_that_a_config_can_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "add-a-filter.md").read_text()
    source = textwrap.dedent(page.partition("```python\n")[2].partition("```")[0])
    names: dict[str, Any] = vars(bar_filters).copy()
    exec(source, names)
    monkeypatch.setitem(FILTERS, "gap", names["GapFilter"])
    made = TrendParams(trend_filter="gap").make_filter()  # without a key for its setting
    assert made is not None and made.reading == WAITING
    assert after(made, [100.0, 101.0]).reading == Reading(Signal.VOLATILE)
    assert after(made, [101.0]).reading == NEUTRAL


def test_votes_go_by_weight_and_a_tie_is_neutral() -> None:
    trend_wins = after(make_filter("combo", weights={"ma": 2.0, "rsi": 1.0}), rising())
    sell_wins = after(make_filter("combo", weights={"ma": 1.0, "rsi": 2.0}), rising())
    tie = after(make_filter("combo", weights={"ma": 1.0, "rsi": 1.0}), rising())
    assert trend_wins.reading == Reading(Signal.TRENDING, 1)
    assert trend_wins.value == pytest.approx(2 / 3)
    assert sell_wins.reading == SELL
    assert tie.reading == NEUTRAL


@pytest.mark.parametrize(
    ("weights", "reading"), [({"ma": 2, "rsi": 1}, Reading(Signal.TRENDING, 1)), ({"rsi": 1}, SELL)]
)
def test_a_config_says_who_votes_and_how_much_it_counts(weights: dict[str, float], reading: Reading) -> None:
    made = TrendParams(trend_filter="combo", combo_weights=weights).make_filter()
    assert made is not None and after(made, rising()).reading == reading


def test_without_weights_all_filters_vote_and_the_schema_names_voters_only() -> None:
    schema = json.loads((SCHEMAS / "avellaneda_stoikov.json").read_text())["properties"]["combo_weights"]
    voters = [name for name in FILTERS if name != "combo"]
    assert set(schema["propertyNames"]["enum"]) <= set(voters)
    made, whole = (
        TrendParams(trend_filter="combo").make_filter(),
        make_filter("combo", weights=dict.fromkeys(voters, 1)),
    )
    assert made is not None and after(made, rising()).value == after(whole, rising()).value


# the latch


def step(latch: SignalLatch, reading: Reading = NEUTRAL, at_s: int = 0, **given: Any) -> SignalLatch:
    values = {"rsi": None, "flat": False, "bar_finished": True} | given
    return latch.step(at_s * SECOND, reading, settings=SETTINGS, **values)


def test_a_signal_is_kept_while_the_present_one_is_neutral() -> None:
    latch = step(SignalLatch(), BUY)
    assert step(latch, NEUTRAL, 10).effective(NEUTRAL) == BUY
    assert latch.effective(Reading(Signal.TRENDING, 1)) == Reading(Signal.TRENDING, 1)


@pytest.mark.parametrize(
    ("kept", "given", "released"),
    [
        (BUY, {"rsi": 40.1}, True),
        (BUY, {"rsi": 40.0}, False),
        (BUY, {"rsi": 90.0, "bar_finished": False}, False),
        (SELL, {"rsi": 59.9}, True),
        (SELL, {"rsi": 60.0}, False),
        (BUY, {"flat": True}, True),
        (SELL, {"flat": True}, True),
        (BUY, {"at_s": 3601}, True),
        (BUY, {"at_s": 3600}, False),
        (SELL, {"rsi": 10.0, "bar_finished": False}, False),
        (SELL, {"at_s": 3601}, True),
        (SELL, {"at_s": 3600}, False),
    ],
)
def test_a_signal_is_released(kept: Reading, given: dict[str, Any], released: bool) -> None:
    latch = step(step(SignalLatch(), kept), **given)
    assert (latch.signal is None) is released


def test_the_opposite_signal_replaces_the_kept_one_with_its_own_time() -> None:
    assert step(step(SignalLatch(), BUY), SELL, 5) == SignalLatch(Signal.SELL, 5 * SECOND)


def test_a_new_signal_is_kept_in_the_cycle_that_released_the_old() -> None:
    assert step(step(SignalLatch(), BUY), BUY, 5, flat=True) == SignalLatch(Signal.BUY, 5 * SECOND)


@given(st.lists(st.tuples(st.sampled_from([BUY, SELL, NEUTRAL, WAITING]), st.floats(0, 100), st.booleans())))
def test_latching_again_changes_nothing_and_a_record_reads_back(rows: list[tuple[Reading, float, bool]]) -> None:
    latch = SignalLatch()
    for number, (reading, rsi, flat) in enumerate(rows):
        latch = step(latch, reading, number, rsi=rsi, flat=flat)
        assert step(latch, reading, number) == latch
        assert SignalLatch.from_plain(json.loads(json.dumps(latch.to_plain()))) == latch


@pytest.mark.parametrize("plain", [{}, {"signal": "up", "since_ns": 0}, {"signal": "trending", "since_ns": 0}])
def test_a_damaged_record_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SignalLatch.from_plain(plain)


def test_signals_need_the_index_to_agree() -> None:
    assert confirmed(BUY, 30.0, 30, 70) == BUY
    assert confirmed(BUY, 30.1, 30, 70) == confirmed(BUY, None, 30, 70) == NEUTRAL
    assert confirmed(SELL, 70.0, 30, 70) == SELL
    assert confirmed(SELL, 69.9, 30, 70) == NEUTRAL
    assert confirmed(Reading(Signal.RANGING), None, 30, 70) == Reading(Signal.RANGING)


def test_overbought_blocks_buys_and_oversold_sells() -> None:
    assert blocked_sides(75.0, 30, 70) == (True, False)
    assert blocked_sides(25.0, 30, 70) == (False, True)
    assert blocked_sides(50.0, 30, 70) == blocked_sides(None, 30, 70) == (False, False)
