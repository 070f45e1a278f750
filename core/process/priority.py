"""Who steers goes before who works: a supervisor behind two hundred workers that all want a processor is of no use.

A fair scheduler gives each process its share, and one of two hundred is less than the supervisor needs, when a market
moves and every bot is busy. So supervisor, zygote, sweeps, guards and monitor go first, as far as the kernel lets them:
a better nice value for root and where the service manager allows it (`LimitNICE`), and short slices for anybody, which
Linux 6.12 and later take (sched_setattr(2): `sched_runtime` of SCHED_OTHER, 0.1 to 100 ms). Workers never inherit it.
All threads of the monitor do: one that is put off while it holds the interpreter's lock would put off the others, too.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

NICE: Final = -10  # nine times the weight of a process at 0
SLICE_NS: Final = 100_000
_RESET_ON_FORK: Final = 1
_SETTERS: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}  # the number of sched_setattr(2)
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQII")  # size, policy, flags, nice, RT priority, runtime, ...
_libc = ctypes.CDLL(None, use_errno=True)


def go_first(*, children: bool = False) -> int:
    """Have this thread go before others, as far as it may; return the nice value that it has then.

    A process that was given a nice value or a scheduling policy of its own keeps it. What is forked or started from
    here begins with an ordinary place again, unless `children`: then threads and processes that begin later have the
    same.
    """
    was = os.getpriority(os.PRIO_PROCESS, 0)
    if not _has_ordinary_policy():
        return was
    flags = 0 if children else _RESET_ON_FORK
    if was != 0 or not _set(NICE, flags):
        _set(was, flags)
    return os.getpriority(os.PRIO_PROCESS, 0)


def go_with_the_others() -> None:
    """Have this process take an ordinary place, after a fork from one that goes first with its children."""
    if os.getpriority(os.PRIO_PROCESS, 0) == NICE:
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def _has_ordinary_policy() -> bool:
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER


def _set(nice: int, flags: int) -> bool:
    """Tell whether this thread has the nice value and the short slice now."""
    number = _SETTERS.get(os.uname().machine)
    if number is None:
        return False
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, flags, nice, 0, SLICE_NS, 0, 0, 0, 0)
    return bool(_libc.syscall(number, 0, attributes, 0) == 0)
