"""What the arithmetic of the strategies costs: quotes, estimators, indicators, signals; called as a bot calls them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.parts import Figure, Result, run_bench, spread
from core.market.avellaneda import as_quote, solve_gamma
from core.market.book import Level, OrderBook
from core.market.glft import glft_quote, glft_terms
from core.market.instrument import Instrument
from core.market.ladder import build_side, linear_rungs, slot_names
from core.market.order import Side

LAYERS, MID_TICKS, TICK = 7, 1_000_000.5, Decimal("0.1")
BATCH = 1_000


def measure(quick: bool) -> Result:
    """Measure each part of the arithmetic."""
    result = Result()
    batches = 20 if quick else 100
    for name, job in _jobs().items():
        result.figures.append(time_job(name, job, batches))
    return result


def time_job(name: str, job: Callable[[int], object], batches: int, size: int = BATCH) -> Figure:
    """Return the time of one call, as the median, lowest and highest of batches."""
    found = []
    for _ in range(batches):
        began_ns = time.perf_counter_ns()
        for number in range(size):
            job(number)
        found.append((time.perf_counter_ns() - began_ns) / size / 1_000)
    return spread(name, found, "us", f"batches of {size}")


def _jobs() -> dict[str, Callable[[int], object]]:
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

    return {
        f"A-S quote: reservation price, spread, {LAYERS} layers a side, ticks": as_ticks,
        f"GLFT quote: {LAYERS} layers a side, ticks": glft_ticks,
        "A-S quote to wanted orders: sizes, slots, never through the touch": as_orders,
        "gamma auto: solved anew": lambda number: solve_gamma(1.0, 1e-3, 3.5e6 + number),
    }


if __name__ == "__main__":
    raise SystemExit(run_bench("quant", measure))
