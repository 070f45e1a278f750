"""The peers, each from its public package, in folders that are thrown away.

Python ones into an environment of their own, pm2 by npm, runit as a Debian package that is unpacked, not installed. s6
looks for its parts where they are installed, so that one is installed, by root only, and stays. What is on the PATH
already is used as it is. What cannot be had is left out, with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.parts import say

SUPERVISORD, CIRCUS, PM2 = "supervisor==4.3.0", "circus==0.19.0", "pm2@7.0.4"
PATIENCE_S = 600.0


class NotToBeHad(Exception):
    """A peer could not be made ready here."""


@dataclass(slots=True)
class Tools:
    """What the peers are started with."""

    folder: Path
    commands: dict[str, str] = field(default_factory=dict)  # name -> path of an executable
    versions: dict[str, str] = field(default_factory=dict)  # peer -> version
    environ: dict[str, str] = field(default_factory=dict)  # what the unpacked ones need
    missing: dict[str, str] = field(default_factory=dict)  # peer -> why


def make_ready(peers: list[str], folder: Path) -> Tools:
    """Make the named peers ready below a folder; what is there already is used again."""
    tools = Tools(folder)
    for peer in peers:
        say(f"{peer}: making it ready")
        try:
            _MAKERS[peer](tools)
        except (NotToBeHad, OSError, subprocess.SubprocessError) as exc:
            tools.missing[peer] = str(exc)
            say(f"{peer}: {exc}")
    return tools


def _python(tools: Tools, peer: str, package: str) -> None:
    home = tools.folder / "python"
    python = home / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(home)])
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package])
    name, _, version = package.partition("==")
    tools.commands[name] = str(python)
    tools.versions[peer] = version


def _pm2(tools: Tools) -> None:
    if shutil.which("npm") is None:
        raise NotToBeHad("there is no npm")
    home = tools.folder / "pm2"
    command = home / "node_modules" / ".bin" / "pm2"
    if not command.exists():
        _run(["npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", "--loglevel=error", PM2])
    tools.commands["pm2"] = str(command)
    tools.versions["pm2"] = f"{PM2.partition('@')[2]} (node {_run(['node', '--version'])})"


def _runit(tools: Tools) -> None:
    if not _is_installed(tools, "runit", "runsvdir"):
        home, downloads = tools.folder / "runit", tools.folder / "runit.packages"
        if not home.exists():
            downloads.mkdir(exist_ok=True)
            _run(["apt-get", "download", "runit"], downloads)
            (archive,) = downloads.glob("runit_*.deb")
            _run(["dpkg", "-x", str(archive), str(home)])
        (archive,) = downloads.glob("runit_*.deb")
        tools.commands["runsvdir"] = str(home / "usr" / "bin" / "runsvdir")
        tools.versions["runit"] = archive.name.split("_")[1]
        tools.environ["PATH"] = f"{home / 'usr' / 'bin'}:{os.environ['PATH']}"


def _s6(tools: Tools) -> None:
    if shutil.which("s6-svscan") is None and os.geteuid() == 0:
        _run(["apt-get", "install", "--yes", "--no-install-recommends", "s6"])
    if not _is_installed(tools, "s6", "s6-svscan"):
        raise NotToBeHad("there is no s6-svscan, and only root can install it")


def _is_installed(tools: Tools, peer: str, command: str) -> bool:
    found = shutil.which(command)
    if found is not None:
        tools.commands[command] = found
        tools.versions[peer] = _run(["dpkg-query", "-W", "-f", "${Version}", peer])
    elif shutil.which("apt-get") is None:
        raise NotToBeHad(f"there is no {command}, and no apt-get")
    return found is not None


def _run(arguments: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise NotToBeHad(f"{Path(arguments[0]).name} {arguments[1]}: {last[:200]}")
    return done.stdout.strip()


_MAKERS: dict[str, Callable[[Tools], None]] = {
    "supervisord": lambda tools: _python(tools, "supervisord", SUPERVISORD),
    "circus": lambda tools: _python(tools, "circus", CIRCUS),
    "pm2": _pm2,
    "runit": _runit,
    "s6": _s6,
}
