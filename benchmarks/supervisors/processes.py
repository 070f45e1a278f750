"""The processes of one run: found by a mark in their environment or by their session; weighed, timed, ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

MARK = "MAKERD_BENCH_RUN"
KB_PER_MB = 1024
POLL_S = 0.005


@dataclass(slots=True)
class Processes:
    """Every process that came of one run, also those that rewrote their environment: their session tells."""

    mark: str
    _sessions: set[int] = field(default_factory=set)

    def living(self) -> set[int]:
        """Return the pids of all that live."""
        mark = f"{MARK}={self.mark}".encode()
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]
        marked = {pid for pid in pids if mark in _environ(pid) and is_alive(pid)}
        self._sessions |= {session for pid in marked if (session := _session(pid))} - {os.getsid(0)}
        return {pid for pid in pids if (pid in marked or _session(pid) in self._sessions) and is_alive(pid)}

    def end(self) -> None:
        """Kill all of them, and those that come up meanwhile."""
        for _ in range(100):
            left = self.living()
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)


def wait_until(done: Callable[[], bool], patience_s: float) -> float | None:
    """Wait; return how long it took in seconds, None when it never came."""
    began = time.monotonic()
    while time.monotonic() - began < patience_s:
        if done():
            return time.monotonic() - began
        time.sleep(POLL_S)
    return None


def is_alive(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] not in (b"Z", b"X")


def pss_mb(pids: Iterable[int]) -> float:
    """Return the proportional memory of processes: what they share counts in parts."""
    return sum(map(_pss_kb, pids)) / KB_PER_MB


def cpu_s(pids: Iterable[int]) -> float:
    """Return the processor time that processes and their threads have had, to the microsecond."""
    return sum(map(_cpu_ns, pids)) / 1e9


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _cpu_ns(pid: int) -> int:
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0
