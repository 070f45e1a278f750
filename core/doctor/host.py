"""Whether this host can run the daemon: kernel, Python, limits, memory. Judgements are pure; probes look."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from core.doctor.finding import Finding, judged
from utils.system import old_kernel, unsupported

PACKAGES = (
    "click", "jsonschema", "dotenv", "requests", "websocket", "numpy", "rich", "cryptography", "certifi",
    "prometheus_client", "setproctitle",
)  # fmt: skip
FILES_A_BOT = 8  # open files of the supervisor for each bot, generously
FILES_OWN = 256
BOT_MB = 15.0  # what a working bot takes, and a little
PR_GET_CHILD_SUBREAPER = 37


def host_findings(bots: int) -> Iterator[Finding]:
    """Yield what there is to say about this host for a fleet of that size."""
    yield judge_kernel(os.uname().release)
    yield judge_python(sys.version_info[:3], sys.executable)
    yield judge_packages([name for name in PACKAGES if importlib.util.find_spec(name) is None])
    yield from judge_features({name: _tried(probe) for name, probe in PROBES.items()})
    yield judge_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1], bots)
    yield judge_processes(resource.getrlimit(resource.RLIMIT_NPROC)[0], _own_processes(), bots)
    yield judge_memory(_available_mb(), bots)


# ---------------------------------------------------------------- judgements


def judge_kernel(release: str) -> Finding:
    """Judge the kernel's version."""
    return judged("kernel", f"Linux {release}", old_kernel(release))


def judge_python(version: tuple[int, ...], executable: str) -> Finding:
    """Judge the interpreter."""
    text = f"Python {'.'.join(map(str, version))} ({executable})"
    return judged("python", text, unsupported("linux", version))


def judge_packages(missing: list[str]) -> Finding:
    """Judge whether every package of requirements.txt can be imported."""
    text = f"missing: {', '.join(missing)}" if missing else f"{len(PACKAGES)} packages are there"
    return judged("packages", text, "`make venv`, then use .venv/bin/python" if missing else "")


def judge_features(errors: Mapping[str, str]) -> Iterator[Finding]:
    """Judge what was tried of the kernel: name -> why it failed, empty when it did not."""
    for name, error in errors.items():
        todo = "this kernel, container or seccomp profile forbids it; run makerd elsewhere" if error else ""
        yield judged("feature", f"{name}{f': {error}' if error else ''}", todo)


def judge_files(hard: int, bots: int) -> Finding:
    """Judge the hard limit of open files; the daemon raises the soft one by itself."""
    needed = FILES_OWN + FILES_A_BOT * bots
    enough = hard in (resource.RLIM_INFINITY, -1) or hard >= needed
    text = f"up to {'any number of' if hard in (resource.RLIM_INFINITY, -1) else hard} open files"
    todo = "" if enough else f"raise the hard limit to {needed} or more (`ulimit -Hn`, LimitNOFILE)"
    return judged("open files", text, todo)


def judge_processes(limit: int, own: int, bots: int) -> Finding:
    """Judge the limit of processes of this user, who has `own` already (root is not limited)."""
    needed = own + 10 * bots + 32  # a live bot has threads, and the kernel counts them
    unlimited = limit in (resource.RLIM_INFINITY, -1)
    text = f"up to {'any number of' if unlimited else limit} processes, {own} there"
    todo = "" if unlimited or limit >= needed else f"raise the limit to {needed} or more (`ulimit -u`, TasksMax)"
    return judged("processes", text, warns=todo)


def judge_memory(available_mb: float | None, bots: int) -> Finding:
    """Judge the memory that is free."""
    if available_mb is None:
        return judged("memory", "the free memory cannot be read", warns="look at /proc/meminfo")
    needed = 150 + BOT_MB * bots
    todo = "" if available_mb >= needed else f"{bots} bots take about {needed:.0f} MB: stop something, or run fewer"
    return judged("memory", f"{available_mb:.0f} MB are available", warns=todo)


# ---------------------------------------------------------------- probes


def _pidfd() -> None:
    fd = os.pidfd_open(os.getpid())
    try:
        signal.pidfd_send_signal(fd, 0)  # nothing is sent, the right is checked
    finally:
        os.close(fd)


def _subreaper() -> None:
    found = ctypes.c_int()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(found), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _smaps() -> None:
    if b"Pss:" not in Path("/proc/self/smaps_rollup").read_bytes():
        raise OSError(0, "it says nothing of PSS")


def _peer() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        told = ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", told)[1] != os.getuid():
            raise OSError(0, "it names another user")


def _identity() -> None:
    if not Path("/proc/sys/kernel/random/boot_id").read_text().strip() or not Path("/proc/self/stat").read_bytes():
        raise OSError(0, "they are empty")


def _descriptors() -> None:
    if not os.listdir("/proc/self/fd"):
        raise OSError(0, "it is empty")


PROBES: dict[str, Callable[[], None]] = {
    "pidfd": _pidfd,
    "child subreaper": _subreaper,
    "/proc/PID/smaps_rollup": _smaps,
    "/proc/PID/fd": _descriptors,
    "boot id and start times": _identity,
    "SO_PEERCRED and SOCK_SEQPACKET": _peer,
}


def _tried(probe: Callable[[], None]) -> str:
    try:
        probe()
    except (OSError, AttributeError) as exc:
        return str(getattr(exc, "strerror", "") or exc)
    return ""


def _own_processes() -> int:
    found = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found += os.stat(f"/proc/{entry}").st_uid == os.getuid()
            except OSError:
                pass  # it has ended
    return found


def _available_mb() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
