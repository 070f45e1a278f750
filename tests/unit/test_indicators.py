"""Streaming indicators: the golden columns, bar by bar, and what happens where nothing moves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.bars import Bar
from core.market.indicators import Adx, Atr, Bollinger, Choppiness, Ema, Rsi
from tests.golden_parts import golden, golden_bars, golden_rows

PARAMS = golden("ohlcv_params")
PERIOD = PARAMS["wilder_period"]
BANDS, EMA = PARAMS["bollinger"], PARAMS["ema_period"]
Read = Callable[[Any], "float | None"]
MAKERS: dict[str, Callable[[], Any]] = {
    "bollinger": lambda: Bollinger(BANDS["period"], BANDS["k"]),
    "rsi": lambda: Rsi(PERIOD),
    "atr": lambda: Atr(PERIOD),
    "adx": lambda: Adx(PERIOD),
    "ema": lambda: Ema(EMA),
    "chop": lambda: Choppiness(PERIOD),
}
COLUMNS: dict[str, tuple[str, Read]] = {
    "bb_upper": ("bollinger", lambda made: made.value and made.value.upper),
    "bb_mid": ("bollinger", lambda made: made.value and made.value.middle),
    "bb_lower": ("bollinger", lambda made: made.value and made.value.lower),
    "rsi": ("rsi", lambda made: made.value),
    "atr": ("atr", lambda made: made.value),
    "adx": ("adx", lambda made: made.value),
    "plus_di": ("adx", lambda made: made.plus_di),
    "minus_di": ("adx", lambda made: made.minus_di),
    "ema": ("ema", lambda made: made.value),
    "chop": ("chop", lambda made: made.value),
}
closes = st.lists(st.floats(90, 110), min_size=40, max_size=60)


def flat_bar(price: float) -> Bar:
    return Bar(price, price, price, price)


@pytest.mark.parametrize("column", list(COLUMNS))
def test_golden_column_is_met_bar_by_bar(column: str) -> None:
    name, read = COLUMNS[column]
    made = MAKERS[name]()
    for number, (bar, row) in enumerate(zip(golden_bars(), golden_rows("ohlcv_indicators"), strict=True)):
        made.update(bar)
        if row[column] == "":
            assert read(made) is None, number
        else:
            assert read(made) == pytest.approx(float(row[column]), rel=PARAMS["relative_tolerance"]), number


@pytest.mark.parametrize(
    ("name", "expected"), [("rsi", 50.0), ("adx", 0.0), ("chop", 100.0), ("atr", 0.0), ("ema", 100.0)]
)
def test_a_market_that_does_not_move_gives_the_neutral_value(name: str, expected: float) -> None:
    made = MAKERS[name]()
    for _ in range(60):
        made.update(flat_bar(100.0))
    assert made.value == expected


def test_bands_without_width_have_the_close_in_their_middle() -> None:
    made = Bollinger(20, 2.0)
    for _ in range(20):
        made.update(flat_bar(97_000.1))
    assert made.value is not None
    assert made.value.percent_b == 0.5
    assert made.value.lower == pytest.approx(made.value.upper)


def test_bands_at_high_prices_do_not_lose_their_width() -> None:
    low, high = Bollinger(20), Bollinger(20)
    for number in range(20):
        low.update(flat_bar(1.0 + number % 2 * 0.01))
        high.update(flat_bar(1e8 + number % 2 * 0.01))
    assert low.value is not None
    assert high.value is not None
    assert high.value.upper - high.value.lower == pytest.approx(low.value.upper - low.value.lower, rel=1e-5)


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("wrong", [math.nan, math.inf, 0.0, -3.0])
def test_a_bar_that_is_none_changes_nothing_then_or_later(name: str, wrong: float) -> None:
    struck, spared = MAKERS[name](), MAKERS[name]()
    for number, bar in enumerate(golden_bars()[:80]):
        if number == 40:
            struck.update(flat_bar(wrong))
        struck.update(bar)
        spared.update(bar)
    assert struck.value == spared.value is not None


@given(closes)
def test_rsi_is_within_its_range_and_mirrors(prices: list[float]) -> None:
    up, down = Rsi(14), Rsi(14)
    for price in prices:
        up.update(flat_bar(price))
        down.update(flat_bar(200 - price))
        if up.value is not None and down.value is not None:
            assert 0 <= up.value <= 100
            assert up.value + down.value == pytest.approx(100, abs=1e-6)


@given(closes)
def test_bands_hold_the_mean_and_percent_b_says_where_the_close_is(prices: list[float]) -> None:
    made = Bollinger(20)
    for price in prices:
        made.update(flat_bar(price))
    bands = made.value
    assert bands is not None
    assert bands.lower <= bands.middle <= bands.upper
    assert bands.lower + bands.percent_b * (bands.upper - bands.lower) == pytest.approx(prices[-1], abs=1e-6)


@given(closes)
def test_directional_index_is_within_its_range(prices: list[float]) -> None:
    made = Adx(14)
    for price in prices:
        made.update(Bar(price, price + 0.5, price - 0.5, price))
    assert made.value is not None
    assert 0 <= made.value <= 100


@pytest.mark.parametrize("make", [lambda: Ema(0), lambda: Rsi(0), lambda: Adx(1), lambda: Choppiness(1)])
def test_periods_that_hold_nothing_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="period"):
        make()
