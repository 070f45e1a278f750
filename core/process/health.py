"""What a process costs: processor time, memory, open files, log volume; read at a pace that does not weigh.

Read from /proc directly: a few microseconds each. Only the proportional memory (PSS) makes the kernel walk the
process's pages, so it is read rarely, and at once when the resident memory, its upper bound, is past the limit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_NS = 15_000_000_000
SECOND_NS = 2_000_000_000  # the second reading comes soon, for a first CPU figure
PSS_NS = 60_000_000_000
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def is_frozen(pid: int) -> bool:
    """Tell whether a process is stopped by a signal or a debugger: it can do nothing, not even write its stacks."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] in (b"T", b"t")


@dataclass(slots=True)
class Health:
    """The latest reading of one process; None is "not read yet"."""

    pid: int
    logs: tuple[Path, ...] = ()  # the files that it writes
    cpu_pct: float | None = None
    pss_mb: float | None = None
    open_files: int | None = None
    log_bytes: int | None = None  # written since the first reading
    sampled_ns: int = 0
    _cpu_ns: int | None = None
    _pss_ns: int = 0
    _sizes: dict[Path, tuple[int, int]] = field(default_factory=dict)  # file -> inode, size

    def sample(self, now_ns: int, limit_mb: float = float("inf")) -> None:
        """Read the process; a vanished one keeps its last figures. `limit_mb` is what its PSS may be."""
        before_ns, self.sampled_ns = self.sampled_ns, now_ns
        try:
            self._read_cpu(now_ns - before_ns)
            self._read_memory(now_ns, limit_mb)
            self.open_files = len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            pass
        self._read_logs()

    def is_due(self, now_ns: int) -> bool:
        """Tell whether the reading is old."""
        pause_ns = SAMPLE_NS if self.cpu_pct is not None or self._cpu_ns is None else SECOND_NS
        return now_ns - self.sampled_ns >= pause_ns

    def _read_cpu(self, elapsed_ns: int) -> None:
        fields = _read(f"/proc/{self.pid}/stat").rpartition(b")")[2].split()
        cpu_ns = (int(fields[11]) + int(fields[12])) * _TICK_NS
        if self._cpu_ns is not None and elapsed_ns > 0:
            self.cpu_pct = round((cpu_ns - self._cpu_ns) / elapsed_ns * 100, 2)
        self._cpu_ns = cpu_ns

    def _read_memory(self, now_ns: int, limit_mb: float) -> None:
        resident_mb = int(_read(f"/proc/{self.pid}/statm").split()[1]) * _PAGE_MB
        if self.pss_mb is None or resident_mb > limit_mb or now_ns - self._pss_ns >= PSS_NS:
            self._pss_ns = now_ns
            self.pss_mb = _pss_mb(self.pid)
        self.pss_mb = round(min(self.pss_mb, resident_mb), 2)

    def _read_logs(self) -> None:
        """Add up what was written. What was rotated away between two readings is missed: a lower bound."""
        first, total = self.log_bytes is None, self.log_bytes or 0
        for path in self.logs:
            try:
                found = os.stat(path)
            except OSError:
                continue
            inode, size = self._sizes.get(path, (found.st_ino, found.st_size if first else 0))
            same = inode == found.st_ino and found.st_size >= size
            total += found.st_size - (size if same else 0)
            self._sizes[path] = (found.st_ino, found.st_size)
        self.log_bytes = total


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 8192)
    finally:
        os.close(fd)


def _pss_mb(pid: int) -> float:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
