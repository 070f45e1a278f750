"""The first thing a forked child does: leave everything of its parents behind (the fork-safety checklist)."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import os
import random
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.bot_config import DaemonConfig
from core.process import channel
from utils import exit_statuses

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ADOPTION_S = 5.0
SPEC_TIMEOUT_S = 10.0  # how long a child waits to be told what it is

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, argument: int) -> None:
    """Call prctl(2). Raises OSError."""
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(supervisor_pid: int) -> bool:
    """Have the kernel send TERM when the supervisor dies; False when it is already dead.

    The worker is a grandchild of the zygote: the supervisor, a subreaper, adopts it when the process between ends.
    The wait for that is short, and a signal set before the adoption would follow the wrong parent.
    """
    deadline = time.monotonic() + ADOPTION_S
    while os.getppid() != supervisor_pid:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0002)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == supervisor_pid


class StopAsked(BaseException):
    """A stop was asked while the process waits for a venue that it has not opened yet."""


class SignalFlags:
    """TERM and INT as data: the handler only remembers, the wake-up descriptor ends a wait."""

    def __init__(self) -> None:
        self.stop_asked = False
        self._interrupts = False
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def install(self) -> None:
        """Take over TERM and INT and wake on any signal."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, _number: int, _frame: object) -> None:
        self.stop_asked = True
        if self._interrupts:
            raise StopAsked

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Have a stop end what the main thread waits for, with StopAsked: only where nothing can be left behind."""
        self._interrupts = True
        try:
            if self.stop_asked:
                raise StopAsked
            yield
        finally:
            self._interrupts = False

    def fileno(self) -> int:
        """Return what becomes readable when a signal arrives."""
        return self._reader

    def drain(self) -> None:
        """Forget the wake-up bytes."""
        try:
            while os.read(self._reader, 512):
                pass
        except BlockingIOError:
            pass


def take_orders(end: socket.socket) -> dict[str, Any]:
    """Return what the supervisor says this child is, and answer it; a supervisor that is gone ends the child."""
    end.settimeout(SPEC_TIMEOUT_S)
    spec = channel.receive(end)
    if spec is None:
        os._exit(exit_statuses.DONE)
    channel.send(end, {"t": "hello", "pid": os.getpid()})
    end.setblocking(False)
    return spec


def become_child(title: str, supervisor_pid: int, output: Path) -> SignalFlags:
    """Undo what the fork copied and make what each process needs of its own; leave when the supervisor is gone."""
    signals = SignalFlags()
    signals.install()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    os.setpgid(0, 0)
    gc.enable()
    random.seed()
    if "numpy.random" in sys.modules:  # asking numpy for it would import it, in every worker
        # With a number: without one it goes a long way round, which costs each fork a millisecond and 300 KB.
        sys.modules["numpy.random"].seed(int.from_bytes(os.urandom(4), "little"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    set_title(title)
    redirect_output(output)
    faulthandler.enable(file=sys.stderr, all_threads=True)
    faulthandler.register(signal.SIGUSR2, file=sys.stderr, all_threads=True, chain=False)
    if not die_with_parent(supervisor_pid):
        os._exit(0)
    return signals


def take_limits(config: DaemonConfig, group: str | None = None) -> None:
    """Hold this process to its config: control group, priority, open files. What cannot be had is gone without.

    No limit of the address space or the data segment: numpy, thread stacks and what is shared with the zygote make
    them far larger than what is used, and a MemoryError would hit the cancels, too.
    """
    if group is not None:
        with contextlib.suppress(OSError):
            fd = os.open(f"{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, b"0")
            finally:
                os.close(fd)
    with contextlib.suppress(PermissionError):  # a negative one is for root; the bot runs as well without it
        os.nice(config.nice)
    if config.open_files_limit is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = config.open_files_limit if hard == resource.RLIM_INFINITY else min(config.open_files_limit, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))


def supervisor_environ(pid: int) -> dict[str, str]:
    """Return the environment that the supervisor was started with.

    The zygote's environment is stripped and the supervisor never looks at a secret, so the worker reads the names
    it needs where the kernel keeps them, after its fork.
    """
    content = Path(f"/proc/{pid}/environ").read_bytes()
    pairs = (entry.partition(b"=") for entry in content.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def redirect_output(path: Path) -> None:
    """Send stdout and stderr of this process, native code's too, to a file of its own; to nowhere on a full disk."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def set_title(title: str) -> None:
    """Name this process for `ps`; names only, never a value of a config.

    Not for the supervisor: the title is written over the environment that workers read secrets from.
    """
    try:
        from setproctitle import setproctitle
    except ModuleNotFoundError:
        return
    setproctitle(title)


def leave(status: int) -> None:
    """End this process at once: no exit handler or buffer that a fork copied may run."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
