"""Whether a home is in order: who may read what, room on its disk, what a daemon left, what the configs say."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.doctor.finding import Finding, judged
from core.process.claims import claims_folder
from core.process.control import NAME as SOCKET
from core.process.control import ControlRefused, DaemonDown, call
from core.process.pid_file import NAME as PID_FILE
from core.process.pid_file import holder
from utils.errors import ConfigError
from utils.files import open_locked
from utils.home import Home

OTHERS_READ, OTHERS_WRITE = 0o077, 0o022
LOW_BYTES, FULL_BYTES = 1_000_000_000, 200_000_000
LOW_INODES, FULL_INODES = 0.05, 0.01  # shares that are free
PING_S = 5.0
MAX_SHOWN = 3  # complaints of one file


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder, and which bits its mode must not have."""

    path: Path
    forbidden: int
    mode: int | None  # None: there is none
    uid: int = 0


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """One file system."""

    kind: str
    free: int
    total: int
    inodes_free: int
    inodes: int  # 0: this kind does not count them


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """What is there of a daemon: `pid` holds the lock, `left` are files of one that is gone."""

    pid: int | None
    answers: bool
    left: tuple[str, ...] = ()


def home_findings(home: Home, verdict: Mapping[str, Any] | str) -> Iterator[Finding]:
    """Yield what there is to say about a home; `verdict` is the validator's, or why there is none."""
    yield from judge_places(_places(home), os.getuid())
    yield _claims()
    yield from judge_disk(home.root, _disk(home.root))
    facts = _daemon(home)
    yield judge_daemon(facts)
    if isinstance(verdict, str):
        yield judged("configs", verdict, "try `config validate`")
        return
    yield from judge_configs(verdict)
    yield from judge_left_overs(verdict["unclean"], facts.pid is not None)


# ---------------------------------------------------------------- judgements


def judge_places(places: Sequence[Place], uid: int) -> Iterator[Finding]:
    """Judge owners and modes; one line when all is well."""
    found = [place for place in places if place.mode is not None]
    bad = 0
    for place in found:
        assert place.mode is not None
        path, mode = place.path, place.mode
        if place.uid != uid and uid != 0:
            bad += 1
            yield judged("rights", f"{path} belongs to another user", f"run makerd as its owner, or chown {path}")
        elif mode & place.forbidden:
            bad += 1
            what = "read" if place.forbidden == OTHERS_READ else "changed"
            todo = f"chmod {mode & ~place.forbidden:o} {path}"
            # A group may consist of its owner alone; who may read a secret is not left to that.
            lenient = place.forbidden == OTHERS_WRITE and not mode & 0o002
            who = "its group" if lenient else "other users"
            text = f"{path} can be {what} by {who} (mode {mode:o})"
            yield judged("rights", text, "" if lenient else todo, todo)
    if not bad:
        yield judged("rights", f"{len(found)} files and folders are closed to other users")


def judge_disk(root: Path, facts: DiskFacts | None) -> Iterator[Finding]:
    """Judge the room on the disk of the home."""
    if facts is None:
        yield judged("disk", f"{root} cannot be looked at", "make the home, or choose another one with --home")
        return
    mend = f"free some space on the disk of {root}"
    text = f"{facts.free / 1e9:.1f} GB of {facts.total / 1e9:.1f} GB are free ({facts.kind})"
    yield judged("disk", text, mend if facts.free < FULL_BYTES else "", mend if facts.free < LOW_BYTES else "")
    if facts.inodes:
        share = facts.inodes_free / facts.inodes
        text = f"{facts.inodes_free} of {facts.inodes} inodes are free"
        mend = f"delete small files on the disk of {root}"
        yield judged("inodes", text, mend if share < FULL_INODES else "", mend if share < LOW_INODES else "")
    if facts.kind in ("tmpfs", "ramfs"):
        todo = "put the home on a disk: fences, ledgers and latches have to survive a restart of the machine"
        yield judged("disk", f"{root} lies in memory", warns=todo)


