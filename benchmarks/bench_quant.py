"""What the arithmetic of the strategies costs: quotes, estimators, indicators, signals; called as a bot calls them."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.parts import CHECKOUT, NS_PER_S, Figure, Result, run_bench, spread
from core.market.avellaneda import as_quote, solve_gamma
from core.market.bars import Bar
from core.market.book import Level, OrderBook
from core.market.garch import fit_garch
from core.market.glft import glft_quote, glft_terms
from core.market.indicators import Adx, Atr, Bollinger, Choppiness, Ema, Rsi
from core.market.instrument import Instrument
from core.market.intensity import IntensityEstimator, IntensitySettings
from core.market.ladder import build_side, linear_rungs, slot_names
from core.market.order import Side
from core.market.order_flow import FlowPressure
from core.market.queue_position import POWER3, after_level
from core.market.regime_model import RegimeModel
from core.market.sigma_sampler import SigmaSampler, SigmaSettings
from core.market.tuner import Tuner, TunerSettings
from core.market.volatility import EwmaVolatility, ParkinsonVolatility, RealisedVolatility, YangZhangVolatility
from core.market.volume_candles import VolumeCandles
from core.market.volume_signals import volume_signals

Job = Callable[[int], object]

LAYERS, MID_TICKS, TICK = 7, 1_000_000.5, Decimal("0.1")
BATCH = 1_000
REGIME = CHECKOUT / "tests" / "golden" / "quant" / "regime.json"


def measure(quick: bool) -> Result:
    """Measure each part of the arithmetic."""
    result = Result()
    batches = 20 if quick else 100
    for name, job in _jobs().items():
        result.figures.append(time_job(name, job, batches))
    result.figures += _garch(quick)
    return result


def time_job(name: str, job: Job, batches: int, size: int = BATCH) -> Figure:
    """Return the processor time of one call, as the median, lowest and highest of batches."""
    found = []
    for _ in range(batches):
        began_ns = time.thread_time_ns()  # processor time: who else is busy is no cost of ours
        for number in range(size):
            job(number)
        found.append((time.thread_time_ns() - began_ns) / size / 1_000)
    return spread(name, found, "us", f"batches of {size}")


def _jobs() -> dict[str, Job]:
    instrument = Instrument("BTC-PERP", "BTC-PERP", "perp", "BTC", "USDC", TICK, Decimal("0.001"))
    rungs = linear_rungs(LAYERS, 0.0, 0.0012)
    book = OrderBook((Level(1_000_000, 5),), (Level(1_000_001, 5),))
    sizes, slots = [20] * LAYERS, [slot_names(side, LAYERS) for side in (Side.BUY, Side.SELL)]
    snap = instrument.snap_rungs
    terms = glft_terms(1e-6, 1e-3, 1.5, 80.0)

    def as_ticks(number: int) -> object:
        quote = as_quote(MID_TICKS + number, 0.3, 1e-6, 1e-3, 31.0, 3600.0)
        return snap(quote.bid, rungs, Side.BUY), snap(quote.ask, rungs, Side.SELL)

    def glft_ticks(number: int) -> object:
        quote = glft_quote(MID_TICKS + number, 0.3, terms)
        return snap(quote.bid, rungs, Side.BUY), snap(quote.ask, rungs, Side.SELL)

    def as_orders(number: int) -> object:
        quote = as_quote(MID_TICKS + number, 0.3, 1e-6, 1e-3, 31.0, 3600.0)
        return (
            build_side(Side.BUY, quote.bid, rungs, sizes, slots[0], book, instrument),
            build_side(Side.SELL, quote.ask, rungs, sizes, slots[1], book, instrument),
        )

    return _quotes(as_ticks, glft_ticks, as_orders) | _estimators() | _signals()


def _quotes(as_ticks: Job, glft_ticks: Job, as_orders: Job) -> dict[str, Job]:
    return {
        f"A-S quote: reservation price, spread, {LAYERS} layers a side, ticks": as_ticks,
        f"GLFT quote: {LAYERS} layers a side, ticks": glft_ticks,
        "A-S quote to wanted orders: sizes, slots, never through the touch": as_orders,
        "gamma auto: solved anew": lambda number: solve_gamma(1.0, 1e-3, 3.5e6 + number),
    }


def _estimators() -> dict[str, Job]:
    dice = np.random.default_rng(1)
    closes = (100 * np.exp(np.cumsum(dice.normal(0, 1e-4, BATCH)))).tolist()
    bars = [Bar(close, close * 1.0001, close * 0.9999, close) for close in closes]
    depths = dice.exponential(1.0, 4 * BATCH).tolist()
    sampler, intensity = SigmaSampler(SigmaSettings()), IntensityEstimator(IntensitySettings(window_s=2000.0))
    for number, depth in enumerate(depths):
        intensity.update(number * NS_PER_S // 2, depth)

    def sample(number: int) -> object:
        sampler.update(sampler_step() * NS_PER_S, closes[number])
        return sampler.value

    sampler_step = itertools.count().__next__
    jobs: dict[str, Job] = {"sigma from the mid: a sample and the value, window of 200": sample}
    for name, made in {
        "EWMA": EwmaVolatility(),
        "realised": RealisedVolatility(20),
        "Parkinson": ParkinsonVolatility(20),
        "Yang-Zhang": YangZhangVolatility(20),
    }.items():
        jobs[f"volatility, {name}: a bar and the value"] = _fed(made, bars)
    jobs["intensity: a burst"] = lambda number: intensity.update(2000 * NS_PER_S + number, depths[number])
    return jobs


def _fed(made: Any, bars: list[Bar]) -> Job:
    def feed(number: int) -> object:
        made.update(bars[number])
        return made.value

    return feed


def _signals() -> dict[str, Job]:
    dice = np.random.default_rng(2)
    closes = (100 * np.exp(np.cumsum(dice.normal(0, 1e-4, BATCH)))).tolist()
    bars = [Bar(close, close * 1.0001, close * 0.9999, close) for close in closes]
    kinds = {
        "Bollinger": Bollinger(),
        "RSI": Rsi(),
        "ATR": Atr(),
        "ADX": Adx(),
        "choppiness": Choppiness(),
        "EMA": Ema(20),
    }
    jobs = {f"indicator, {name}: a bar and the value": _fed(made, bars) for name, made in kinds.items()}
    candles, pressure = VolumeCandles(20), FlowPressure()
    sides = [Side.BUY if one < 0.5 else Side.SELL for one in dice.random(BATCH)]

    def trade(number: int) -> object:
        return candles.update(number, closes[number], 7, sides[number])

    def press(number: int) -> object:
        pressure.update(number, 7, sides[number])
        return pressure.value(number)

    model = RegimeModel.from_plain(json.loads(REGIME.read_text())["model"])
    tuner = Tuner(TunerSettings(0.1, 1.5), profits=tuple(closes[:50]))
    return {
        **jobs,
        "VAMP: a trade and the pressure": press,
        "volume candles: a trade": trade,
        "volume signals of 51 candles": lambda number: volume_signals(candles.candles),
        "regime: probabilities of a point": lambda number: model.probabilities((0.1, 1.0, 0.3 + number * 1e-6)),
        "tuner: a round trip": lambda number: tuner.after_trip(closes[number]),
        "queue position: a change of the level": lambda number: after_level(40.0, 0.0, 60.0, 40.0, POWER3, 3.0),
    }


def _garch(quick: bool) -> list[Figure]:
    dice = np.random.default_rng(3)
    figures = []
    for count in (2_000, 14_400):
        returns, variance, found = dice.standard_normal(count), 1.0, []
        for shock in returns.tolist():
            found.append(shock * variance**0.5)
            variance = 0.02 + 0.08 * found[-1] ** 2 + 0.9 * variance
        name = f"GARCH(1,1): a fit of {count:,} returns"
        series = np.array(found)
        times = []
        for _ in range(5 if quick else 20):
            began_ns = time.thread_time_ns()
            fit_garch(series)
            times.append((time.thread_time_ns() - began_ns) / 1e6)
        figures.append(spread(name, times, "ms"))
    return figures


if __name__ == "__main__":
    raise SystemExit(run_bench("quant", measure))
