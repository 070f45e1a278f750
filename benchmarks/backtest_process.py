"""One backtest of the benchmark's rule in a process of its own, from the start of Python to a printed result.

python benchmarks/backtest_process.py engine|product FILE.events
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from api.event_file import EventSpan, open_events

LATENCY_NS, STEP_NS = 5_000_000, 100_000_000


def engine(span: EventSpan) -> dict[str, Any]:
    """Play all by the compiled rule."""
    from benchmarks.backtest_engine import fresh, run_rule
    from benchmarks.backtest_rule import HALF_TICKS, MAX_LOTS, SIZE_LOTS

    found = run_rule(span.rows, *fresh(span.rows, 0, 3.0), STEP_NS, LATENCY_NS, HALF_TICKS, SIZE_LOTS, MAX_LOTS, False)
    return {"fills": int(found[2]), "position": int(found[4])}


def product(span: EventSpan) -> dict[str, Any]:
    """Play all by the whole loop with the rule as a strategy."""
    from benchmarks.backtest_rule import TouchMaker, config_of
    from core.backtest.run import Backtest

    logging.disable(logging.CRITICAL)
    config = config_of(latency_ms=LATENCY_NS / 1e6)
    return Backtest(config, [span], strategy=TouchMaker(None)).run().to_plain()


if __name__ == "__main__":
    file = open_events(Path(sys.argv[2]))
    played = {"engine": engine, "product": product}[sys.argv[1]](EventSpan(file.market, file.rows, 0))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(played | {"events": len(file.rows), "peak_mb": peak_mb}))
