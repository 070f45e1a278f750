"""Measure makerd and other process managers side by side, with one and the same worker; `make bench-supervisors`.

    python benchmarks/supervisors/run.py [--quick] [--only NAME ...] [--sizes N ...] [--tools FOLDER]

Every manager runs in a temporary folder; the peers come from their public packages into folders that are thrown away
(--tools keeps them). Figures go to benchmarks/results/supervisors.json, one record per manager and size: what is
measured again replaces its record, the others stay. docs/supervisors-compared.md is written from that file.
About 45 minutes, and 6 GB of memory for 200 workers of a peer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

import psutil

from benchmarks.fleet_driver import NotReached
from benchmarks.parts import CHECKOUT, RESULTS, describe, leave_on_term, revision, say, temp_folder
from benchmarks.supervisors import measures
from benchmarks.supervisors.beats import TooLate
from benchmarks.supervisors.floor import exec_floor
from benchmarks.supervisors.installs import Tools, make_ready
from benchmarks.supervisors.makerd import OURS, Makerd, MakerdBots, MakerdBotsAlone, MakerdReplay
from benchmarks.supervisors.managers import FAULT_SIZE, Manager
from benchmarks.supervisors.measures import QUICK, Effort
from benchmarks.supervisors.peers import PEERS
from benchmarks.supervisors.report import page

PAGE = CHECKOUT / "docs" / "supervisors-compared.md"
RESULT = RESULTS / "supervisors.json"
Measure = Callable[[Manager, Effort], dict[str, Any]]
FULL: tuple[Measure, ...] = (
    measures.measure_memory,
    measures.measure_idle,
    measures.measure_kills,
    measures.measure_stop,
)
FAULTS: tuple[Measure, ...] = (measures.measure_stopped, measures.measure_orphans)
# manager -> size -> what is measured there, after the start; everybody else as "*"
PLANS: dict[str, dict[int, tuple[Measure, ...]]] = {
    "*": {1: (measures.measure_kills, measures.measure_stop), 50: FULL, 200: FULL},
    Makerd.name: {1: (measures.measure_kills, measures.measure_stop), 50: FULL, 200: FULL, 500: FULL},
    MakerdBots.name: {1: (measures.measure_kills, measures.measure_stop), 50: FULL, 200: FULL},
    MakerdBotsAlone.name: {50: (measures.measure_kills,)},
    MakerdReplay.name: {0: (measures.measure_memory,), 50: (measures.measure_memory, measures.measure_idle)},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; return 1 when a manager could not be measured."""
    parser = argparse.ArgumentParser(description="Measure process managers side by side.")
    known = [*(manager.name for manager in (*OURS, *PEERS)), "floor"]
    parser.add_argument("--quick", action="store_true", help="sizes 1 and 10, fewer kills, shorter waits; no page")
    parser.add_argument("--only", action="append", choices=known, metavar="NAME", help=f"one of {', '.join(known)}")
    parser.add_argument("--sizes", action="append", type=int, metavar="N", help="only these numbers of workers")
    parser.add_argument(
        "--faults", action="store_true", help="only what happens on a dead manager and a stopped worker"
    )
    parser.add_argument("--tools", type=Path, metavar="FOLDER", help="where the peers are kept between runs")
    parser.add_argument("--note", metavar="TEXT", help="told beside the machine: how other work was kept out, say")
    parser.add_argument("--results", type=Path, default=RESULT, help="file that the figures are written to")
    parser.add_argument("--page", action="store_true", help="measure nothing, only write the page anew")
    given = parser.parse_args(arguments)
    if given.page:
        PAGE.write_text(page(json.loads(given.results.read_text())))
        return 0
    leave_on_term()
    wanted = [manager for manager in (*OURS, *PEERS) if not given.only or manager.name in given.only]
    result = _result(given)
    failed = False
    if not given.only or "floor" in given.only:
        result["floor"] = exec_floor(3 if given.quick else 10)
        _write(given.results, result)
    with nullcontext(given.tools) if given.tools else temp_folder() as folder:
        folder.mkdir(parents=True, exist_ok=True)
        tools = make_ready([manager.name for manager in wanted if manager in PEERS], folder.resolve())
        for manager in wanted:
            failed |= not _measure_manager(manager, tools, given, result)
    if not given.quick and given.results == RESULT:
        PAGE.write_text(page(result))
    return 1 if failed else 0


def _result(given: argparse.Namespace) -> dict[str, Any]:
    """Return the figures so far, described anew."""
    found = json.loads(given.results.read_text()) if given.results.exists() else {}
    command = "python benchmarks/supervisors/run.py" + (" --quick" if given.quick else "")
    about = describe("supervisors", command, given.quick, os.getloadavg()[0], time.monotonic())
    for not_of_the_whole in ("took_s", "revision"):
        about.pop(not_of_the_whole)
    about["note"] = given.note or found.get("note", "")
    return {**about, "floor": found.get("floor"), "managers": found.get("managers", {})}


def _measure_manager(manager: type[Manager], tools: Tools, given: argparse.Namespace, result: dict[str, Any]) -> bool:
    record = result["managers"].setdefault(manager.name, {"sizes": {}})
    if manager.name in tools.missing:
        record["missing"] = tools.missing[manager.name]
        return False
    record |= {"version": manager.version(tools), "settings": manager.settings}
    record.pop("missing", None)
    sound = True
    for size, what in _plan(manager, given):
        key = "faults" if what is FAULTS else str(size)
        say(f"{manager.name}: {key if what is FAULTS else f'{size} workers'}")
        record["sizes"][key] = session(manager, size, what, tools, QUICK if given.quick else Effort())
        sound &= "error" not in record["sizes"][key]
        say(json.dumps(record["sizes"][key]))
        _write(given.results, result)
    return sound


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def _plan(manager: type[Manager], given: argparse.Namespace) -> list[tuple[int, tuple[Measure, ...]]]:
    plan = PLANS.get(manager.name, PLANS["*"])
    if given.quick:
        plan = {} if manager is MakerdReplay else {1: (measures.measure_kills, measures.measure_stop), 10: FULL}
    chosen = [
        (size, what) for size, what in plan.items() if not given.faults and (not given.sizes or size in given.sizes)
    ]
    with_faults = manager not in (MakerdBotsAlone, MakerdReplay) and (given.faults or not given.sizes)
    return [*chosen, *([(FAULT_SIZE, FAULTS)] if with_faults else [])]


def session(manager: type[Manager], size: int, what: Sequence[Measure], tools: Tools, effort: Effort) -> dict[str, Any]:
    """Run one manager with `size` workers and measure; whatever it started is gone afterwards."""
    found: dict[str, Any] = {"workers": size, "revision": revision()}
    found["load_average_before"] = round(os.getloadavg()[0], 2)
    with temp_folder() as folder:
        running = manager(folder.resolve(), size, tools)
        try:
            found |= measures.measure_start(running)
            time.sleep(measures.SETTLE_S)
            for measure in what:
                found |= measure(running, effort)
        except (TooLate, NotReached, psutil.Error, OSError, ValueError, AssertionError) as exc:
            found["error"] = f"{type(exc).__name__}: {exc}"[:300]
        finally:
            running.end()
    found["load_average_after"] = round(os.getloadavg()[0], 2)
    found["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return found


if __name__ == "__main__":
    raise SystemExit(main())
