"""A checkout with two more jobs than the shipped ones, and a fleet that runs it: jobs are a closed set of files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT

CODE = ("api", "cli", "config/schemas", "config/templates", "core", "data", "strategies", "utils")
HALF_WRITTEN = shutil.ignore_patterns("*.pyc.*")  # other test processes compile at the same time
SCRIPTED = '''
"""Does one thing that jobs can do."""

import os
import signal
import time


def run(context):
    """Do what `job_config.do` says."""
    context.home.data.joinpath(f"{context.name}.runs").open("a").write(f"{os.getpid()} {time.monotonic_ns()}\\n")
    if context.params["do"] == "stubborn":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    context.beat("BEGUN")
    if context.params["do"] == "crash":
        raise ZeroDivisionError("as asked")
    if context.params["do"] == "wait":
        while context.wait(600):
            pass
    while context.params["do"] == "hang":
        time.sleep(0.1)
    while context.params["do"] == "stubborn":
        context.beat("BEGUN")
        time.sleep(0.1)
'''
SCHEMA = {
    "title": "scripted",
    "description": "For tests.",
    "type": "object",
    "additionalProperties": False,
    "required": ["job"],
    "properties": {
        "job": {"type": "string"},
        "do": {"type": "string", "default": "once", "enum": ["once", "crash", "wait", "hang", "stubborn"]},
    },
}


def checkout_with_jobs(root: Path) -> Path:
    """Copy what a daemon needs and add the jobs `scripted`, `broken` (its import fails) and `leaving` (it exits)."""
    for part in CODE:
        shutil.copytree(CHECKOUT / part, root / part, ignore=HALF_WRITTEN)
    jobs, schemas = root / "core" / "jobs", root / "config" / "schemas" / "jobs"
    (jobs / "scripted.py").write_text(SCRIPTED)
    (jobs / "broken.py").write_text("import a_module_that_nobody_has\n")
    (jobs / "leaving.py").write_text("import os\n\nos._exit(3)\n")
    for name in ("scripted", "broken", "leaving"):
        (schemas / f"{name}.json").write_text(json.dumps(SCHEMA))
    return root


class JobFleet(Fleet):
    """A home whose daemon runs from another checkout."""

    def add_job(
        self, name: str, job: str = "scripted", supervised: dict[str, Any] | None = None, **params: Any
    ) -> Path:
        """Write the config of one job."""
        daemon = {"backoff_initial_s": 0.1, "min_uptime_s": 1, **(supervised or {})}
        config = {
            "kind": "job",
            "metadata": {"name": name},
            "daemon_config": daemon,
            "job_config": {"job": job, **params},
        }
        path = self.home.active / f"{name}.json"
        path.write_text(json.dumps(config))
        return path

    def runs(self, name: str) -> list[tuple[int, int]]:
        """Return pid and start (monotonic ns) of each run of a scripted job."""
        path = self.home.data / f"{name}.runs"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(pid), int(at)) for pid, at in (line.split() for line in lines)]

    def states_of(self, name: str) -> list[str]:
        """Return every state that the daemon's log says a bot or job came to."""
        lines = [json.loads(line) for line in (self.home.log / "daemon.log").read_text().splitlines()]
        return [line["to"] for line in lines if line["event"] == "state_changed" and line["bot"] == name]
