"""Measures a bot's sigma, kappa, A and gamma in the newest recorded events, and writes its parameter file.

What `run.py calibrate` does, once: with `schedule_s` as often as is wanted. It reads files that somebody else records.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from core.backtest.calibrate import calibrate_bot
from core.registry.config_manager import find_config
from utils.errors import MakerdError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.jobs.base import JobContext


class StopCalibrating(Exception):
    """A stop was asked in the middle of the events."""


def run(context: JobContext) -> None:
    """Calibrate once; what was found is in the log, too. Raises MakerdError when there is nothing to measure."""
    params, home = context.params, context.home
    path = find_config(str(params["bot"]), home, os.environ)
    files = newest(str(params["data"]), int(params["files"]), home.data_dirs)
    request = {"files": [str(file) for file in files], "hours": params["hours"], "only": params["only"]}

    def progress(_share: float) -> None:
        context.beat("MEASURING")
        if context.stop_asked:
            raise StopCalibrating

    context.beat("READING")
    try:
        found = calibrate_bot(home, json.loads(path.read_text()), str(path), request, os.environ, progress)
    except StopCalibrating:
        return
    told = {"of": found["bot"], "found": {name: one["value"] for name, one in found["found"].items()}}
    if found["out"] is None:
        context.log.warning(
            "calibration_not_written", extra={"fields": told | {"reason": "the bot has no params_file"}}
        )
    else:
        context.log.info("calibrated", extra={"fields": told | {"written": found["written"]}})


def newest(pattern: str, count: int, folders: Sequence[str | Path]) -> list[Path]:
    """Return the newest files of a pattern, which is looked for in the data folders. Raises MakerdError for none."""
    found = {path for folder in folders for path in Path(folder).glob(pattern) if path.is_file()}
    if not found:
        raise MakerdError(f"no file is called {pattern} in {' or '.join(map(str, folders))}")
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))[-count:]
