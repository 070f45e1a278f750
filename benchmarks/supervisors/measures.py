"""What is measured of a manager that runs: each a function that returns plain figures."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.parts import CpuWatch, tidy
from benchmarks.supervisors.managers import Manager
from benchmarks.supervisors.processes import cpu_s, is_alive, pss_mb, wait_until

READY_PATIENCE_S = 300.0
SUCCESSOR_PATIENCE_S = 60.0
STOP_PATIENCE_S = 120.0
STUCK_PATIENCE_S = 10.0
SETTLE_S = 2.5  # after a start, before anything is weighed
PHASE_S = 1.0  # a kill comes at a random moment within this, so that nobody's poll is met in step


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done for a figure."""

    kills: int = 20
    between_kills_s: float = 1.2  # beyond every "died too young" rule of the peers
    idle_s: float = 30.0
    orphan_s: float = 5.0
    relaunch_s: float = 10.0


QUICK = Effort(5, 1.2, 5.0, 3.0, 6.0)


def measure_start(manager: Manager) -> dict[str, Any]:
    """Launch it; the time until the last worker's first sign of life, in seconds."""
    began_ns = time.monotonic_ns()
    manager.launch()
    last_ns = manager.beats.all_beat_ns(READY_PATIENCE_S)
    manager.processes.living()
    manager.took_to_start_s = (last_ns - began_ns) / 1e9
    return {"start_s": tidy(manager.took_to_start_s)}


def measure_memory(manager: Manager, _effort: Effort) -> dict[str, Any]:
    """Weigh workers and manager (everything of the run that is no worker) while they do nothing, in MB of PSS."""
    workers = set(manager.beats.pids())
    managing = manager.processes.living() - workers
    weights = {"workers": pss_mb(workers), "manager": pss_mb(managing)}
    each = {"worker_mb": tidy(weights["workers"] / len(workers))} if workers else {}
    total = {"total_mb": tidy(sum(weights.values())), "manager_mb": tidy(weights["manager"])}
    return {**total, **each, "manager_processes": len(managing)}


def measure_idle(manager: Manager, effort: Effort) -> dict[str, Any]:
    """Return the share of one core that the manager's processes take while nothing happens, in percent."""
    managing = sorted(manager.processes.living() - set(manager.beats.pids()))
    before, watch, began = cpu_s(managing), CpuWatch(), time.monotonic()
    root_before = cpu_s([manager.root_pid()])
    time.sleep(effort.idle_s)
    took_s = time.monotonic() - began
    return {
        "manager_cpu_pct": tidy(100 * (cpu_s(managing) - before) / took_s),
        "root_cpu_pct": tidy(100 * (cpu_s([manager.root_pid()]) - root_before) / took_s),
        "machine_busy_cores": tidy(watch.busy_cores()),
    }


def measure_kills(manager: Manager, effort: Effort) -> dict[str, Any]:
    """Kill random workers; milliseconds until the successor's own first sign of life."""
    chance, readings, lost = random.Random(1), [], 0
    for _ in range(effort.kills):
        living = {name: lives for name, lives in manager.beats.living().items() if lives}
        name = chance.choice(sorted(living))
        pid, known = chance.choice(sorted(living[name])), set(manager.beats.lives(name))
        time.sleep(chance.uniform(0, PHASE_S))
        killed_ns = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        first_ns = manager.beats.successor_ns(name, known, SUCCESSOR_PATIENCE_S)
        if first_ns is None:
            lost += 1
        else:
            readings.append((first_ns - killed_ns) / 1e6)
        time.sleep(effort.between_kills_s)
    spread = {"median": statistics.median(readings), "low": min(readings), "high": max(readings)} if readings else {}
    return {"kill_ms": {key: tidy(value) for key, value in spread.items()}, "kills": len(readings), "never": lost}


def measure_stop(manager: Manager, _effort: Effort) -> dict[str, Any]:
    """Ask for a stop; seconds until no process of the run lives, None when that never came."""
    pids = manager.processes.living()
    manager.ask_stop()
    took_s = wait_until(lambda: not any(map(is_alive, pids)), STOP_PATIENCE_S)
    orders_left = getattr(manager, "orders_left", None)
    left = {"orders_left_by_stop": orders_left()} if orders_left else {}
    return {"stop_s": None if took_s is None else tidy(took_s), **left}


def measure_stopped(manager: Manager, _effort: Effort) -> dict[str, Any]:
    """Send STOP to a worker; seconds from its last sign of life to its successor's first, None when none came."""
    name = manager.names[0]
    ((pid, life),) = manager.beats.living()[name].items()
    known, last_ns = set(manager.beats.lives(name)), life.last_ns
    os.kill(pid, signal.SIGSTOP)
    first_ns = manager.beats.successor_ns(name, known, STUCK_PATIENCE_S)
    if first_ns is None or first_ns > time.monotonic_ns():
        os.kill(pid, signal.SIGCONT)
    return {"stopped_replaced_s": None if first_ns is None else tidy((first_ns - last_ns) / 1e9)}


def measure_orphans(manager: Manager, effort: Effort) -> dict[str, Any]:
    """Kill the manager itself, look what is left, launch it once more and count what runs twice."""
    before = set(manager.beats.pids())
    os.kill(manager.root_pid(), signal.SIGKILL)
    time.sleep(effort.orphan_s)
    left = {pid for pid in before if is_alive(pid)}
    orders_left = getattr(manager, "orders_left", None)
    orders = {"orphan_orders": orders_left()} if orders_left else {}
    manager.launch()
    time.sleep(effort.relaunch_s + 2 * manager.took_to_start_s)  # on a busy machine a second set takes its time
    now = manager.beats.living()
    return {
        "left_after_manager_kill": len(left),
        **orders,
        "running_after_relaunch": sum(map(len, now.values())),
        "doubled_after_relaunch": sum(len(lives) > 1 for lives in now.values()),
    }
