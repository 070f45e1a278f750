"""Pressure of the tape, volume candles and their signals: the golden numbers and the laws."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.market.avellaneda import ModelQuote
from core.market.order import Side
from core.market.order_flow import AggressorRule, FlowPressure, ToxicFlow, pressed_reservation
from core.market.volume_candles import VolumeCandle, VolumeCandles
from core.market.volume_signals import (
    NEUTRAL,
    PROPOSED,
    SignalWeights,
    VolumeSignals,
    aged,
    gamma_factor,
    kappa_factor,
    shifted,
    volume_signals,
)
from tests.golden_parts import golden, golden_rows
from tests.market_parts import sides

SECOND = 10**9
SIGNALS = golden("volume_signals")
TRADES = golden_rows("volume_trades")
LOTS = 10_000  # in a unit of base, of the golden trades
QUOTE = ModelQuote(99.0, 101.0, 100.0, 2.0)

trade_lists = st.lists(st.tuples(st.integers(90, 110), st.integers(1, 60), sides), max_size=60)
signal_values = st.builds(
    VolumeSignals, st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(-9, 9)
)


def played(trades: list[tuple[float, int, Side]], threshold: int = 20, keep: int = 100) -> VolumeCandles:
    candles = VolumeCandles(threshold, keep)
    for number, (price, lots, side) in enumerate(trades):
        candles.update(number, price, lots, side)
    return candles


# pressure


@pytest.mark.parametrize("row", golden("book_prices")["pressure"])
def test_golden_pressure_is_met(row: dict[str, Any]) -> None:
    pressure = FlowPressure()
    for trade in row["trades"]:
        pressure.update(0, round(trade["qty"] * 2), Side(trade["aggressor"]))
    assert pressure.value(0) == pytest.approx(row["ratio"], abs=1e-12)


@given(trade_lists, st.integers(1, 10), st.integers(1, 1000))
def test_pressure_is_that_of_the_window_whatever_went_before(
    trades: list[tuple[int, int, Side]], window: int, scale: int
) -> None:
    one, mirrored, scaled = FlowPressure(window, 20.0), FlowPressure(window, 20.0), FlowPressure(window, 20.0)
    for number, (_, lots, side) in enumerate(trades):
        one.update(number * SECOND, lots, side)
        mirrored.update(number * SECOND, lots, side.opposite)
        scaled.update(number * SECOND, lots * scale, side)
    now_ns = len(trades) * SECOND
    recent = [(lots, side) for at, (_, lots, side) in enumerate(trades) if at >= len(trades) - 20][-window:]
    net = sum(side.sign * lots for lots, side in recent)
    expected = net / sum(lots for lots, _ in recent) if recent else 0.0
    assert one.value(now_ns) == expected == -mirrored.value(now_ns) == scaled.value(now_ns)


def test_an_expired_window_moves_nothing() -> None:
    pressure = FlowPressure(50, 60.0)
    pressure.update(0, 5, Side.BUY)
    assert pressure.value(60 * SECOND) == 1.0
    assert pressed_reservation(100.0, pressure.value(60 * SECOND + 1), 2.0) == 100.0


@given(st.floats(-1, 1), st.floats(0, 50), st.floats(0, 1))
def test_pressure_moves_the_reservation_price_by_its_share_at_most(
    pressure: float, spread: float, weight: float
) -> None:
    moved = pressed_reservation(100.0, pressure, spread, weight)
    assert abs(moved - 100) <= weight * spread / 2 + 1e-9


def test_a_print_at_the_mid_is_of_who_moved_the_price_last() -> None:
    rule = AggressorRule()
    assert rule.aggressor(100.0, 100.0) is None
    assert rule.aggressor(101.0, 100.0) is Side.BUY
    assert rule.aggressor(99.0, 100.0) is Side.SELL
    assert rule.aggressor(99.5, 99.5) is Side.BUY
    assert rule.aggressor(99.5, 99.5) is Side.BUY
    assert rule.aggressor(99.0, 99.0) is Side.SELL


def test_one_sided_flow_keeps_the_side_that_it_runs_over_out_for_a_while() -> None:
    toxic = ToxicFlow().step(0, 0.81)
    assert toxic.blocks(Side.SELL, 5 * SECOND - 1)
    assert not toxic.blocks(Side.SELL, 5 * SECOND)
    assert not toxic.blocks(Side.BUY, 0)
    assert ToxicFlow().step(0, -0.81).blocks(Side.BUY, 1)
    assert ToxicFlow().step(0, 0.8) == ToxicFlow()


# candles


def test_golden_candles_and_signals_are_met() -> None:
    candles, expected = VolumeCandles(round(SIGNALS["threshold"] * LOTS), SIGNALS["max_candles"]), SIGNALS["snapshots"]
    by_trade = {one["after_trade"]: one for one in expected}
    for number, row in enumerate(TRADES):
        candles.update(number, float(row["price"]), int(Fraction(row["qty"]) * LOTS), Side(row["aggressor"]))
        if (wanted := by_trade.pop(number, None)) is None:
            continue
        last = candles.candles[-1]
        assert len(candles.candles) == wanted["closed"]
        assert (last.open, last.high, last.low, last.close) == tuple(wanted["candle"][name] for name in "ohlc")
        assert last.buy_lots / LOTS == pytest.approx(wanted["candle"]["buy"], abs=1e-9)
        assert last.sell_lots / LOTS == pytest.approx(wanted["candle"]["sell"], abs=1e-9)
        assert candles.vpin(20) == pytest.approx(wanted["vpin20"], abs=1e-9)
        signals = volume_signals(candles.candles, SIGNALS["n"], SIGNALS["m"])
        for name in VolumeSignals._fields:
            assert getattr(signals, name) == pytest.approx(wanted[name], abs=1e-9), (number, name)
    assert by_trade == {}


@given(trade_lists, st.integers(1, 50))
def test_candles_hold_exactly_their_volume_and_nothing_is_lost(
    trades: list[tuple[int, int, Side]], threshold: int
) -> None:
    candles = played(trades, threshold, 10_000)
    for one in candles.candles:
        assert one.buy_lots + one.sell_lots == threshold
        assert one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high
    rest = candles.open_candle
    left = rest.buy_lots + rest.sell_lots if rest else 0
    assert candles.closed * threshold + left == sum(lots for _, lots, _ in trades)


@given(trade_lists, st.integers(1, 50))
def test_a_trade_in_parts_gives_the_same_candles(trades: list[tuple[int, int, Side]], threshold: int) -> None:
    whole, parts = VolumeCandles(threshold), VolumeCandles(threshold)
    for number, (price, lots, side) in enumerate(trades):
        whole.update(number, price, lots, side)
        for part in (lots // 3, lots - lots // 3):
            parts.update(number, price, part, side)
    assert (whole.candles, whole.open_candle, whole.closed) == (parts.candles, parts.open_candle, parts.closed)


def test_a_trade_of_a_billion_candles_is_counted_and_the_last_are_kept() -> None:
    candles = VolumeCandles(1, 10)
    assert candles.update(0, 100.0, 10**9, Side.BUY) == 10**9
    assert list(candles.candles) == [VolumeCandle(100.0, 100.0, 100.0, 100.0, 1, 0, 0, 0)] * 10


@given(trade_lists)
def test_share_of_one_sided_volume_is_a_share(trades: list[tuple[int, int, Side]]) -> None:
    vpin = played(trades).vpin(20)
    assert vpin is None or 0 <= vpin <= 1


# signals


@given(trade_lists)
def test_signals_are_in_their_ranges(trades: list[tuple[int, int, Side]]) -> None:
    signals = volume_signals(played(trades).candles)
    assert -1 <= signals.momentum <= 1
    assert all(0 <= one <= 1 for one in (signals.reversal, signals.volatility, signals.exhaustion))


@given(trade_lists)
def test_the_mirrored_market_negates_momentum_and_leaves_the_rest(trades: list[tuple[int, int, Side]]) -> None:
    one = volume_signals(played(trades).candles)
    other = volume_signals(played([(10_000 / price, lots, side.opposite) for price, lots, side in trades]).candles)
    assume(abs(one.z) > 1e-9)
    assert other.momentum == pytest.approx(-one.momentum, abs=1e-9)
    assert (other.reversal, other.volatility, other.exhaustion) == pytest.approx(
        (one.reversal, one.volatility, one.exhaustion), abs=1e-9
    )


@given(trade_lists, st.integers(2, 50), st.floats(0.01, 100))
def test_signals_do_not_hang_on_units(trades: list[tuple[int, int, Side]], lots: int, price: float) -> None:
    one = volume_signals(played(trades).candles)
    other = volume_signals(played([(at * price, size * lots, side) for at, size, side in trades], 20 * lots).candles)
    assert other == pytest.approx(one, abs=1e-7)


def test_a_steady_move_with_steady_flow_is_no_reversal_and_fading_flow_is_exhaustion() -> None:
    steady = played([(100 * 1.001**number, 20, Side.BUY) for number in range(60)])
    assert volume_signals(steady.candles).reversal == 0
    fading = [(100 * 1.001**number, 20, Side.BUY) for number in range(60)]
    for number, bought in zip(range(60, 65), (20, 16, 12, 8, 4), strict=True):
        price = 100 * 1.001**number
        fading += [(price, bought, Side.BUY), (price, 20 - bought, Side.SELL)]
    assert volume_signals(played(fading).candles).exhaustion > 0


def test_too_few_candles_are_neutral() -> None:
    assert volume_signals(played([(100.0, 20, Side.BUY)] * 5).candles) == NEUTRAL


# effects


@given(signal_values, st.floats(0, 5))
def test_effects_are_bounded(signals: VolumeSignals, weight: float) -> None:
    weights = SignalWeights(weight, weight, weight, weight, weight)
    assert 0.5 <= gamma_factor(signals, weights) <= 2
    assert 0.5 <= kappa_factor(signals, weights) <= 1.5
    moved = shifted(QUOTE, signals, weights)
    assert abs(moved.reservation - QUOTE.reservation) <= QUOTE.spread / 4 + 1e-9
    assert moved.ask - moved.bid == pytest.approx(QUOTE.spread)


@pytest.mark.parametrize("weights", [PROPOSED, SignalWeights()])
def test_neutral_signals_and_no_weight_change_nothing(weights: SignalWeights) -> None:
    signals = NEUTRAL if weights == PROPOSED else VolumeSignals(0.7, 0.5, 0.9, 0.3, 2.0)
    assert gamma_factor(signals, weights) == kappa_factor(signals, weights) == 1
    assert shifted(QUOTE, signals, weights) == QUOTE


def test_old_signals_fade_to_neutral() -> None:
    signals = VolumeSignals(0.8, 0.4, 0.9, 0.2, 2.0)
    assert aged(signals, 120, 120) == signals
    assert aged(signals, 180, 120) == pytest.approx((0.4, 0.2, 0.7, 0.1, 1.0))
    assert aged(signals, 240, 120) == aged(signals, 9999, 120) == NEUTRAL
