"""What configs cost: a thousand in one cold process, one in a warm one, the command, and memory over many validations.

    python benchmarks/bench_registry.py [--quick] [--results FOLDER]

A config is the shipped template of the paper exchange with a fifth of its values in variables. Cold is a new process
from its start, imports and compiled schemas included. Nothing here passes or fails; the targets are in the notes.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.parts import CHECKOUT, MB, CpuWatch, Figure, Result, run_bench, say, spread, temp_folder

TEMPLATE = json.loads((CHECKOUT / "config" / "templates" / "paper_market_maker.json").read_text())
VARIABLES = {"SPREAD": "0.012", "LAYERS": "3", "SIZE": "0.001", "LIMIT": "0.05", "PAIR": "BTC-USDT"}
_MANY = """
import json, os, sys, time
from pathlib import Path
from core.registry.config_manager import load_folder
from utils.home import Home
home = Home(Path(sys.argv[1]))
result = load_folder(home.active, home, os.environ)
assert len(result.configs) == int(sys.argv[2]) and not result.invalid, result.invalid[:1]
print(time.process_time())
"""
_WARM = """
import json, os, sys, time
from array import array
from pathlib import Path
import psutil
from core.registry.config_manager import load_file
from utils.home import Home
home, wall, cpu = Home(Path(sys.argv[1])), array("q"), array("q")
path = next(iter(sorted(home.active.glob("*.json"))))
load_file(path, home, os.environ)
memory = []
for number in range(int(sys.argv[2])):
    if number % (int(sys.argv[2]) // 10) == 0:
        memory.append(psutil.Process().memory_info().rss)
    began, busy = time.perf_counter_ns(), time.process_time_ns()
    load_file(path, home, os.environ)
    wall.append(time.perf_counter_ns() - began)
    cpu.append(time.process_time_ns() - busy)
memory.append(psutil.Process().memory_info().rss)
print(json.dumps({"ns": list(wall), "cpu_ns": list(cpu), "rss": memory}))
"""


def measure(quick: bool) -> Result:
    """Measure all of it."""
    repeats, validations = (1, 1000) if quick else (3, 10_000)
    watch = CpuWatch()
    with temp_folder() as folder:
        many, one = folder / "many", folder / "one"
        write_home(many, 1000)
        write_home(one, 1)
        say("a thousand configs in one cold process ...")
        cold = [run_cold(many, 1000) for _ in range(repeats)]
        say(f"{validations} validations of one config in a warm process ...")
        warm = run_warm(one, validations)
        say("config validate as a command ...")
        command = [run_command(one) for _ in range(3 * repeats)]
    figures = [
        spread("1,000 configs read and validated, one cold process", [wall for wall, _ in cold], "s", "target 2"),
        spread("  processor time of it", [cpu for _, cpu in cold], "s"),
        warm_figure("one config, warm", warm["ns"], "target 3"),
        warm_figure("  processor time of it", warm["cpu_ns"]),
        spread("config validate, one config, as a command", [wall for wall, _ in command], "s", "target 0.4"),
        spread("  processor time of it, in two processes", [cpu for _, cpu in command], "s"),
        Figure(
            f"memory gained from the first tenth to the end of {validations:,} validations",
            round((warm["rss"][-1] - warm["rss"][1]) / MB, 2), "MB", note="target: flat",
        ),
        Figure("processor in use on the whole machine meanwhile, ours included", round(watch.busy_cores(), 2), "cores"),
    ]  # fmt: skip
    return Result(figures, {"rss_bytes": warm["rss"], "cold_s": cold, "command_s": command})


def write_home(root: Path, count: int) -> None:
    """Write a home with that many bots, each with variables."""
    active = root / "config" / "active"
    active.mkdir(parents=True)
    for number in range(count):
        plain = json.loads(json.dumps(TEMPLATE))
        plain["metadata"]["name"] = f"bot-{number}"
        plain["strategy_config"].update(spread_pct="${SPREAD}", layers="${LAYERS}", order_size="${SIZE}")
        plain["strategy_config"]["symbol"] = "${PAIR:-BTC-USDT}"
        plain["risk_config"]["max_position"] = "${LIMIT:?the largest position}"
        (active / f"bot-{number}.json").write_text(json.dumps(plain, indent=2))


def run_cold(home: Path, count: int) -> tuple[float, float]:
    """Return wall and processor time of a new process that loads a whole home."""
    began = time.perf_counter()
    said = _python(["-c", _MANY, str(home), str(count)])
    return time.perf_counter() - began, float(said)


def run_warm(home: Path, count: int) -> dict[str, list[int]]:
    """Return the time of each validation of one config, and the memory at each tenth of them."""
    found: dict[str, list[int]] = json.loads(_python(["-c", _WARM, str(home), str(count)]))
    return found


def run_command(home: Path) -> tuple[float, float]:
    """Return wall and processor time of `config validate` on a home of one bot."""
    began, busy = time.perf_counter(), _children_s()
    _python(["core/daemon_manager.py", "--home", str(home), "config", "validate"])
    return time.perf_counter() - began, _children_s() - busy


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def warm_figure(name: str, times_ns: list[int], note: str = "") -> Figure:
    """Return the distribution of the warm validations."""
    times_ms = sorted(one / 1e6 for one in times_ns)
    p99 = times_ms[int(len(times_ms) * 0.99)]
    value, low, high = statistics.median(times_ms), times_ms[0], times_ms[-1]
    kept = {"low": round(low, 3), "high": round(high, 3), "p99": round(p99, 3)}
    return Figure(name, round(value, 3), "ms", len(times_ms), note=note, **kept)


def _python(arguments: list[str]) -> str:
    environ = {**os.environ, **VARIABLES, "PYTHONPATH": str(CHECKOUT)}
    told = [sys.executable, *arguments]
    return subprocess.run(
        told, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=True, timeout=600
    ).stdout


if __name__ == "__main__":
    raise SystemExit(run_bench("registry", measure))
