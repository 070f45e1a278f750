"""The children that tell a person: a few at once, the rest in a bounded queue. The supervisor only starts them."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.fleet_config import AlertsConfig
from core.process.zygote_link import environ_without_secrets, spawn_module

MAX_AT_ONCE = 4
MAX_WAITING = 100  # beyond it the newest is dropped and counted
MAX_TASK = 32 * 1024  # bytes; it has to fit a pipe at once
LIMIT_NS = 60_000_000_000  # a notifier ends itself long before
log = logging.getLogger("makerd.process")


@dataclass(slots=True)
class Notifiers:
    """What waits to be told and who is telling it."""

    home: Path
    output_fd: int
    started: int = 0
    dropped: int = 0
    _needs_secrets: bool = False  # the webhook's address may be in the environment
    _waiting: deque[bytes] = field(default_factory=deque)
    _running: dict[int, int] = field(default_factory=dict)  # pid -> deadline

    def add(self, alerts: AlertsConfig, event: dict[str, Any]) -> None:
        """Queue one alert for the hook and the webhook of the config."""
        self._needs_secrets = alerts.webhook_url is not None
        task = {"hook": alerts.hook, "webhook_url": alerts.webhook_url, "event": event}
        content = json.dumps(task, default=str).encode()
        if len(self._waiting) >= MAX_WAITING or len(content) > MAX_TASK:
            self.dropped += 1
        else:
            self._waiting.append(content)

    def tend(self, now_ns: int) -> None:
        """Start what waits, and end what takes far too long."""
        for pid, deadline_ns in self._running.items():
            if now_ns > deadline_ns:
                self._running[pid] = now_ns + LIMIT_NS
                _kill_group(pid)
        while self._waiting and len(self._running) < MAX_AT_ONCE:
            self._start(self._waiting.popleft(), now_ns)

    def reaped(self, pid: int) -> None:
        """Take note of an ended child, if it is one of these."""
        self._running.pop(pid, None)

    @property
    def waiting(self) -> int:
        """Return how many alerts nobody has begun to tell."""
        return len(self._waiting)

    def _start(self, content: bytes, now_ns: int) -> None:
        try:
            reader, writer = os.pipe2(os.O_CLOEXEC)
        except OSError as exc:
            self._not_sent(exc)
            return
        try:
            os.set_blocking(writer, False)
            if os.write(writer, content) != len(content):
                raise BlockingIOError("the pipe is too small")
            arguments = [str(self.home), str(reader)]
            env = dict(os.environ) if self._needs_secrets else environ_without_secrets()
            pid = spawn_module("core.process.notify", arguments, env, self.output_fd, self.output_fd, reader)
            self._running[pid] = now_ns + LIMIT_NS
            self.started += 1
        except OSError as exc:
            self._not_sent(exc)
        finally:
            os.close(reader)
            os.close(writer)

    def _not_sent(self, exc: OSError) -> None:
        self.dropped += 1
        log.warning("alert_not_sent", extra={"fields": {"reason": str(exc)}})


def hook_environ(home: Path) -> dict[str, str]:
    """Return what a hook finds in its environment: no secret of any bot."""
    return {**environ_without_secrets(), "MAKERD_HOME": str(home)}


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
