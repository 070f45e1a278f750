"""The feed and the rule of the backtest benchmark through other engines and through ours, in one sitting.

    python benchmarks/peers/run.py [--quick]

hftbacktest and nautilus_trader are installed into an environment that is thrown away: this needs the network and about
1 GB of disk. Here speeds are compared; `fills.py` compares fills.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.backtest_feed import generate
from benchmarks.bench_backtest import EVENTS, QUICK_EVENTS, make_span, time_product
from benchmarks.parts import CHECKOUT, Figure, Result, run_bench, say, spread, temp_folder, tidy
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
            play = partial(run_peer, name, f"rule_{name}.py", folder, str(folder / "feed.npy"))
            found = play(str(repeat))
            result.details[name] = found
            once = "0" if name == "hftbacktest" else "1"  # beyond its first run, which compiles
            _from_start(pin.replace("==", " "), partial(play, once), result)
            for key, what in (("elapsed_s", ""), ("cpu_s", ", by CPU time")):
                speeds = [count / run[key] / 1e6 for run in found["runs"]]
                result.figures.append(spread(f"{pin.replace('==', ' ')}{what}", speeds, "M events/s"))
        say("makerd")
        time_product(span, repeat, result)
        for name in ("engine", "product"):
            command = [sys.executable, CHECKOUT / "benchmarks" / "backtest_process.py", name, folder / "feed.events"]
            play_ours = partial(subprocess.run, command, stdout=subprocess.DEVNULL, check=True)
            _from_start(f"makerd, {name}", play_ours, result)
    return result


def _from_start(name: str, play: Callable[[], object], result: Result) -> None:
    """Time a whole process that plays the feed once, the second time: what can be kept of the first is kept."""
    for _ in range(2):
        began = time.perf_counter()
        play()
        took = time.perf_counter() - began
    result.figures.append(Figure(f"{name}: start of Python to printed result", tidy(took), "s"))


if __name__ == "__main__":
    raise SystemExit(run_bench("peers", measure))
