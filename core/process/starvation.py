"""How long the kernel let a process wait for a processor: what has no time is not what hangs."""

from __future__ import annotations

from pathlib import Path


def run_delay_ns(pid: int) -> int:
    """Return how long a process has been ready to run and did not, since its start; 0 where the kernel does not tell.

    The wait that is still going on is not in it, but no wait is long: every process gets a turn now and then.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
