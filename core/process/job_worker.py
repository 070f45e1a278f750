"""The worker of a job, from the fork to its exit status: no claim, no ledger, no run record, nothing to sweep.

It is heard, logged, watched and restarted as the worker of a bot is. It leaves by `os._exit` only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.jobs.base import job_function
from core.logger import redacted
from core.process import channel
from core.process.child_setup import (
    PR_SET_PDEATHSIG,
    SignalFlags,
    become_child,
    leave,
    prctl,
    supervisor_environ,
    take_limits,
    take_orders,
)
from core.process.error_statuses import status_of
from core.process.secrets_of import secrets_in
from core.process_logs import ProcessLogs
from core.registry.secret_values import resolve_secrets
from utils import exit_statuses
from utils.errors import MakerdError
from utils.home import Home

BEAT_NS = 1_000_000_000
log = logging.getLogger("makerd.process")


def main(end: socket.socket, supervisor_pid: int) -> None:
    """Run one job as its supervisor says; never returns."""
    spec = take_orders(end)
    home, config = Home(Path(spec["home"])), BotConfig.from_plain(spec["config"])
    signals = become_child(f"makerd: job {config.name}", supervisor_pid, home.log / f"{config.name}.out")
    # A job has nothing to tidy up, and no claim keeps a second one away: it ends with its supervisor, at once.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:
        os._exit(exit_statuses.DONE)
    take_limits(config.daemon, spec.get("cgroup"))
    logs = ProcessLogs(home.log, config.name, spec.get("logs"))
    logs.guard_streams()
    leave(run(end, signals, home, config, lambda: supervisor_environ(supervisor_pid), logs))


def run(
    end: socket.socket,
    signals: SignalFlags,
    home: Home,
    config: BotConfig,
    environ: Callable[[], dict[str, str]],
    logs: ProcessLogs,
) -> int:
    """Run the job, report how it ended, and return the exit status."""
    status, reason = _outcome(end, signals, home, config, environ, logs)
    log.info("worker_ended", extra={"fields": {"status": status, "reason": reason}})
    with contextlib.suppress(OSError):
        channel.send(end, {"t": "exit", "status": status, "reason": reason, "clean": True, "left": []})
    logs.close()
    return status


def _outcome(
    end: socket.socket,
    signals: SignalFlags,
    home: Home,
    config: BotConfig,
    environ: Callable[[], dict[str, str]],
    logs: ProcessLogs,
) -> tuple[int, str]:
    try:
        # Most jobs have no secret; what need not be looked at is not copied from the zygote's memory either.
        resolved = resolve_secrets(config, environ(), home.env_file) if config.secret_names else config
        logs.open_log(secrets_in(resolved))
        job = job_function(config.strategy)
        log.info("worker_started", extra={"fields": {"pid": os.getpid(), "job": config.strategy}})
        job(Context(end, signals, home, config.name, resolved.job_config, logs))
    except Exception as exc:
        return _failed(exc)
    return exit_statuses.DONE, "asked to stop" if signals.stop_asked else "done"


def _failed(exc: Exception) -> tuple[int, str]:
    status, trace = status_of(exc), traceback.format_exc()
    shown = trace if not isinstance(exc, MakerdError) else None
    log.error("worker_failed", extra={"fields": {"reason": str(exc), "status": status, "traceback": shown}})
    return status, redacted(str(exc) if isinstance(exc, MakerdError) else f"{type(exc).__name__}: {exc}")


class Context:
    """A job's `JobContext`."""

    def __init__(
        self,
        end: socket.socket,
        signals: SignalFlags,
        home: Home,
        name: str,
        params: Mapping[str, Any],
        logs: ProcessLogs | None = None,
    ) -> None:
        self.name = name
        self.params = params
        self.home = home
        self.log = logging.getLogger("makerd.process")
        self._logs = logs
        self._end = end
        self._signals = signals
        self._supervised = True
        self._phase = ""
        self._next_beat_ns = 0

    @property
    def stop_asked(self) -> bool:
        """Tell whether the job should end."""
        return self._signals.stop_asked or not self._supervised

    def beat(self, phase: str = "WORKING") -> None:
        """Say that the job lives; said often, it is passed on once a second, and when the phase changes."""
        now_ns = time.monotonic_ns()
        if now_ns < self._next_beat_ns and phase == self._phase:
            return
        self._phase, self._next_beat_ns = phase, now_ns + BEAT_NS
        if self._logs is not None:
            self._logs.tend()
        try:
            channel.send(self._end, {"t": "beat", "ready": True, "snapshot": {"phase": phase}})
        except OSError:
            self._supervised = False

    def wait(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """Wait until the time is over or one of `fds` is readable, beating meanwhile; False when a stop is asked."""
        ends_ns = time.monotonic_ns() + int(seconds * 1e9)
        while not self.stop_asked:
            self.beat(self._phase or "WAITING")
            now_ns = time.monotonic_ns()
            if now_ns >= ends_ns:
                break
            left_s = (min(ends_ns, self._next_beat_ns) - now_ns) / 1e9
            watched = [self._signals.fileno(), self._end.fileno(), *fds]
            readable = select.select(watched, [], [], max(0.0, left_s))[0]
            if self._signals.fileno() in readable:
                self._signals.drain()
            if self._end.fileno() in readable:
                self._hear()
            if not set(fds).isdisjoint(readable):
                break
        return not self.stop_asked

    def _hear(self) -> None:
        """Take what the supervisor says: its end, or words for bots; a stop comes as a signal too."""
        try:
            self._supervised = channel.receive(self._end) is not None
        except (BlockingIOError, channel.BadPacket):
            pass
        except ConnectionError:
            self._supervised = False
