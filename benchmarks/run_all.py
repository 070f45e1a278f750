"""Run every benchmark in a process of its own and print one table; `make bench`.

    python benchmarks/run_all.py [--quick] [--only NAME ...] [--recordings FOLDER]

Figures go to benchmarks/results/<name>.json. Nothing here passes or fails: the exit status is 1 only when a benchmark
could not be run. The long recordings are not part of the project: their benchmark runs when FOLDER (or
MAKERD_BENCH_RECORDINGS, or ../shared/data/recordings beside the checkout) is there, and is skipped otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.parts import (
    CHECKOUT,
    RESULTS,
    Figure,
    Result,
    describe,
    leave_on_term,
    machine_facts,
    read_result,
    say,
    table,
    temp_folder,
    tidy,
    write_result,
)

FOLDER_NAME = "MAKERD_BENCH_RECORDINGS"
NAMES = ("fleet", "loop", "quant", "wire", "registry", "monitor", "backtest", "sweep", "decision", "recordings")
PATIENCE_S = 900.0
END_S = 120.0  # for a benchmark to end what it started


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(description="Run the benchmarks and print one table.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements, about a minute")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="the long recordings")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the figures are written to")
    given = parser.parse_args(arguments)
    leave_on_term()
    tables, broken = [], []
    for name in [name for name in NAMES if not given.only or name in given.only]:
        say(f"{name} ...")
        result = _run(name, given)
        if result is None:
            broken.append(name)
        else:
            tables.append(table(name, result))
    print(", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine_facts().items()))
    print("\n".join(tables))
    if broken:
        print(f"could not be run: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def _run(name: str, given: argparse.Namespace) -> Result | None:
    """Run one benchmark; None when it broke."""
    if name == "recordings":
        return _run_recordings(given)
    path = given.results / f"{name}.json"
    path.unlink(missing_ok=True)
    status = _spawn([f"bench_{name}.py", *(["--quick"] if given.quick else []), "--results", str(given.results)])
    return read_result(path) if status == 0 and path.exists() else None


def _run_recordings(given: argparse.Namespace) -> Result | None:
    folder, command = _recordings(given), "python benchmarks/run_all.py --only recordings"
    path = given.results / "recordings.json"
    if folder is None or given.quick:
        why = "--quick" if given.quick else f"no folder of long recordings (--recordings FOLDER or {FOLDER_NAME})"
        return Result(skipped=why)
    began_s, load = time.monotonic(), os.getloadavg()[0]
    with temp_folder() as scratch:
        own = scratch / "recordings.json"
        if _spawn(["bench_recordings.py", str(folder), "--json", str(own)]) != 0:
            return None
        result = _recordings_result(json.loads(own.read_text()))
    write_result(path, describe("recordings", command, False, load, began_s), result)
    return result


def _recordings(given: argparse.Namespace) -> Path | None:
    beside = CHECKOUT.parent / "shared" / "data" / "recordings"
    folder = given.recordings or Path(os.environ.get(FOLDER_NAME) or beside)
    return folder.resolve() if folder.is_dir() and any(folder.glob("*.csv.gz")) else None


def _recordings_result(plain: dict[str, object]) -> Result:
    """Return what the benchmark of the recordings found, as figures."""
    result = Result(details=plain)
    found = plain["recordings"]
    assert isinstance(found, list)
    for one in found:
        name = one["file"].removesuffix(".csv.gz")
        note = f"{one['messages']} messages; {one['agreed']} of {one['compared']} tops of book agree"
        result.figures.append(Figure(f"{name}: rebuild", one["us_per_message"], "us/msg", note=note))
        note = f"{one['compiled_bytes'] / 1e6:.1f} MB"
        result.figures.append(Figure(f"{name}: compile", tidy(one["compile_s"]), "s", note=note))
    result.figures.append(Figure("peak memory", plain["peak_rss_mb"], "MB"))  # type: ignore[arg-type]
    return result


def _spawn(arguments: list[str]) -> int:
    """Run a benchmark to its end and return its exit status; whatever ends us ends it first."""
    path, *rest = arguments
    process = subprocess.Popen(
        [sys.executable, str(CHECKOUT / "benchmarks" / path), *rest], cwd=CHECKOUT, stdout=subprocess.DEVNULL
    )
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        say(f"{path} did not end within {PATIENCE_S:.0f} s")
        return 1
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a benchmark end what it started; the second signal is for one that cannot."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
