"""How a bot is held to its limits on this host: fenced in by the kernel, or watched by the daemon."""

from __future__ import annotations

from pathlib import Path

from core.doctor.finding import Finding, judged
from core.process.cgroups import CONTROLLERS, delegated_folder
from core.process.pid_file import holder
from utils.home import Home


def limit_finding(home: Home) -> Finding:
    """Return which limits hold for the bots of the daemon that runs, or of one started from here."""
    running = holder(home.run)
    folder = delegated_folder(running.pid if running is not None and running.pid else "self")
    return judge_limits(folder, () if folder is None else _controllers(folder))


def judge_limits(folder: Path | None, controllers: tuple[str, ...]) -> Finding:
    """Judge what a delegated group of cgroup v2 gives; without one nothing is wrong, but less is fenced in."""
    if folder is None:
        return judged("limits", "no delegated cgroup: memory is watched, processor time only told")
    fenced = [one for one in CONTROLLERS if one in controllers]
    return judged("limits", f"cgroup {folder} fences in: {', '.join(fenced) or 'nothing'}")


def _controllers(folder: Path) -> tuple[str, ...]:
    try:
        return tuple((folder / "cgroup.controllers").read_text().split())
    except OSError:
        return ()
