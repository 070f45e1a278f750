"""A hedged pair that quotes."""

from __future__ import annotations

from pathlib import Path

from tests.trading.hedge_bench import HedgeBench

REJECT = "reject: insufficient margin"


def quoting(folder: Path, **keys: object) -> HedgeBench:
    """Return a bench whose bot quotes both sides."""
    bench = HedgeBench(folder, **keys)  # type: ignore[arg-type]
    bench.run(1)
    assert set(bench.maker.resting) == {"buy.0", "sell.0"}
    return bench
