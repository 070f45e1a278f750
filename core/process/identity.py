"""Who a process really is: pid, kernel start time and boot id; a pid alone may belong to a stranger by now."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for ever, across pid reuse and reboots."""

    pid: int
    start_ticks: int
    boot_id: str

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Identity:
        """Rebuild from `to_plain` data. Raises KeyError, TypeError or ValueError when it is something else."""
        return cls(int(plain["pid"]), int(plain["start_ticks"]), str(plain["boot_id"]))


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def identity_of(pid: int) -> Identity | None:
    """Return the identity of a living process, None when there is none (a zombie is not living)."""
    ticks = _start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id())


def is_alive(identity: Identity) -> bool:
    """Tell whether exactly that process still lives."""
    return identity_of(identity.pid) == identity


def signal_exactly(identity: Identity, number: signal.Signals) -> bool:
    """Send a signal to exactly that process; False when it is gone."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if identity_of(identity.pid) != identity:  # checked after the open: the pidfd cannot be reused
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True
