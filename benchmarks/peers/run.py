"""The feed and the rule of the backtest benchmark through other engines and through ours, in one sitting.

    python benchmarks/peers/run.py [--quick]

hftbacktest and nautilus_trader are installed into an environment that is thrown away: this needs the network and about
1 GB of disk. Speeds compare; fills do not, because every engine has its own model of them.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.backtest_feed import generate
from benchmarks.bench_backtest import EVENTS, QUICK_EVENTS, make_span, time_product
from benchmarks.parts import CHECKOUT, Figure, Result, run_bench, say, spread, temp_folder, tidy

PEERS = {"hftbacktest": "hftbacktest==2.4.4", "nautilus_trader": "nautilus_trader==1.221.0"}
_HERE = Path(__file__).resolve().parent


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
            command = _installed(name, pin, folder)
            found = json.loads(_said([*command, str(repeat)]))
            result.details[name] = found
            once = "0" if name == "hftbacktest" else "1"  # beyond its first run, which compiles
            _from_start(pin.replace("==", " "), [*command, once], result)
            for key, what in (("elapsed_s", ""), ("cpu_s", ", by CPU time")):
                speeds = [count / run[key] / 1e6 for run in found["runs"]]
                result.figures.append(spread(f"{pin.replace('==', ' ')}{what}", speeds, "M events/s"))
        say("makerd")
        time_product(span, repeat, result)
        for name in ("engine", "product"):
            command = [
                sys.executable,
                str(CHECKOUT / "benchmarks" / "backtest_process.py"),
                name,
                folder / "feed.events",
            ]
            _from_start(f"makerd, {name}", command, result)
    return result


def _installed(name: str, pin: str, folder: Path) -> list[str]:
    """Install a peer; return the command that runs the rule on it, without how often it is timed beyond the first."""
    python = folder / name / "bin" / "python"
    venv.create(python.parent.parent, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", pin], check=True, stdout=sys.stderr)
    return [str(python), str(_HERE / f"rule_{name}.py"), str(folder / "feed.npy")]


def _said(command: Sequence[str | Path]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def _from_start(name: str, command: Sequence[str | Path], result: Result) -> None:
    """Time a whole process that plays the feed once, the second time: what can be kept of the first is kept."""
    for _ in range(2):
        began = time.perf_counter()
        _said(command)
        took = time.perf_counter() - began
    result.figures.append(Figure(f"{name}: start of Python to printed result", tidy(took), "s"))


if __name__ == "__main__":
    raise SystemExit(run_bench("peers", measure))
