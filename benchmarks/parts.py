"""What every benchmark shares: figures, statistics, facts about the machine, results on disk, a clean end.

A benchmark is a function `measure(quick) -> Result` and a call of `run_bench`. Nothing in here passes or fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

CHECKOUT = Path(__file__).resolve().parent.parent
RESULTS = CHECKOUT / "benchmarks" / "results"
NS_PER_US, NS_PER_MS, NS_PER_S = 1_000, 1_000_000, 1_000_000_000
MB = 2**20


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a result; of a distribution `value` is the median, and the rest says how it is spread."""

    name: str
    value: float | int | str | None
    unit: str
    count: int | None = None
    low: float | None = None
    high: float | None = None
    p99: float | None = None
    note: str = ""


@dataclass(slots=True)
class Result:
    """What one benchmark found; `details` are raw readings, `skipped` says in one line why there are none."""

    figures: list[Figure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    skipped: str | None = None


def spread(name: str, values: Sequence[float], unit: str, note: str = "") -> Figure:
    """Return median, lowest and highest of a few readings."""
    if not values:
        return Figure(name, None, unit, 0, note=note)
    return Figure(
        name, tidy(statistics.median(values)), unit, len(values), tidy(min(values)), tidy(max(values)), None, note
    )


def distribution(name: str, values_ns: Sequence[int], note: str = "") -> Figure:
    """Return p50 and p99 in microseconds of many readings in nanoseconds."""
    if not values_ns:
        return Figure(name, None, "us", 0, note=note)
    ordered = sorted(values_ns)
    p50, p99 = (tidy(percentile(ordered, share) / NS_PER_US) for share in (0.50, 0.99))
    return Figure(name, p50, "us", len(ordered), None, tidy(ordered[-1] / NS_PER_US), p99, note)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the sorted readings lie, by nearest rank."""
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def tidy(value: float) -> float:
    """Return the value with four significant digits: more would be noise."""
    return float(f"{value:.4g}")


def timer_cost_ns() -> int:
    """Return what reading the clock before and after something costs; it is inside every timed figure."""
    clock = time.perf_counter_ns
    return int(statistics.median(-clock() + clock() for _ in range(10_001)))


def machine_facts() -> dict[str, Any]:
    """Return what the figures depend on; no host name, no path."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_mb": psutil.virtual_memory().total // MB,
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "temp_file_system": _file_system(Path(tempfile.gettempdir())),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _file_system(folder: Path) -> str:
    mounts = [(Path(part.mountpoint), part.fstype) for part in psutil.disk_partitions(all=True)]
    within = [(len(mount.parts), kind) for mount, kind in mounts if folder.resolve().is_relative_to(mount)]
    return max(within, default=(0, "unknown"))[1]


def revision() -> str | None:
    """Return the commit that was measured, with `-dirty` when files differ from it; None without one."""
    told = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(told, capture_output=True, text=True, check=True, timeout=20).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


class CpuWatch:
    """CPU time spent on the whole machine since it was made: who else was busy belongs to a figure."""

    def __init__(self) -> None:
        self._began_s, self._busy_s = time.monotonic(), _busy_s()

    def busy_cores(self) -> float:
        """Return how many cores were busy on average, everybody included."""
        return (_busy_s() - self._busy_s) / max(1e-9, time.monotonic() - self._began_s)


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


@contextmanager
def temp_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="makerd-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def say(text: str) -> None:
    """Tell how far a benchmark is, on stderr."""
    print(f"  {text}", file=sys.stderr, flush=True)


def leave_on_term() -> None:
    """Turn TERM into an exception, so that what was started is ended."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def run_bench(name: str, measure: Callable[[bool], Result], arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark as a command: measure, write its result, print its table."""
    parser = argparse.ArgumentParser(prog=f"bench_{name}.py")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the figures are written to")
    given = parser.parse_args(arguments)
    leave_on_term()
    load, began_s = os.getloadavg()[0], time.monotonic()
    result = measure(given.quick)
    script = Path(sys.argv[0]).resolve()
    command = f"python {script.relative_to(CHECKOUT)}" + (" --quick" if given.quick else "")
    write_result(given.results / f"{name}.json", describe(name, command, given.quick, load, began_s), result)
    print(table(name, result))
    return 0


def describe(name: str, command: str, quick: bool, load_before: float, began_s: float) -> dict[str, Any]:
    """Return what a result file says about its making; `began_s` is of the monotonic clock."""
    return {
        "name": name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command,
        "quick": quick,
        "revision": revision(),
        "took_s": round(time.monotonic() - began_s, 1),
        "machine": {**machine_facts(), "load_average_before": round(load_before, 2)},
    }


def write_result(path: Path, about: dict[str, Any], result: Result) -> None:
    """Write a result as JSON: what it is about, its figures, its raw readings."""
    figures = [_plain(figure) for figure in result.figures]
    content = {**about, "skipped": result.skipped, "figures": figures, "details": result.details}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def _plain(figure: Figure) -> dict[str, Any]:
    """Return a figure without the fields that say nothing; a value that could not be measured stays, as null."""
    kept = ("name", "value", "unit")
    return {key: value for key, value in asdict(figure).items() if key in kept or value not in (None, "")}


def read_result(path: Path) -> Result:
    """Read back what `write_result` wrote."""
    content = json.loads(path.read_text())
    return Result([Figure(**plain) for plain in content["figures"]], content["details"], content["skipped"])


def table(name: str, result: Result) -> str:
    """Return the figures as lines for people."""
    if result.skipped:
        return f"{name}: skipped: {result.skipped}"
    lines = [f"{name}"]
    for figure in result.figures:
        value = "-" if figure.value is None else str(figure.value)
        lines.append(f"  {figure.name:<72} {value:>8} {figure.unit:<8} {_spread_text(figure)}".rstrip())
    return "\n".join(lines)


def _spread_text(figure: Figure) -> str:
    parts = []
    if figure.p99 is not None:
        parts.append(f"p99 {figure.p99}, most {figure.high}")
    elif figure.low is not None:
        parts.append(f"{figure.low} .. {figure.high}")
    if figure.count is not None:
        parts.append(f"n={figure.count}")
    if figure.note:
        parts.append(figure.note)
    return "; ".join(parts)
