"""How fast a backtest is: the engine alone, the product as shipped, from the start of Python to a result, loading.

The market is made from a seed (`backtest_feed.py`); the rule is one order a side, two ticks from the mid, moved every
100 ms (`backtest_rule.py` for the product, `backtest_engine.py` compiled). Needs requirements-backtest.txt.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from api.event_file import EventSpan, EventWriter, open_events
from benchmarks.backtest_feed import MARKET, as_events, check_sum, generate
from benchmarks.backtest_rule import HALF_TICKS, MAX_LOTS, SIZE_LOTS, STEP_S, TouchMaker, config_of
from benchmarks.parts import CHECKOUT, Figure, Result, run_bench, say, spread, temp_folder, tidy
from core.backtest.run import Backtest

EVENTS, QUICK_EVENTS = 1_000_000, 100_000
CHECK_SUM = 3621067557  # of 1,000,000 events and seed 7
# hftbacktest 2.4.4 on the same feed and rule (risk-averse queue, no partial fills, 5 ms each way), its exchange on the
# local clock of the feed, as our recorder is: the same to the last digit.
PEER = {"decisions": 8569, "orders": 7028, "fills": 2160, "lots": 10_800, "position": 40, "cash": -23_988_275}
MANY = 10_000_000
LATENCY_MS = 5.0
_CONFIG = "config/templates/paper_market_maker.json"
_RECORDING = "slice60s_binance_spot_btcusdt_20240808.csv.gz"


def measure(quick: bool) -> Result:
    """Measure on made-up events; `quick`: a tenth of them, once."""
    if importlib.util.find_spec("numba") is None:
        return Result(skipped="numba is not installed (requirements-backtest.txt)")
    logging.disable(logging.CRITICAL)
    result = Result()
    count, repeat = (QUICK_EVENTS, 1) if quick else (EVENTS, 5)
    with temp_folder() as folder:
        say(f"making {count} events")
        span = make_span(folder / "feed.events", count, result)
        _engine(span, repeat, result)
        time_product(span, 1 if quick else 3, result)
        _from_start(result)
        _load(folder, span, QUICK_EVENTS if quick else MANY, result)
        _memory(folder / "many.events", result)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result.figures.append(Figure("peak memory of the benchmark", tidy(peak), "MB"))
    return result


def make_span(path: Path, count: int, result: Result) -> EventSpan:
    """Make the events of the benchmark and return them."""
    made = generate(count)
    total = check_sum(made)
    result.details["check_sum"] = total
    if count == EVENTS and total != CHECK_SUM:
        raise SystemExit(f"the generator makes other events than it did: {total}, expected {CHECK_SUM}")
    writer = EventWriter(path, MARKET, "made from a seed")
    writer.write(as_events(made))
    writer.finish()
    file = open_events(path)
    return EventSpan(file.market, file.rows, 0)


def _engine(span: EventSpan, repeat: int, result: Result) -> None:
    from benchmarks.backtest_engine import fresh, run_rule

    names = ("decisions", "orders", "fills", "lots", "position", "cash")
    times = round(STEP_S * 1e9), round(LATENCY_MS * 1e6)

    def once(whole: bool = False) -> float:
        arrays = fresh(span.rows, 0, 3.0)
        began = time.perf_counter()
        found = run_rule(span.rows, *arrays, *times, HALF_TICKS, SIZE_LOTS, MAX_LOTS, whole)
        took = time.perf_counter() - began
        result.details["engine, whole fills" if whole else "engine"] = dict(zip(names, map(int, found), strict=True))
        return took

    result.figures.append(Figure("engine alone: first run, with what is compiled", tidy(once()), "s"))
    once(whole=True)
    found = result.details["engine, whole fills"]
    if len(span.rows) > EVENTS and found != PEER:
        raise SystemExit(f"with whole fills the engine has {found}, hftbacktest has {PEER}")
    speeds = [len(span.rows) / once() / 1e6 for _ in range(repeat)]
    result.figures.append(spread("engine alone: compiled rule, warm", speeds, "M events/s"))


def time_product(span: EventSpan, repeat: int, result: Result) -> None:
    """Time the whole loop with the rule as a strategy; by the clock, and by the CPU time of this process."""

    def once() -> dict[str, Any]:
        began = time.process_time()
        plain = Backtest(config_of(latency_ms=LATENCY_MS), [span], strategy=TouchMaker(None)).run().to_plain()
        return plain | {"cpu_s": time.process_time() - began}

    once()
    runs = [once() for _ in range(repeat)]
    if len({run["fills_sha256"] for run in runs}) != 1:
        raise SystemExit("two runs had other fills")
    result.details["product"] = runs[-1]
    result.figures.append(spread("product: whole loop", [run["events_per_s"] / 1e6 for run in runs], "M events/s"))
    by_cpu = [run["events"] / run["cpu_s"] / 1e6 for run in runs]
    result.figures.append(spread("product: whole loop, by CPU time", by_cpu, "M events/s"))
    per_step = [run["elapsed_s"] / run["steps"] * 1e6 for run in runs]
    result.figures.append(spread("product: one step of the loop", per_step, "us", note=f"{runs[-1]['steps']} steps"))


def _from_start(result: Result) -> None:
    """Time a process from its start to its printed result, the second time: what is compiled is kept."""
    with temp_folder() as home:
        command = [sys.executable, "run.py", "backtest", _CONFIG, "--home", str(home), "--data", _RECORDING, "--json"]
        for _ in range(2):
            began = time.perf_counter()
            done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
            took = time.perf_counter() - began
    result.details["from_start"] = json.loads(done.stdout)
    result.figures.append(Figure("start of Python to result, 60 s recording", tidy(took), "s"))


def _load(folder: Path, span: EventSpan, count: int, result: Result) -> None:
    path = folder / "many.events"
    writer = EventWriter(path, MARKET)
    while count > 0:
        writer.write(span.rows[:count])
        count -= len(span.rows)
    rows = writer.finish()
    began = time.perf_counter()
    file = open_events(path)
    took = time.perf_counter() - began
    note = f"{rows} rows, {path.stat().st_size / 2**20:.0f} MiB"
    result.figures.append(Figure("open an event file", tidy(took * 1000), "ms", note=note))
    began = time.perf_counter()
    total = int(file.rows["size_lots"].sum())
    took = time.perf_counter() - began
    result.figures.append(Figure("read every row of it once", tidy(took * 1000), "ms", note=f"sum {total}"))


def _memory(path: Path, result: Result) -> None:
    """Play a long file by the product in a process of its own, and look at the most memory that it had."""
    command = [sys.executable, str(Path(__file__).with_name("backtest_process.py")), "product", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    note = f"{found['events']} events, the mapped file with it"
    result.figures.append(Figure("product: most memory of a run", tidy(found["peak_mb"]), "MB", note=note))


if __name__ == "__main__":
    raise SystemExit(run_bench("backtest", measure))
