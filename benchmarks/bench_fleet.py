"""How fast a fleet comes up and comes back, and what it weighs: real daemons, seen from outside.

Start: from launching the CLI to the first acknowledged order of the last bot. Kill: from `kill -9` of a worker to its
successor's first acknowledged order. Both ends are exact times (the ledger's, the logs'); an observer that polls the
control socket every 2 ms is told apart. Size: the proportional and unshared memory of the process tree, and its CPU.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import psutil

from benchmarks.fleet_driver import POLL_S, Fleet, NotReached, fleet, is_quoting, seconds_between
from benchmarks.parts import MB, CpuWatch, Figure, Result, run_bench, say, spread, tidy

PAUSE_S = 0.3  # between two kills, so that one does not meet the other's wake
NO_POLL_S = 0.1
STAGES = ("reaped", "sweep", "backoff", "fork_and_build", "reconcile", "first_quote")
STARTS = {
    "validated": "configs validated after",
    "returned": "the CLI returned after",
    "quoting": "all 4 bots QUOTING, to the observer, after",
    "quoted": "all 4 bots had an order acknowledged after",
}


def measure(quick: bool) -> Result:
    """Measure starts, kills and sizes."""
    result = Result()
    _attempt(result, "starts", partial(_starts, result, 2 if quick else 5))
    for backoff_s in (None, 0):
        _attempt(result, "kills", partial(_kills, result, 4 if quick else 12, backoff_s))
    for bots, window_s in ((0, 2), (4, 5), (50, 5)) if quick else ((0, 20), (4, 20), (50, 20), (200, 20)):
        _attempt(result, f"{bots} bots", partial(_size, result, bots, window_s))
    return result


def _attempt(result: Result, what: str, job: Callable[[], None]) -> None:
    """Do a part of the measurement; what goes wrong in it is told and costs that part only."""
    try:
        job()
    except (NotReached, psutil.Error) as exc:
        say(f"{what}: {exc}")
        result.figures.append(Figure(what, None, "", note=f"not measured: {str(exc).splitlines()[0][:200]}"))


# Start


def _starts(result: Result, count: int) -> None:
    """Start the demo fleet `count` times in new homes and once again in each."""
    say(f"start --daemon with the demo bots, {count} new homes")
    readings: list[dict[str, float]] = []
    for _ in range(count):
        with fleet() as made:
            names = made.add_demo()
            first = _start(made, names)
            made.end()
            again = _start(made, names)
            readings.append({**first, **{f"again_{key}": value for key, value in again.items()}})
    for prefix, where in (("", "new home"), ("again_", "once more")):
        for key, what in STARTS.items():
            values = [reading[prefix + key] for reading in readings]
            result.figures.append(spread(f"start --daemon, {where}: {what}", values, "s"))
    result.details["starts"] = readings


def _start(made: Fleet, names: list[str]) -> dict[str, float]:
    start = made.start()
    quoted_ns = max(made.first_ack_ns(name, start.asked_ns) for name in names)
    changes = [line for name in names for line in made.log_lines("daemon", name, start.asked_ns)]
    ends = {"validated": min(at for at, _ in changes), "returned": start.returned_ns}
    ends |= {"quoting": start.quoting_ns, "quoted": quoted_ns}
    return {key: tidy(seconds_between(start.asked_ns, at_ns)) for key, at_ns in ends.items()}


# Kill


def _kills(result: Result, count: int, backoff_s: float | None) -> None:
    """Kill each of `count` bots once, one after the other: every kill meets a first restart's backoff."""
    label = "the shipped backoff" if backoff_s is None else f"backoff_initial_s {backoff_s:g}"
    say(f"kill -9 of {count} workers with {label}")
    daemon_config = {} if backoff_s is None else {"backoff_initial_s": backoff_s}
    readings: list[dict[str, float]] = []
    with fleet() as made:
        names = made.add_replay(count, **daemon_config)
        begin_ns = made.start(NO_POLL_S).asked_ns
        for name in names:
            made.first_ack_ns(name, begin_ns)
        for at, name in enumerate(names):
            time.sleep(PAUSE_S)
            readings.append(_kill(made, name, POLL_S if at % 2 else NO_POLL_S))
    watched = [reading["observed"] for reading in readings if reading["poll_s"] == POLL_S]
    quoted = [reading["quoted"] for reading in readings]
    note = "an order acknowledged, says the ledger"
    result.figures.append(spread(f"kill -9, {label}: quotes again after", quoted, "s", note))
    result.figures.append(spread(f"kill -9, {label}: QUOTING again after", watched, "s", "by the 2 ms observer"))
    for stage in STAGES:
        stages = [reading[stage] * 1000 for reading in readings]
        result.figures.append(spread(f"kill -9, {label}: of which {stage.replace('_', ' ')}", stages, "ms"))
    result.details[f"kills, {label}"] = readings


def _kill(made: Fleet, name: str, poll_s: float) -> dict[str, float]:
    before = made.row(name)
    killed_ns = time.time_ns()
    os.kill(before["pid"], signal.SIGKILL)
    made.watch(lambda rows: any(_is_successor(row, before) for row in rows), poll_s)
    observed_ns = time.time_ns()
    quoted_ns = made.first_ack_ns(name, killed_ns)
    moments = _moments(made, name, killed_ns, quoted_ns)
    reading = {"poll_s": poll_s, "observed": tidy(seconds_between(killed_ns, observed_ns))}
    reading["quoted"] = tidy(seconds_between(killed_ns, quoted_ns))
    for stage, begin_ns, end_ns in zip(STAGES, moments, moments[1:], strict=False):
        reading[stage] = tidy(seconds_between(begin_ns, end_ns))
    return reading


