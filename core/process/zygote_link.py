"""The zygote as the supervisor sees it: started, warmed, asked for forks, replaced when it fails."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import Any

from core.process import channel
from core.process.starvation import run_delay_ns

# The only names of the environment that reach the zygote; whatever else is set may be a secret.
ENV_ALLOWED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHASHSEED")
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
MAX_OPEN = 8
ANSWER_NS = 1_000_000_000
ANSWER_MAX_NS = 10_000_000_000  # with the time that it waited for a processor


def environ_without_secrets() -> dict[str, str]:
    """Return the environment of the zygote."""
    kept = {name: os.environ[name] for name in ENV_ALLOWED if name in os.environ}
    kept.update(dict.fromkeys(ONE_THREAD, "1"))
    if "MAKERD_CLAIMS_DIR" in os.environ:
        kept["MAKERD_CLAIMS_DIR"] = os.environ["MAKERD_CLAIMS_DIR"]
    return kept


def spawn_module(
    module: str, arguments: list[str], env: dict[str, str], stdout: int, stderr: int, keep: int | None = None
) -> int:
    """Exec `python -m module` with at most one further descriptor and return its pid. Raises OSError."""
    null = os.open(os.devnull, os.O_RDONLY)
    actions = [
        (os.POSIX_SPAWN_DUP2, null, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    if keep is not None:
        os.set_inheritable(keep, True)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", module, *arguments],
            env,
            file_actions=actions,
            setpgroup=0,
            setsigmask=[],
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD],
        )
    finally:
        os.close(null)
        if keep is not None:
            os.set_inheritable(keep, False)


@dataclass(frozen=True, slots=True)
class CarriedZygote:
    """A running zygote: its pid, our end of its pipe, and what is warm in it."""

    pid: int
    fd: int
    warm_kinds: tuple[str, ...]


@dataclass(slots=True)
class ForkRequest:
    """One wanted child; `theirs` is closed as soon as the request is sent."""

    id: int
    kind: str
    name: str
    theirs: socket.socket
    needs: str  # the kind of bot that must be warm
    asked_ns: int
    sent_ns: int | None = None


@dataclass(slots=True)
class ZygoteLink:
    """The line to one zygote."""

    pid: int = 0
    end: socket.socket | None = None
    warm_kinds: set[str] = field(default_factory=set)
    waiting: list[ForkRequest] = field(default_factory=list)
    open: dict[int, ForkRequest] = field(default_factory=dict)
    answered_ns: int = 0  # when it last answered anything
    delay_ns: int = 0  # how long it had waited for a processor by then

    def carried(self) -> CarriedZygote:
        """Return what a later self needs of a living zygote."""
        return CarriedZygote(self.pid, -1 if self.end is None else self.end.fileno(), tuple(sorted(self.warm_kinds)))

    @classmethod
    def taken_over(cls, carried: CarriedZygote) -> ZygoteLink:
        """Return the link to the zygote of an earlier self."""
        end = socket.socket(fileno=carried.fd)
        end.setblocking(False)
        return cls(carried.pid, end, set(carried.warm_kinds))

    def start(self, output_fd: int) -> None:
        """Exec a zygote. Raises OSError."""
        ours, theirs = channel.pair()
        env = environ_without_secrets()
        try:
            arguments = [str(theirs.fileno()), str(os.getpid())]
            self.pid = spawn_module("core.process.zygote", arguments, env, output_fd, output_fd, theirs.fileno())
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.end = ours
        self.warm_kinds.clear()

    def warm(self, kind: dict[str, Any], untried: bool = False) -> None:
        """Ask it to import and warm an example of one kind of bot; `untried`: it may be lost over it."""
        with contextlib.suppress(OSError):  # it has just ended: the next one is asked
            if self.end is not None:
                channel.send(self.end, {"op": "warm", "bot": kind, "untried": untried})

    def request(self, request: ForkRequest, now_ns: int) -> None:
        """Ask for a child, at once or when others have been answered."""
        self.waiting.append(request)
        self.pump(now_ns)

    def pump(self, now_ns: int) -> None:
        """Send what may be sent: kinds that are warm, and not too many requests open."""
        if self.end is None:
            return
        for request in [request for request in self.waiting if request.needs in self.warm_kinds]:
            if len(self.open) >= MAX_OPEN or not self._send(request, now_ns):
                return

    def _send(self, request: ForkRequest, now_ns: int) -> bool:
        assert self.end is not None
        packet = {"op": "fork", "id": request.id, "kind": request.kind}
        try:
            sent = channel.send(self.end, packet, (request.theirs.fileno(),))
        except OSError:
            sent = False
        if sent:
            if not self.open:
                self.delay_ns = run_delay_ns(self.pid)
            self.waiting.remove(request)
            request.theirs.close()
            request.sent_ns = now_ns
            self.open[request.id] = request
        return sent

    def overdue(self, now_ns: int) -> bool:
        """Tell whether it has been silent for too long although a fork request is open."""
        sent = [request.sent_ns for request in self.open.values() if request.sent_ns is not None]
        silent_ns = now_ns - max(min(sent), self.answered_ns) if sent else 0
        if silent_ns <= ANSWER_NS:
            return False
        return silent_ns > ANSWER_MAX_NS or silent_ns - (run_delay_ns(self.pid) - self.delay_ns) > ANSWER_NS

    def answered(self, now_ns: int) -> None:
        """Note that it lives."""
        self.answered_ns, self.delay_ns = now_ns, run_delay_ns(self.pid)

    def kill(self) -> None:
        """End this zygote; it has no state worth a goodbye, and workers are not its children."""
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.end is not None:
            self.end.close()
            self.end = None
        self.warm_kinds.clear()
