"""avellaneda_stoikov as a script: what it makes of the trend and of the tape."""

from __future__ import annotations

from typing import Any

import pytest

from core.market.bars import Bar
from core.market.events import TradePrint
from core.market.filters import FILTERS
from core.market.order import Side
from strategies.avellaneda_stoikov import AvellanedaStoikov
from tests.avellaneda_script import LIMIT, MID, Script, relative

# Trend and signals

RSI = {"trend_filter": "rsi", "rsi_period": 2, "candle_s": 1}


def trending(closes: list[int], **config: Any) -> Script:
    """Return a bot that has seen candles of a second with these closes, and one more that is open."""
    script = relative(sigma=0, boost_step_pct=0.05, **(RSI | config))
    return after(script, closes)


def after(script: Script, closes: list[int]) -> Script:
    for close in closes:
        script.wait(1).move(close)
    script.wait(1).move(MID)
    return script


FALL, RISE = ([MID + step * number for number in range(9, -1, -1)] for step in (100, -100))


def test_a_buy_signal_has_extra_bids_beside_the_models_and_they_go_with_it() -> None:
    script = trending(FALL).hold(100)
    assert [(one.slot_name, one.price_ticks, one.size_lots) for one in script.quotes()][:3] == [
        ("boost.1", 999_500, 100),
        ("buy.0", 999_000, 100),
        ("boost.2", 999_000, 100),
    ]
    assert script.stats()["regime"] == "buy_signal"
    assert all(one.post_only for one in script.quotes())
    after(script, [MID, MID + 30])  # RSI recovers
    assert [one.slot_name for one in script.quotes()] == ["buy.0", "sell.0"]


def test_a_sell_signal_has_extra_asks() -> None:
    script = trending(RISE, boost_orders=1).hold(-100)
    assert [(one.slot_name, one.price_ticks) for one in script.quotes() if one.side is Side.SELL] == [
        ("boost.1", 1_000_500),
        ("sell.0", 1_001_000),
    ]


@pytest.mark.parametrize(
    ("closes", "wait_s", "held", "latched"),
    [
        ([MID, MID + 120], 0, 100, "buy_signal"),  # RSI between low and release: kept
        ([MID, MID + 300], 0, 100, None),  # RSI above the release
        ([MID, MID + 120], 0, 0, None),  # flat
        ([MID, MID + 120], 4000, 100, None),  # too old
        ([MID, MID + 900], 0, 100, "sell_signal"),  # the opposite signal
    ],
    ids=["kept", "rsi", "flat", "age", "opposite"],
)
def test_a_signal_is_kept_until_it_is_released(closes: list[int], wait_s: int, held: int, latched: str | None) -> None:
    """Scenario 20."""
    script = trending(FALL, rsi_period=5, latch_buy_release=50, rsi_high=60, rsi_low=20).hold(100)
    script.due()
    assert script.stats()["latched"] == "buy_signal"
    after(script, closes).wait(wait_s).hold(held).due()
    assert script.stats()["latched"] == latched


def test_a_kept_signal_outlives_a_restart() -> None:
    script = trending(FALL).hold(100)
    script.due()
    saved = script.strategy.saved()
    assert saved["latch"]["signal"] == "buy_signal"
    script.due()
    assert script.strategy.saved() is saved  # nothing new, nothing to write
    other = relative(sigma=0, **RSI)
    other.strategy.restore(saved, other.view)
    other.view.utc_ns = script.view.utc_ns
    other.hold(100).due()
    assert other.stats()["latched"] == "buy_signal"
    assert other.strategy.saved() == saved


def test_overbought_blocks_buys_but_those_that_close() -> None:
    long, short = trending(RISE, boost_orders=0).hold(100), trending(RISE, boost_orders=0).hold(-60)
    assert [one.side for one in long.quotes()] == [Side.SELL]
    bid, _ = short.quotes()
    assert (bid.size_lots, bid.reduce_only) == (60, True)
    assert [one.side for one in trending(FALL, boost_orders=0).hold(0).quotes()] == [Side.BUY]


def test_in_a_trend_the_quotes_lean_twice_as_much() -> None:
    config = {"trend_filter": "chop", "chop_period": 3, "candle_s": 1, "rsi_low": 0.5, "rsi_high": 99.5}
    script, plain = relative(**config), relative()
    after(script, [MID + 100 * number for number in range(12)]).hold(LIMIT).due()
    plain.hold(LIMIT).due()
    assert script.stats()["regime"] == "trending"
    assert script.stats()["skew_bps"] == pytest.approx(2 * plain.stats()["skew_bps"])
    assert script.stats()["spread_bps"] == pytest.approx(plain.stats()["spread_bps"])


