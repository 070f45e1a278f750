"""What a process costs: memory and CPU, read by psutil at a pace that does not weigh on the supervisor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_NS = 15_000_000_000  # each worker this often; reading PSS makes the kernel walk its pages


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
    cpu_pct: float | None = None
    pss_mb: float | None = None
    sampled_ns: int = 0
    _process: psutil.Process | None = None

    def sample(self, now_ns: int) -> None:
        """Read the process; a vanished one keeps its last figures."""
        self.sampled_ns = now_ns
        try:
            if self._process is None:
                self._process = psutil.Process(self.pid)
                self._process.cpu_percent()  # the first call sets the start of the interval
            else:
                self.cpu_pct = round(self._process.cpu_percent(), 2)
            self.pss_mb = round(self._process.memory_full_info().pss / 2**20, 2)
        except psutil.Error:
            pass

    def is_due(self, now_ns: int) -> bool:
        """Tell whether the reading is old; the second one comes soon, for a first CPU figure."""
        pause_ns = SAMPLE_NS if self.cpu_pct is not None or self._process is None else 2_000_000_000
        return now_ns - self.sampled_ns >= pause_ns
