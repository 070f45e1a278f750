"""Keeps the monitor running as a child of the daemon: started, heard once, restarted; nothing here waits for it."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.fleet_config import WebConfig
from core.process.zygote_link import spawn_module

MODULE = "core.monitor"
FIRST_NS = 1_000_000_000  # pause before the first restart; doubles
MOST_NS = 60_000_000_000
GOOD_NS = 60_000_000_000  # a child that lived so long begins with short pauses again
TELL_NS = 30_000_000_000  # a child that has not said where it listens by then is started anew
LEAVE_NS = 8_000_000_000  # then a child that was asked to leave is killed
END_S = 1.5
MAX_WORD = 64 * 1024
log = logging.getLogger("makerd.process")


class MonitorKeeper:
    """The one monitor of a daemon. `clock`: monotonic nanoseconds."""

    def __init__(self, home: Path, output_fd: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._home = home
        self._output_fd = output_fd
        self._clock = clock
        self._config = WebConfig()
        self._pid: int | None = None
        self._reader: int | None = None
        self._said = b""
        self._url: str | None = None
        self._reason = ""
        self._is_final = False
        self._pause_ns = FIRST_NS
        self._started_ns = self._due_ns = 0
        self._kill_ns: int | None = None

    def take(self, config: WebConfig) -> None:
        """Follow the daemon file: another address is another child."""
        if config != self._config:
            self._config, self._pause_ns = config, FIRST_NS
            self._leave()
        if self._is_final or config.enabled:  # the passwords in .env may have changed
            self._is_final, self._due_ns = False, 0

    def tend(self, now_ns: int) -> None:
        """Start it when it is due, hear what it says, end one that hangs."""
        if self._pid is None:
            if self._config.enabled and not self._is_final and now_ns >= self._due_ns:
                self._start(now_ns)
            return
        self._hear()
        if self._reader is not None and now_ns - self._started_ns > TELL_NS:
            self._reason = "it did not say where it listens"
            self._leave()
        if self._kill_ns is not None and now_ns > self._kill_ns:
            self._kill_ns = now_ns + LEAVE_NS
            self._signal(signal.SIGKILL)

    def reaped(self, pid: int) -> None:
        """Take note of an ended child, if it is this one."""
        if pid != self._pid:
            return
        self._hear()
        now_ns = self._clock()
        asked = self._kill_ns is not None
        if now_ns - self._started_ns > GOOD_NS:
            self._pause_ns = FIRST_NS
        if not asked:
            self._reason = self._reason or "it ended unasked; see var/log/daemon.web.out"
            log.warning("monitor_ended", extra={"fields": {"reason": self._reason, "again_s": self._pause_ns // 10**9}})
        self._due_ns = now_ns + (0 if asked else self._pause_ns)
        self._pause_ns = FIRST_NS if asked else min(MOST_NS, 2 * self._pause_ns)
        self._forget()

    def status(self) -> dict[str, Any]:
        """Return what `status` tells: `state` (off, starting, running, down), `url`, `reason`."""
        state = (
            "off" if not self._config.enabled else "running" if self._url else "down" if self._reason else "starting"
        )
        shown = state != "off"
        return {"state": state, "url": self._url if shown else None, "reason": self._reason if shown else ""}

    def end(self) -> None:
        """End it with the daemon; its kernel signal would, too, but its port shall be free for the next one."""
        self._config = WebConfig()
        self._leave()
        deadline_s = time.monotonic() + END_S
        while self._pid is not None and time.monotonic() < deadline_s:
            try:
                if os.waitpid(self._pid, os.WNOHANG)[0]:
                    self._forget()
            except ChildProcessError:
                self._forget()
            time.sleep(0.01)
        self._signal(signal.SIGKILL)

    # ------------------------------------------------------------ an exec

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data; `take_over` is its inverse."""
        return {"pid": self._pid}

    def take_over(self, plain: Mapping[str, Any]) -> None:
        """Let the child of an earlier self go; one of the new code follows it."""
        if plain.get("pid"):
            self._pid, self._started_ns = int(plain["pid"]), self._clock()
            self._leave()

    # ------------------------------------------------------------ the child

    def _start(self, now_ns: int) -> None:
        self._said, self._started_ns, self._url = b"", now_ns, None
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writer, True)
        arguments = [str(self._home), str(os.getpid()), json.dumps(asdict(self._config))]
        try:
            # What configs refer to may be in the environment: the monitor judges them as the validator does.
            self._pid = spawn_module(MODULE, arguments, dict(os.environ), writer, self._output_fd)
            self._reader = reader
        except OSError as exc:
            os.close(reader)
            self._reason = f"it could not be started: {exc.strerror}"
            self._due_ns, self._pause_ns = now_ns + self._pause_ns, min(MOST_NS, 2 * self._pause_ns)
            log.warning("monitor_not_started", extra={"fields": {"reason": self._reason}})
        finally:
            os.close(writer)

    def _hear(self) -> None:
        """Take its one line, once it is whole."""
        if self._reader is None:
            return
        try:
            chunk = os.read(self._reader, MAX_WORD)
        except BlockingIOError:
            return
        self._said += chunk
        if chunk and b"\n" not in self._said and len(self._said) < MAX_WORD:
            return
        os.close(self._reader)
        self._reader = None
        try:
            word = json.loads(self._said)
            self._url = str(word["url"]) if "url" in word else None
            self._reason, self._is_final = str(word.get("error", ""))[:500], bool(word.get("final"))
        except (ValueError, TypeError):
            self._reason = "it ended before it said where it listens; see var/log/daemon.out"
        if self._url:
            log.info("monitor_listens", extra={"fields": {"url": self._url, "pid": self._pid}})

    def _leave(self) -> None:
        if self._pid is not None and self._kill_ns is None:
            self._kill_ns = self._clock() + LEAVE_NS
            self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is not None:
            try:
                os.kill(self._pid, number)  # not reaped yet, so it is ours
            except ProcessLookupError:
                pass

    def _forget(self) -> None:
        if self._reader is not None:
            os.close(self._reader)
        self._pid = self._reader = self._kill_ns = self._url = None
