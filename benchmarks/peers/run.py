"""The feed and the rule of the backtest benchmark through other engines and through ours, in one sitting.

    python benchmarks/peers/run.py [--quick]

hftbacktest and nautilus_trader are installed into an environment that is thrown away: this needs the network and about
1 GB of disk. Here speeds are compared; `fills.py` compares fills.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.backtest_feed import generate
from benchmarks.bench_backtest import EVENTS, QUICK_EVENTS, make_span, time_product
from benchmarks.parts import Result, run_bench, say, spread, temp_folder
from benchmarks.peers.environment import PEERS, run_peer


def measure(quick: bool) -> Result:
    """Measure each engine by its own clock and by CPU time; `quick`: a tenth of the events."""
    logging.disable(logging.CRITICAL)
    count, repeat, result = QUICK_EVENTS if quick else EVENTS, 1 if quick else 3, Result()
    with temp_folder() as folder:
        say(f"making {count} events")
        span = make_span(folder / "feed.events", count, result)
        np.save(folder / "feed.npy", np.array(generate(count), dtype=np.int64))
        for name, pin in PEERS.items():
            say(name)
            found = run_peer(name, f"rule_{name}.py", folder, str(folder / "feed.npy"), str(repeat))
            result.details[name] = found
            for key, what in (("elapsed_s", ""), ("cpu_s", ", by CPU time")):
                speeds = [count / run[key] / 1e6 for run in found["runs"]]
                result.figures.append(spread(f"{pin.replace('==', ' ')}{what}", speeds, "M events/s"))
        say("makerd")
        time_product(span, repeat, result)
    return result


if __name__ == "__main__":
    raise SystemExit(run_bench("peers", measure))
