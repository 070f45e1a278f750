"""What a job is: a function `run(context)` in `core/jobs/NAME.py`, with a schema in `config/schemas/jobs/NAME.json`."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from utils.errors import ConfigError
from utils.home import CHECKOUT, Home

SCHEMAS = CHECKOUT / "config" / "schemas" / "jobs"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class JobContext(Protocol):
    """What a job is given: who it is, where it may write, and its line to the supervisor."""

    name: str  # of the config
    params: Mapping[str, Any]  # `job_config`, validated, defaults filled in, secrets resolved
    home: Home
    log: logging.Logger

    @property
    def stop_asked(self) -> bool:
        """Tell whether the job should end: return from `run` soon, within `stop_timeout_s`."""

    def beat(self, phase: str = "WORKING") -> None:
        """Say that the job lives, and what it is at; silence of `heartbeat_timeout_s` means that it is stuck."""

    def wait(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """Wait, beating meanwhile, until the time is over or one of `fds` is readable; False when a stop is asked."""


def job_function(name: str) -> Callable[[JobContext], None]:
    """Return what a job runs. Raises ConfigError when there is no such job: nothing else can be imported by a name."""
    if not _NAME.fullmatch(name) or not (SCHEMAS / f"{name}.json").is_file():
        raise ConfigError(f"job {name!r} is not known")
    run: Callable[[JobContext], None] = importlib.import_module(f"core.jobs.{name}").run
    return run
