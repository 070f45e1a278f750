"""Which processes of a fleet live, and who owns which bot, by what the kernel says."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_READ_ONLY = os.O_RDONLY


@dataclass(frozen=True, slots=True)
class Found:
    """One living process of the fleet. `writes` are the bots whose ledger it has open for writing."""

    pid: int
    title: str
    writes: frozenset[str] = field(default_factory=frozenset)

    @property
    def role(self) -> str:
        """Return daemon, zygote, worker, sweeper or other."""
        if self.title == "makerd: zygote":
            return "zygote"
        if self.title.startswith("makerd: sweep ") or "core.process.sweep" in self.title:
            return "sweeper"
        if self.title.startswith("makerd: "):
            return "worker"
        return "daemon" if "core.process.daemon" in self.title else "other"

    @property
    def bot(self) -> str | None:
        """Return the bot that a worker or sweeper is of."""
        return self.title.split()[-1] if self.title.startswith("makerd: ") and self.role != "zygote" else None


def fleet_processes(tree: Path, state: Path | None = None) -> list[Found]:
    """Return the living processes whose working folder is `tree`; with `state` also which ledgers they write."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{name}/cwd") == str(tree) and not _is_zombie(name):
                    writes = frozenset(_written(name, state)) if state is not None else frozenset()
                    found.append(Found(int(name), _title(name), writes))
    return found


def _is_zombie(pid: str) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat[stat.rindex(")") + 2] in "ZX"


def _title(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def _written(pid: str, state: Path) -> Iterable[str]:
    """Yield the bots whose ledger a process has open for writing."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            target = Path(os.readlink(f"/proc/{pid}/fd/{fd}"))
            if target.name == "ledger.db" and target.parent.parent == state and _mode(pid, fd) != _READ_ONLY:
                yield target.parent.name


def _mode(pid: str, fd: str) -> int:
    for line in Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines():
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE
    return _READ_ONLY


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes; one that has left meanwhile is as good."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def freeze(tree: Path) -> list[int]:
    """Stop every process of the fleet, those that were just being made too; return their pids."""
    stopped: set[int] = set()
    while new := {found.pid for found in fleet_processes(tree)} - stopped:
        send(new, signal.SIGSTOP)
        stopped |= new
    return sorted(stopped)


def is_stopped(pid: int) -> bool:
    """Tell whether a process was stopped by a signal."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False
