"""A control group for each worker, where the service manager has delegated a subtree of cgroup v2 to the daemon.

Then the kernel fences memory, processor time and the number of processes in, and ends everything of a worker at once.
Only a delegated group is used (systemd's `Delegate=`, told by the attribute `user.delegate`): any other belongs to
somebody else, even where we may write it. Where there is none, everything is as without this file: memory is watched
by the supervisor, processor time only told.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from core.bot_config import DaemonConfig

OWN = "makerd.supervisor"  # the leaf of the supervisor, its zygote and its one-shots: a parent may hold no process
CONTROLLERS = ("memory", "cpu", "pids")
HARD_SHARE = 2.0  # memory.max against memory_limit_mb, at which the supervisor restarts a bot in good order before
PERIOD_US = 100_000
MAX_TASKS = 256  # processes and threads of one worker: a live one has a dozen
log = logging.getLogger("makerd.process")


# ---------------------------------------------------------------- pure


def group_in(proc_cgroup: str) -> str | None:
    """Return the cgroup v2 path in the text of a `/proc/PID/cgroup`, None when there is none."""
    return next((line[3:] for line in proc_cgroup.splitlines() if line.startswith("0::/")), None)


def mount_in(mountinfo: str) -> tuple[str, str] | None:
    """Return where cgroup v2 is mounted and which of its groups is there, from a `/proc/PID/mountinfo`."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if after.split(" ", 1)[0] == "cgroup2" and len(fields) >= 5:
            return fields[4], fields[3]
    return None


def folder_of(proc_cgroup: str, mountinfo: str) -> Path | None:
    """Return the folder of a process's group, or of its parent when the group is the supervisor's own leaf."""
    group, mount = group_in(proc_cgroup), mount_in(mountinfo)
    if group is None or mount is None:
        return None
    place, root = mount
    below = os.path.relpath(group, root)
    if below.startswith(".."):
        return None
    folder = Path(place) / below
    return folder.parent if folder.name == OWN else folder


def files_of(config: DaemonConfig, controllers: Iterable[str]) -> dict[str, str]:
    """Return what is written into a worker's group: file -> content."""
    files: dict[str, str] = {}
    if "memory" in controllers:
        files["memory.max"] = str(int(config.memory_limit_mb * HARD_SHARE * 1_000_000))
        files["memory.oom.group"] = "1"  # half a worker is no worker
    if "cpu" in controllers:
        share = config.cpu_limit_pct
        files["cpu.max"] = f"{'max' if share is None else max(1000, int(share * PERIOD_US / 100))} {PERIOD_US}"
    if "pids" in controllers:
        files["pids.max"] = str(MAX_TASKS)
    return files


def oom_kills(memory_events: str) -> int:
    """Return how many processes the kernel has ended for their group's memory, from a `memory.events`."""
    found = (line.split() for line in memory_events.splitlines())
    return next((int(fields[1]) for fields in found if fields[:1] == ["oom_kill"] and len(fields) == 2), 0)


# ---------------------------------------------------------------- the file system


def is_delegated(folder: Path) -> bool:
    """Tell whether the service manager has given a group to whoever runs in it."""
    try:
        return os.getxattr(folder, "user.delegate") == b"1"
    except OSError:
        return False


def delegated_folder(pid: int | str = "self", delegated: Callable[[Path], bool] = is_delegated) -> Path | None:
    """Return the delegated group that a process runs in, None when there is none that we may write."""
    try:
        proc = Path("/proc") / str(pid)
        folder = folder_of((proc / "cgroup").read_text(), (proc / "mountinfo").read_text())
    except OSError:
        return None
    if folder is None or not delegated(folder):
        return None
    needed = (folder, folder / "cgroup.procs", folder / "cgroup.subtree_control")
    return folder if all(os.access(path, os.W_OK) for path in needed) else None


class Groups:
    """The groups of one supervisor's workers. Nothing is raised: a fence that cannot be made is missed, no more."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.controllers: tuple[str, ...] = ()
        self._written: dict[str, Mapping[str, str]] = {}  # by bot: of a group that is its worker's alone

    def settle(self) -> bool:
        """Move the supervisor into a leaf and hand the controllers down; False when the group is not ours alone."""
        try:
            (self.root / OWN).mkdir(exist_ok=True)
            _write(self.root / OWN / "cgroup.procs", "0")
            there = (self.root / "cgroup.controllers").read_text().split()
            self.controllers = tuple(one for one in CONTROLLERS if one in there)
            if self.controllers:
                wanted = " ".join(f"+{one}" for one in self.controllers)
                _write(self.root / "cgroup.subtree_control", wanted)
        except OSError as exc:  # somebody else's process is in it, most likely
            log.warning("cgroup_not_used", extra={"fields": {"group": str(self.root), "reason": str(exc)}})
            with contextlib.suppress(OSError):
                _write(self.root / "cgroup.procs", "0")
                (self.root / OWN).rmdir()
            return False
        log.info("cgroup", extra={"fields": {"group": str(self.root), "controllers": list(self.controllers)}})
        return True

    def prepare(self, name: str, config: DaemonConfig) -> str | None:
        """Make the group of a worker that is about to be forked; return its folder, which the worker joins itself."""
        folder = self._folder(name)
        self._written.pop(name, None)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as exc:
            log.warning("cgroup_not_made", extra={"fields": {"bot": name, "reason": str(exc)}})
            return None
        if _is_populated(folder):  # by a worker of an earlier supervisor, which may be cancelling its orders
            return None
        self.hold(name, config)
        return str(folder)

    def hold(self, name: str, config: DaemonConfig) -> None:
        """Hold a worker's group to its config; does nothing while that is the same."""
        files = files_of(config, self.controllers)
        if self._written.get(name) == files or not self._folder(name).exists():
            return
        self._written[name] = files
        for file, text in files.items():
            try:
                _write(self._folder(name) / file, text)
            except OSError as exc:
                fields = {"bot": name, "file": file, "reason": str(exc)}
                log.warning("cgroup_not_written", extra={"fields": fields})

    def kill(self, name: str) -> None:
        """End whatever is in a worker's group, also what has left its process group and session."""
        if name not in self._written:
            return
        with contextlib.suppress(OSError):  # it is gone, or a kernel before 5.14
            _write(self._folder(name) / "cgroup.kill", "1")

    def ended(self, name: str) -> str:
        """Kill what a worker has left, take its group away, and return why the kernel ended it, if it did."""
        self.kill(name)
        written = self._written.pop(name, None)
        if written is None:
            return ""
        kills, limit = 0, written.get("memory.max")
        with contextlib.suppress(OSError, ValueError):
            kills = oom_kills((self._folder(name) / "memory.events").read_text())
        with contextlib.suppress(OSError):  # what was killed a moment ago may still be in it: the next worker reuses it
            self._folder(name).rmdir()
        return f"ended by the kernel: over {int(limit) / 1e6:.0f} MB" if kills and limit else ""

    def _folder(self, name: str) -> Path:
        return self.root / f"bot.{name}"


def _is_populated(folder: Path) -> bool:
    """Tell whether a process is in a group."""
    try:
        return "populated 1" in (folder / "cgroup.events").read_text().splitlines()
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    """Write one control file, which must be there, in one write. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def own_groups() -> Groups | None:
    """Return the groups below the one that was delegated to this process, None when there is none or it is no use."""
    folder = delegated_folder()
    if folder is None:
        return None
    groups = Groups(folder)
    return groups if groups.settle() else None
