"""What a sweep costs beside its backtests: 64 sets on all cores, against independent processes that share them out.

The independent ones are the least that could be: each starts once and runs its share of the same sets one after the
other, with no table, no file of results, nobody to tell. Both run in turns, and the share is of the medians.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.parts import CHECKOUT, Figure, Result, run_bench, say, spread, temp_folder, tidy
from core.backtest.run import run_backtest
from core.backtest.sweep import Axis, Sweep, run_sweep
from core.process.zygote_link import ONE_THREAD
from utils.home import Home

CONFIG = CHECKOUT / "config" / "templates" / "paper_market_maker.json"
RECORDING = "slice60s_binance_spot_btcusdt_20240808.csv.gz"
WANTED = 95  # per cent


def measure(quick: bool) -> Result:
    """Measure with 64 sets, seven times each; `quick`: 8 sets, once."""
    logging.disable(logging.CRITICAL)
    result, cores, side = Result(), os.cpu_count() or 1, 3 if quick else 8
    values = tuple(0.05 + 0.05 * number for number in range(side))
    axes = (Axis("strategy_config", "spread_pct", values), Axis("exchange_config", "seed", tuple(range(1, side + 1))))
    span = {"files": [RECORDING], "from": None, "to": None, "engine": "auto"}
    sweep = Sweep(json.loads(CONFIG.read_text()), str(CONFIG), axes, span)
    with temp_folder() as folder:
        home = Home(folder / "home")
        home.make_folders()
        alone_s, swept_s = [], []
        for number in range(1 if quick else 7):
            say(f"{side * side} sets on {cores} cores, {number + 1}")
            swept_s.append(_swept(home, sweep, folder / f"{number}.jsonl", cores, result))
            alone_s.append(_independent(home, sweep, cores))
    share = 100 * statistics.median(alone_s) / statistics.median(swept_s)
    result.figures += [
        spread(f"a sweep of {side * side} sets on {cores} cores", swept_s, "s"),
        spread(f"the same sets in {cores} independent processes", alone_s, "s"),
        Figure("speed of the sweep, of that of independent processes", tidy(share), "%", note=f"{WANTED} are wanted"),
    ]
    return result


def _swept(home: Home, sweep: Sweep, path: Path, cores: int, result: Result) -> float:
    began = time.perf_counter()
    _, rows = run_sweep(home, sweep, path, cores, fresh=True, progress=None)
    took = time.perf_counter() - began
    if trouble := [row["error"] for row in rows if "error" in row]:
        raise SystemExit(trouble[0])
    result.details["different_results"] = len({row["result"]["fills_sha256"] for row in rows})
    return took


def _independent(home: Home, sweep: Sweep, cores: int) -> float:
    sets = [sweep.with_set(chosen) for chosen in sweep.sets()]
    began = time.perf_counter()
    running = []
    for core in range(cores):
        task = {"home": str(home.root), "sets": sets[core::cores], "source": sweep.source, "span": dict(sweep.span)}
        command = [sys.executable, __file__, "--share", json.dumps(task)]
        running.append(subprocess.Popen(command, env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")}))
    if any(process.wait() for process in running):
        raise SystemExit("an independent process failed")
    return time.perf_counter() - began


def run_share(task: dict[str, Any]) -> None:
    """Be one of the independent processes."""
    for plain in task["sets"]:
        run_backtest(Home(Path(task["home"])), plain, task["source"], task["span"], None)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--share"]:
        raise SystemExit(run_share(json.loads(sys.argv[2])))
    raise SystemExit(run_bench("sweep", measure))
