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
import venv
from pathlib import Path
from typing import Any

import numpy as np

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.backtest_feed import generate
from benchmarks.bench_backtest import EVENTS, QUICK_EVENTS, make_span, time_product
from benchmarks.parts import Result, run_bench, say, spread, temp_folder

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
            found = _run_peer(name, pin, folder, repeat)
            result.details[name] = found
            for key, what in (("elapsed_s", ""), ("cpu_s", ", by CPU time")):
                speeds = [count / run[key] / 1e6 for run in found["runs"]]
                result.figures.append(spread(f"{pin.replace('==', ' ')}{what}", speeds, "M events/s"))
        say("makerd")
        time_product(span, repeat, result)
    return result


def _run_peer(name: str, pin: str, folder: Path, repeat: int) -> dict[str, Any]:
    """Install a peer and run the rule on it; return its versions and runs, the warm-up left out."""
    python = folder / name / "bin" / "python"
    venv.create(python.parent.parent, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", pin], check=True, stdout=sys.stderr)
    command = [python, str(_HERE / f"rule_{name}.py"), str(folder / "feed.npy"), str(repeat)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    raise SystemExit(run_bench("peers", measure))