def test_a_volatile_market_has_more_gamma_and_sigma() -> None:
    config = {"trend_filter": "atr", "atr_period": 3, "atr_base": 10, "candle_s": 1, "rsi_low": 0.5, "rsi_high": 99.5}
    script = relative(**config)
    calm = [MID + number % 2 for number in range(20)]
    after(script, [*calm, MID + 3000, MID, MID + 3000]).hold(LIMIT).due()
    assert script.stats()["regime"] == "volatile"
    assert script.stats()["skew_bps"] == pytest.approx(-1.0 * 1.5**3)


def test_candles_of_before_this_life_count_and_only_who_looks_at_candles_wants_them() -> None:
    assert relative().strategy.history_wanted() is None
    model = relative(regime_model_file="m", candle_s=5)
    assert model.strategy.history_wanted() == (5, 200)
    waiting, script = trending([MID]), trending([MID])
    assert script.strategy.history_wanted() == (1, 200)
    script.strategy.take_history([Bar(price, price, price, price) for price in FALL])
    for one in (waiting, script):
        one.due()
    assert (waiting.stats()["trend_reading"], script.stats()["trend_reading"]) == ("waiting", "buy_signal")
    assert script.stats()["regime"] == "buy_signal"


@pytest.mark.parametrize("name", ["off", *FILTERS])
def test_every_filter_can_be_asked_for(name: str) -> None:
    script = after(relative(trend_filter=name, candle_s=1), RISE)
    assert script.quotes()


def test_another_filter_keeps_the_latch() -> None:
    script = trending(FALL).hold(100)
    script.due()
    config = {"order_size": 0.1, "trend_filter": "bollinger"}
    script.strategy.reconfigure(AvellanedaStoikov.params_from(config))
    script.due()
    assert script.stats()["latched"] == "buy_signal"


# The tape


def traded(script: Script, *signed_lots: int, step_ticks: int = 0) -> Script:
    """Let others trade once a second, buys positive, the price going on by a step with each."""
    for number, lots in enumerate(signed_lots):
        side = Side.BUY if lots > 0 else Side.SELL
        print_ = TradePrint("main", MID + number * step_ticks, abs(lots), side, 0, script.wait(1).view.now_ns)
        assert script.hear(print_) == []
    return script


def test_pressure_moves_both_quotes_by_a_part_of_the_half_spread() -> None:
    script = traded(relative(vamp=True, vamp_weight=0.5), 30, -10)
    script.due()
    assert script.stats()["pressure"] == 0.5
    assert script.stats()["skew_bps"] == pytest.approx(0.5 * 0.5 * script.stats()["spread_bps"] / 2)
    script.wait(61).due()
    assert script.stats()["skew_bps"] == 0


def test_a_shift_by_pressure_is_of_the_spread_after_its_bounds() -> None:
    script = traded(relative(vamp=True, max_spread_bps=4), 30, -10)
    script.due()
    assert script.stats()["skew_bps"] == pytest.approx(0.25 * 0.5 * 2)


def test_a_side_that_is_run_over_stays_out_but_for_what_closes() -> None:
    script = traded(relative(vamp=True, vamp_weight=0), 95, -5).hold(0)
    assert [one.side for one in script.quotes()] == [Side.BUY]
    assert [one.reduce_only for one in script.hold(50).quotes()] == [False, True]
    traded(script.hold(0), -90)
    assert [one.side for one in script.quotes()] == [Side.BUY]  # the hold goes on
    assert len(script.wait(5).quotes()) == 2
    assert len(traded(relative(), 95, -5).quotes()) == 2  # off by default


def test_signals_of_volume_candles_do_nothing_until_they_have_weights() -> None:
    loud, plain = {"volume_candle_size": 0.01}, relative(gamma=100)
    silent = traded(relative(gamma=100, **loud), *[10] * 12, step_ticks=50)
    assert silent.prices() == plain.prices()
    assert silent.stats()["volume_signals"]["momentum"] > 0.5
    moved = traded(relative(gamma=100, signal_momentum=0.25, **loud), *[10] * 12, step_ticks=50)
    moved.due()
    assert 0 < moved.stats()["skew_bps"] <= 0.25 * moved.stats()["spread_bps"] / 2
    moved.wait(240).due()
    assert moved.stats()["skew_bps"] == 0  # too old


def test_candles_with_a_wide_range_change_gamma_and_kappa() -> None:
    config = {"volume_candle_size": 0.02, "signal_gamma_volatility": 0.5, "signal_kappa_volatility": 0.3}
    script = traded(relative(**config), *[10] * 30)
    traded(script, *[10] * 12, step_ticks=500)
    script.due()
    assert script.stats()["volume_signals"]["volatility"] > 0.5
    assert script.stats()["spread_bps"] > 20.99  # kappa fell