def _is_successor(row: dict[str, Any], before: dict[str, Any]) -> bool:
    return row["name"] == before["name"] and row["restarts"] > before["restarts"] and is_quoting(row)


def _moments(made: Fleet, name: str, killed_ns: int, quoted_ns: int) -> list[int]:
    """Return kill, reap, end of the sweep, end of the backoff, worker alive, reconciled, first quote."""
    changes: dict[tuple[str, str], int] = {}
    for at_ns, line in made.log_lines("daemon", name, killed_ns):
        if line["event"] == "state_changed":
            changes.setdefault((line["from"], line["to"]), at_ns)
    alive_ns = [at for at, line in made.log_lines(name, name, killed_ns) if line["event"] == "worker_started"]
    starting_ns = [at_ns for (_, to), at_ns in changes.items() if to == "STARTING"]
    swept_ns = [at_ns for (came, _), at_ns in changes.items() if came == "SWEEPING"]
    try:
        reaped_ns, running_ns = changes["RUNNING", "SWEEPING"], changes["STARTING", "RUNNING"]
        return [killed_ns, reaped_ns, swept_ns[0], starting_ns[0], alive_ns[0], running_ns, quoted_ns]
    except (KeyError, IndexError):
        raise NotReached(f"the daemon's log does not tell how {name} came back: {changes}") from None


# Size


@dataclass(frozen=True, slots=True)
class _Memory:
    """Megabytes of one process."""

    pss: float
    uss: float

    @classmethod
    def of(cls, process: psutil.Process) -> _Memory:
        full = process.memory_full_info()
        return cls(full.pss / MB, full.uss / MB)


def _size(result: Result, bots: int, window_s: float) -> None:
    """Let `bots` bots quote for a while and weigh the tree; 0 is one bot that is not started."""
    say(f"{bots} bots for {window_s:g} s")
    with fleet() as made:
        if bots:
            made.add_replay(bots)
        else:
            made.add_replay(1, autostart=False)
        start = made.start(NO_POLL_S, wait=bool(bots))
        if bots:
            took = tidy(seconds_between(start.asked_ns, start.quoting_ns))
            result.figures.append(Figure(f"{bots} bots: all QUOTING after", took, "s", note="by an observer"))
        _weigh(result, made, bots, window_s)


def _weigh(result: Result, made: Fleet, bots: int, window_s: float) -> None:
    processes = made.tree()
    cpu_before, watch, began_s = _cpu(processes), CpuWatch(), time.monotonic()
    oldest_s = _oldest_heartbeat(made, window_s)
    lasted_s, busy = time.monotonic() - began_s, watch.busy_cores()
    spent = [(after - before) / lasted_s for before, after in zip(cpu_before, _cpu(processes), strict=True)]
    supervisor, zygote, *workers = [_Memory.of(process) for process in (processes[0], processes[1], *processes[2])]
    rows = made.rows()
    result.details[f"{bots} bots"] = {
        "window_s": round(lasted_s, 2),
        "cpu_supervisor_zygote_workers": [tidy(share) for share in spent],
        "cpu_everybody_else": tidy(busy - sum(spent)),
        "worker_pss_mb": tidy(statistics.median(one.pss for one in workers)) if workers else None,
        "quoting": sum(map(is_quoting, rows)),
        "restarts": sum(row["restarts"] for row in rows),
        "fills": sum(row["fills"] for row in rows),
    }
    everybody = [supervisor, zygote, *workers]
    add = result.figures.append
    add(Figure(f"{bots} bots: PSS of the whole tree", tidy(sum(one.pss for one in everybody)), "MB"))
    add(Figure(f"{bots} bots: PSS of the supervisor", tidy(supervisor.pss), "MB"))
    add(Figure(f"{bots} bots: PSS of the zygote", tidy(zygote.pss), "MB"))
    if not workers:
        return
    add(spread(f"{bots} bots: USS of a worker", [one.uss for one in workers], "MB"))
    cores, note = len(os.sched_getaffinity(0)), f"everybody else {busy - sum(spent):.2f}"
    add(Figure(f"{bots} bots: CPU of the tree", tidy(sum(spent)), "s/s", note=note))
    add(Figure(f"{bots} bots: of which the supervisor", tidy(spent[0]), "s/s"))
    add(Figure(f"{bots} bots: CPU of the tree, of all {cores} cores", tidy(100 * sum(spent) / cores), "%"))
    add(Figure(f"{bots} bots: oldest heartbeat seen", oldest_s, "s"))
    add(Figure(f"{bots} bots: QUOTING at the end", sum(map(is_quoting, rows)), f"of {bots}"))


def _cpu(processes: tuple[psutil.Process, psutil.Process, list[psutil.Process]]) -> list[float]:
    """Return the CPU seconds of supervisor, zygote and all workers together."""
    supervisor, zygote, workers = processes
    groups = ([supervisor], [zygote], workers)
    return [sum(sum(process.cpu_times()[:2]) for process in group) for group in groups]


def _oldest_heartbeat(made: Fleet, window_s: float) -> float:
    """Look at the status about once a second for a while; return the age of the oldest heartbeat of a worker."""
    oldest_s, end_s = 0.0, time.monotonic() + window_s
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(0.97, left_s))  # out of step with the beats, which come once a second
        ages = [row["heartbeat_age_s"] for row in made.rows() if row["heartbeat_age_s"] is not None]
        oldest_s = max([oldest_s, *ages])
    return oldest_s


if __name__ == "__main__":
    raise SystemExit(run_bench("fleet", measure))
