"""The one-shot child that reads and validates configs: `python -m core.process.validator --home H`.

It prints one line of JSON and ends. Time, memory and processor time are limited by the kernel. What a venue has to
say about a config (reading a recording, for instance) is asked in a child of its own: one that dies or hangs there
costs that config its start and nothing else. Secrets are looked up by name and never kept or printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.process.ledger_legs import why_not_its_ledger
from core.process.run_record import RunRecord
from core.process.venue_checks import venue_complaints
from core.registry.config_manager import (
    InvalidConfig,
    InvalidFile,
    LoadResult,
    load_base,
    load_daemon_file,
    load_file,
    load_folder,
)
from core.registry.document import shown_path
from core.registry.proposal import judge
from core.registry.reading import config_files
from core.registry.seen import take_in_edits
from core.registry.store import ConfigStore, content_of
from core.trading.ledger_figures import recorded_figures
from utils.errors import ConfigError
from utils.exit_statuses import DONE, REFUSED
from utils.home import Home

WALL_S = 55  # the supervisor waits a minute
VENUE_BUDGET_S = 45.0
CPU_S = 50
REMEMBER_S = 2.0  # for whoever writes configs just now
ADDRESS_SPACE = 2 * 1024**3  # numpy maps recordings into it
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    """Validate what the arguments name, print one line of JSON and return the exit status."""
    options = _options(arguments)
    limit_this_process()
    home = Home.find(options.home)
    folder = Path(options.configs) if options.configs else home.active
    try:
        loaded = _load(home, folder, Path(options.file) if options.file else None)
        if options.remember and folder == home.active:
            _remember(home)
        answer = _answer(home, loaded)
        if options.beside:
            answer["beside"] = _beside(home, [Path(folder) for folder in options.beside])
        status = DONE
    except (ConfigError, OSError) as exc:
        answer, status = {"error": str(exc)}, REFUSED
    print(json.dumps(answer), flush=True)
    return status


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="validator", description="Validate configs; one line of JSON on stdout.")
    parser.add_argument("--home", help="root of everything that changes")
    parser.add_argument("--configs", help="folder of configs; default: config/active of the home")
    parser.add_argument("--file", help="validate this file alone")
    parser.add_argument("--beside", action="append", help="a folder whose files are told of, too, each for itself")
    parser.add_argument("--remember", action="store_true", help="take what was edited by hand into the history")
    return parser.parse_args(arguments)


def _beside(home: Home, folders: Sequence[Path]) -> dict[str, list[str]]:
    """Return what is wrong with files that no daemon runs, by the file; nothing for a sound one."""
    files = [path for folder in folders if folder.is_dir() for path in config_files(folder)]
    contents: dict[Path, bytes | None] = {}
    unreadable = {}
    for path in files:
        try:
            contents[path] = content_of(path)
        except ConfigError as exc:
            unreadable[shown_path(path, home)] = [str(exc)]
    judged = judge(home, os.environ, contents)
    return unreadable | {shown_path(path, home): [str(line) for line in one.complaints] for path, one in judged.items()}


def _remember(home: Home) -> None:
    """Take what was edited by hand into the history; a bot does not wait for that, nor fail with it."""
    try:
        take_in_edits(home, os.environ, ConfigStore(home, patience_s=REMEMBER_S))
    except Exception as exc:
        print(f"the history of the configs was not written: {exc}", file=sys.stderr)


def limit_this_process() -> None:
    """Set hard limits: wall time, processor time, address space, no core dump; libraries stay on one thread."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WALL_S)
    for kind, limit in ((resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_AS, ADDRESS_SPACE), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (allowed, allowed))
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))


def _load(home: Home, folder: Path, file: Path | None) -> LoadResult:
    if file is None:
        return load_folder(folder, home, os.environ)
    if file.absolute() == home.daemon_file:
        return load_daemon_file(home, os.environ)
    if folder.absolute() == file.absolute().parent or file.absolute() == home.legacy_file:
        # its neighbours may be in its way
        result = load_folder(folder, home, os.environ)
        shown = shown_path(file, home)
        configs = tuple(config for config in result.configs if config.source_path == str(file.absolute()))
        invalid = tuple(entry for entry in result.invalid if entry.file == shown)
        if configs or invalid:
            return LoadResult(configs, invalid, result.secret_names)  # the daemon file was not asked for
    try:
        if file.absolute().parent == home.bases:
            load_base(file, home, os.environ)
            return LoadResult((), ())
        config = load_file(file, home, os.environ)
    except InvalidConfig as exc:
        return LoadResult((), (InvalidFile(shown_path(file, home), exc.complaints),))
    return LoadResult((config,), (), config.secret_names)


def _answer(home: Home, loaded: LoadResult) -> dict[str, Any]:
    deadline = time.monotonic() + VENUE_BUDGET_S
    bots = [config for config in loaded.configs if not config.is_job]
    refused = {
        name: [f"exchange_config: {complaint}" for complaint in complaints]
        for name, complaints in venue_complaints(bots, home.data_dirs, deadline).items()
    }
    for config in bots:  # before it takes the place of a bot that runs
        if why := why_not_its_ledger(config, home.bot_state(config.name)):
            refused[config.name] = [*refused.get(config.name, ()), f"metadata.name: {why}"]
    unclean, damaged = unclean_runs(home)
    return {
        "bots": [config.to_plain() for config in loaded.configs if config.name not in refused],
        "invalid": [
            *(_invalid(entry.file, entry.name, [str(one) for one in entry.complaints]) for entry in loaded.invalid),
            *(_refused(config, home, refused[config.name]) for config in loaded.configs if config.name in refused),
            *damaged,
        ],
        "unclean": unclean,
        "daemon": loaded.fleet.to_plain() if loaded.fleet else None,
        "secret_names": list(loaded.secret_names),
        "figures": {config.name: recorded_figures(home.bot_state(config.name)) for config in bots},
    }


def _invalid(file: str, name: str | None, complaints: list[str]) -> dict[str, Any]:
    return {"file": file, "name": name, "complaints": complaints}


def _refused(config: BotConfig, home: Home, complaints: list[str]) -> dict[str, Any]:
    file = shown_path(Path(config.source_path), home)
    return _invalid(file, config.name, [f"{file}: {complaint}" for complaint in complaints])


def unclean_runs(home: Home) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return every run record that is not marked clean, and a complaint for each that cannot be read.

    A damaged record counts as unclean with `run` None: its bot is swept as today's config says, if there is one.
    """
    unclean: list[dict[str, Any]] = []
    damaged: list[dict[str, Any]] = []
    for path in sorted(home.state.glob("*/run.json")):
        name = path.parent.name
        try:
            run = RunRecord.read(path.parent)
        except (OSError, ValueError) as exc:
            unclean.append({"name": name, "run": None})
            file = shown_path(path, home)
            advice = f"orders of {name} may rest at its venue: look there, then remove the file"
            damaged.append(_invalid(file, name, [f"{file}: cannot be read ({exc}); {advice}"]))
        else:
            if run is not None and not run.clean:
                unclean.append({"name": name, "run": run.to_plain()})
    return unclean, damaged


if __name__ == "__main__":
    sys.exit(main())
