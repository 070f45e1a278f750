"""What no manager that execs can beat: fork and exec of a fresh interpreter until its first beat."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks.parts import say, temp_folder, tidy
from benchmarks.supervisors.beats import Beats
from benchmarks.supervisors.managers import ONE_THREAD, WORKER

PATIENCE_S = 60.0


def exec_floor(count: int) -> dict[str, Any]:
    """Start the worker by itself, `count` times in a row; milliseconds to its first beat."""
    say("no manager at all")
    load, readings = os.getloadavg()[0], []
    for _ in range(count):
        with temp_folder() as folder:
            began_ns = time.monotonic_ns()
            command = [sys.executable, WORKER, "one", str(folder)]
            process = subprocess.Popen(command, env={**os.environ, **ONE_THREAD})
            try:
                readings.append((Beats(folder, ["one"]).all_beat_ns(PATIENCE_S) - began_ns) / 1e6)
            finally:
                process.kill()
                process.wait()
    spread = {"median": statistics.median(readings), "low": min(readings), "high": max(readings)}
    return {"ms": {key: tidy(value) for key, value in spread.items()}, "load_average_before": round(load, 2)}
