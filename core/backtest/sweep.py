"""A sweep: one backtest for each set of values of a grid, over all cores, resumable after any end.

Each processor has a worker, a process that is given one set after the other (`core/backtest/sweep_worker.py`). What
came out is a line in a file before it counts; a set that is in the file is not run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from core.backtest.leg_data import data_file, spans_of
from core.backtest.sweep_axes import hold_axes
from core.backtest.sweep_page import FIGURES, best_first, sweep_csv, sweep_page
from core.backtest.sweep_results import SweepResults
from core.backtest.together import EXPOSURES
from core.process.zygote_link import ONE_THREAD
from core.registry.config_manager import load_plain
from utils.errors import ConfigError, MakerdError
from utils.home import CHECKOUT, Home
from utils.version import __version__

MAX_SETS = 100_000
_HASHED = 1 << 20  # bytes of each end of a data file that say which file it is
_UNTIMED = ("elapsed_s", "events_per_s")  # of a result: not the same in every run
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Axis:
    """One key of the grid and its values."""

    section: str
    key: str
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Return the key as a user writes it."""
        return self.key if self.section == "strategy_config" else f"{self.section}.{self.key}"


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is swept: the config's sections, where they come from, the grid, and files, from, to, engine."""

    plain: Mapping[str, Any]
    source: str
    axes: tuple[Axis, ...]
    span: Mapping[str, Any]

    def sets(self) -> Iterator[dict[str, Any]]:
        """Return every set of values by the axes' names, in the order of the grid."""
        for values in product(*(axis.values for axis in self.axes)):
            yield {axis.name: value for axis, value in zip(self.axes, values, strict=True)}

    def with_set(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the config's sections with a set put in."""
        plain = {section: dict(keys) if isinstance(keys, dict) else keys for section, keys in self.plain.items()}
        for axis in self.axes:
            plain.setdefault(axis.section, {})[axis.key] = chosen[axis.name]
        return plain


def run_sweep(
    home: Home, sweep: Sweep, results: Path | None, jobs: int, fresh: bool, progress: Progress | None
) -> tuple[Path, list[dict[str, Any]]]:
    """Run what is not in the file of results yet; return that file and a row for each set of the grid.

    A row: `set`, and `result` (the table of a backtest) or `error`. Raises MakerdError, OSError.
    """
    size = prod(len(axis.values) for axis in sweep.axes)
    if not 0 < size <= MAX_SETS:
        raise ConfigError(f"a sweep has 1 to {MAX_SETS} sets, this one {size}")
    hold_axes(home, sweep)
    sets = list(_distinct(sweep.sets()))
    _open_data(home, sweep, sets[0])
    digest = digest_of(home, sweep)
    path = results or home.data / "sweeps" / f"{_name_of(sweep)}-{digest[:12]}.jsonl"
    with SweepResults.open(path, digest, fresh) as kept:
        left = [chosen for chosen in sets if kept.find(chosen) is None]
        done = len(sets) - len(left)
        with closing(_run_all(home, sweep, left, jobs)) as answers:
            for chosen, answer in answers:
                kept.add(chosen, answer)
                done += 1
                if progress:
                    progress(done / len(sets))
        return path, [row for row in map(kept.find, sets) if row is not None]


def digest_of(home: Home, sweep: Sweep) -> str:
    """Return what says of which config, data, engine and version results are; the grid is not in it."""
    span = {key: sweep.span.get(key) for key in ("from", "to", "engine")}
    given = [data_file(home, text) for text in sweep.span["files"]]
    files = [f"{file.leg}={_file_digest(file.path)}".removeprefix("=") for file in given]
    said = json.dumps([__version__, sweep.plain, span, files], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def _open_data(home: Home, sweep: Sweep, chosen: Mapping[str, Any]) -> None:
    """Have recordings converted once, and what is wrong with the data told before anything starts."""
    try:
        markets = load_plain(sweep.with_set(chosen), sweep.source, home, os.environ).markets
    except ConfigError:
        return  # of this set, whose row says so; the others may do
    spans_of(home, markets, sweep.span)


def _file_digest(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as content:
        digest = hashlib.sha256(content.read(_HASHED))
        content.seek(max(0, size - _HASHED))
        digest.update(content.read(_HASHED))
    return f"{size}:{digest.hexdigest()}"


def _name_of(sweep: Sweep) -> str:
    name = str(dict(sweep.plain.get("metadata") or {}).get("name") or "sweep")
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in name)[:64]


def _distinct(sets: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for chosen in sets:
        if (key := json.dumps(chosen, sort_keys=True)) not in seen:
            seen.add(key)
            yield chosen


def _run_all(
    home: Home, sweep: Sweep, sets: Sequence[dict[str, Any]], jobs: int
) -> Generator[tuple[dict[str, Any], dict[str, Any]], None, None]:
    """Yield each set with its answer, in the order in which they are done."""
    waiting = list(reversed(sets))
    with selectors.DefaultSelector() as selector:
        workers = [Worker(home) for _ in range(min(jobs, len(sets)))]
        try:
            for worker in workers:
                selector.register(worker.answers, selectors.EVENT_READ, worker)
                worker.give(sweep, waiting.pop())
            while any(worker.chosen is not None for worker in workers):
                for key, _ in selector.select():
                    worker = key.data
                    selector.unregister(key.fileobj)
                    chosen, answer = worker.take()
                    if waiting:  # first, so that nobody idles while the answer is made durable
                        if worker.has_ended:
                            worker.start()
                        selector.register(worker.answers, selectors.EVENT_READ, worker)
                        worker.give(sweep, waiting.pop())
                    yield chosen, answer
        finally:
            for worker in workers:
                worker.end()


class Worker:
    """A process that runs backtests, one at a time; one that dies is replaced, and its set has an error."""

    chosen: dict[str, Any] | None = None  # what it is at

    def __init__(self, home: Home) -> None:
        self._home = home
        self.start()

    def start(self) -> None:
        """Start a process. Raises OSError."""
        env = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
        command = [sys.executable, "-m", "core.backtest.sweep_worker", str(self._home.root)]
        self._said = TemporaryFile()  # noqa: SIM115  # closed in `end`
        self._process = subprocess.Popen(
            command, cwd=CHECKOUT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._tasks, self.answers = self._process.stdin, self._process.stdout
        self.has_ended = False

    def give(self, sweep: Sweep, chosen: dict[str, Any]) -> None:
        """Have it run a set."""
        self.chosen = chosen
        task = {"plain": sweep.with_set(chosen), "source": sweep.source, "span": dict(sweep.span)}
        try:
            self._tasks.write(json.dumps(task).encode() + b"\n")
            self._tasks.flush()
        except BrokenPipeError:
            pass  # its end is told where its answer is read

    def take(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return its set and its answer, or that it died."""
        assert self.chosen is not None
        chosen, self.chosen = self.chosen, None
        line = self.answers.readline()
        if not line.endswith(b"\n"):
            self._process.wait()  # by itself: it has closed its output
            last = self._last_words()
            self.end()
            return chosen, {"error": f"the process that ran it ended with status {self._process.returncode}{last}"}
        return chosen, _timeless(json.loads(line))

    def _last_words(self) -> str:
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return f": {said[-1]}" if said else ""

    def end(self) -> None:
        """End it."""
        self.has_ended = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._tasks, self.answers, self._said):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def _timeless(answer: dict[str, Any]) -> dict[str, Any]:
    if "result" not in answer:
        return answer
    return {"result": {key: value for key, value in answer["result"].items() if key not in _UNTIMED}}


def sweep_of(home: Home, request: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
    """Run a sweep that a command asks for; return file, rows and both texts. Raises MakerdError, OSError."""
    axes = tuple(Axis(section, key, tuple(values)) for section, key, values in request["axes"])
    if len({axis.name for axis in axes}) != len(axes):
        raise ConfigError("a key is in the grid twice")
    if request["by"] not in (*FIGURES, *EXPOSURES) and not request["by"].startswith("markout_"):
        raise ConfigError(f"{request['by']!r} is no figure of a backtest; there are {', '.join(FIGURES)}, markout_5s")
    sweep = Sweep(request["plain"], request["source"], axes, request["span"])
    path, rows = run_sweep(home, sweep, request["results"], jobs_of(request["jobs"]), request["fresh"], progress)
    title = f"{_name_of(sweep)}, {len(axes)} keys"
    return {
        "results": str(path),
        "rows": rows,
        "best_first": best_first(rows, request["by"]),
        "csv": sweep_csv(rows),
        "html": sweep_page(title, rows, request["by"]),
    }


def jobs_of(given: int | None) -> int:
    """Return how many workers to have: as many as there are processors for us. Raises MakerdError."""
    if given is not None and given < 1:
        raise MakerdError("a sweep needs at least one job")
    return given or len(os.sched_getaffinity(0))