def judge_daemon(facts: DaemonFacts) -> Finding:
    """Judge the daemon of the home."""
    if facts.pid is not None:
        todo = f"`stop`; if that does not help, `kill {facts.pid}`"
        text = f"runs as pid {facts.pid}" + ("" if facts.answers else " and does not answer")
        return judged("daemon", text, "" if facts.answers else todo)
    if facts.left:
        text = f"does not run; one that was killed left {' and '.join(facts.left)}"
        return judged("daemon", text, warns="`start` it: what its bots left is swept first")
    return judged("daemon", "does not run")


def judge_configs(verdict: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge the configs, the daemon file among them."""
    for entry in verdict["invalid"]:
        lines = [str(line) for line in entry["complaints"]]
        more = f" (and {len(lines) - MAX_SHOWN} more)" if len(lines) > MAX_SHOWN else ""
        yield judged("configs", "; ".join(lines[:MAX_SHOWN]) + more, f"correct {entry['file']}, then `reload`")
    bots = len(verdict["bots"])
    if bots or not verdict["invalid"]:
        text = f"{bots} valid {'config' if bots == 1 else 'configs'}"
        yield judged("configs", text, warns="" if bots else "copy one from config/templates into config/active")


def judge_left_overs(unclean: Sequence[Mapping[str, Any]], daemon_runs: bool) -> Iterator[Finding]:
    """Judge run records that are not marked clean; those of a living daemon are its bots."""
    for entry in () if daemon_runs else unclean:
        legs = (entry.get("run") or {}).get("config", {}).get("legs", ())
        venues = ", ".join(f"{leg['exchange']} {leg['symbol']}" for leg in legs) or "its venue"
        text = f"{entry['name']} did not say that it left no order on {venues}"
        yield judged("left over", text, warns="`start`: it is swept before anything else happens")


# ---------------------------------------------------------------- looking


def _places(home: Home) -> list[Place]:
    private = [home.run, home.log, home.state, home.history, home.env_file]
    steady = [home.root, home.root / "var", home.data, home.root / "config", home.active, home.daemon_file]
    places = [_place(path, OTHERS_READ) for path in private]
    return places + [_place(path, OTHERS_WRITE) for path in (*steady, *_files(home.active))]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError:
        return []


def _place(path: Path, forbidden: int) -> Place:
    try:
        found = path.stat()
    except OSError:
        return Place(path, forbidden, None)
    return Place(path, forbidden, stat.S_IMODE(found.st_mode), found.st_uid)


def _claims() -> Finding:
    try:
        folder = claims_folder()
        mode = stat.S_IMODE(folder.stat().st_mode)
        fd = open_locked(folder / "doctor.lock")  # the file stays, as every lock file does
        if fd is not None:
            os.close(fd)
    except (ConfigError, OSError) as exc:
        return judged("claims", str(exc), "set MAKERD_CLAIMS_DIR to a folder of yours, the same for every daemon")
    todo = f"chmod 700 {folder}" if mode & OTHERS_WRITE else ""
    return judged("claims", f"{folder} can be locked", todo)


def _disk(root: Path) -> DiskFacts | None:
    try:
        found = os.statvfs(root)
    except OSError:
        return None
    size = found.f_frsize
    return DiskFacts(_kind_of(root), found.f_bavail * size, found.f_blocks * size, found.f_favail, found.f_files)


def _kind_of(root: Path) -> str:
    """Return the kind of the file system, as the mount with the longest fitting path says."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    places = [(mount[1].encode().decode("unicode_escape"), mount[2]) for mount in mounts if len(mount) > 2]
    return max((place for place in places if root.is_relative_to(place[0])), key=lambda one: len(one[0]))[1]


def _daemon(home: Home) -> DaemonFacts:
    found = holder(home.run) if home.run.is_dir() else None
    if found is None:
        left = [name for name in (PID_FILE, SOCKET) if _is_left(home.run / name)]
        return DaemonFacts(None, False, tuple(left) if SOCKET in left else ())
    try:
        call(home, "ping", timeout_s=PING_S)
    except (DaemonDown, ControlRefused):
        return DaemonFacts(found.pid, False)
    return DaemonFacts(found.pid, True)


def _is_left(path: Path) -> bool:
    try:
        return path.stat().st_size > 0 or stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
