"""The peers, each from its public package, in folders that are thrown away: nothing is installed on this system.

Python ones into an environment of their own, pm2 by npm, runit and s6 as Debian packages that are unpacked, not
installed. What is on the PATH already is used as it is. What cannot be had is left out, with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.parts import say

SUPERVISORD, CIRCUS, PM2 = "supervisor==4.3.0", "circus==0.19.0", "pm2@7.0.4"
DEBIAN = {"runit": ("runit",), "s6": ("s6", "libs6-2.11", "libskarnet2.13", "libexecline2.9")}
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


def _debian(tools: Tools, peer: str, command: str) -> None:
    package = DEBIAN[peer][0]
    if (found := shutil.which(command)) is not None:
        tools.commands[command] = found
        tools.versions[peer] = _run(["dpkg-query", "-W", "-f", "${Version}", package])
        return
    if shutil.which("apt-get") is None:
        raise NotToBeHad(f"there is no {command}, and no apt-get")
    home = tools.folder / peer
    if not home.exists():
        downloads = tools.folder / f"{peer}.packages"
        downloads.mkdir(exist_ok=True)
        _run(["apt-get", "download", *DEBIAN[peer]], downloads)
        for archive in downloads.glob("*.deb"):
            _run(["dpkg", "-x", str(archive), str(home)])
    (archive,) = (tools.folder / f"{peer}.packages").glob(f"{package}_*.deb")
    tools.commands[command] = str(home / "usr" / "bin" / command)
    tools.versions[peer] = archive.name.split("_")[1]
    libraries = [str(path) for path in (home / "usr" / "lib").glob("*-linux-gnu")]
    _prepend(tools.environ, "PATH", str(home / "usr" / "bin"), os.environ)
    _prepend(tools.environ, "LD_LIBRARY_PATH", ":".join(libraries), {})


def _prepend(environ: dict[str, str], name: str, value: str, otherwise: Mapping[str, str]) -> None:
    parts = [value, environ.get(name) or otherwise.get(name, "")]
    environ[name] = ":".join(part for part in parts if part)


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
    "runit": lambda tools: _debian(tools, "runit", "runsvdir"),
    "s6": lambda tools: _debian(tools, "s6", "s6-svscan"),
}
