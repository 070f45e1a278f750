"""The one-shot child that reads and validates configs, as the supervisor sees it: started, read, timed, judged."""

from __future__ import annotations

import json
import os
import selectors
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.process.zygote_link import spawn_module

DEADLINE_NS = 60_000_000_000
MAX_ANSWER = 32 * 1024 * 1024


class ConfigChild:
    """One validation under way; `on_done` gets the child's answer, or a text that says why there is none."""

    def __init__(
        self,
        home: Path,
        configs: Path,
        output_fd: int,
        selector: selectors.BaseSelector,
        now_ns: int,
        on_done: Callable[[dict[str, Any] | str], None],
    ) -> None:
        self._selector = selector
        self._on_done = on_done
        self._said = b""
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)  # ours alone: the child's answer is larger than a pipe
        arguments = ["--home", str(home), "--configs", str(configs)]
        self.deadline_ns = now_ns + DEADLINE_NS
        try:
            self.pid = spawn_module("core.process.validator", arguments, dict(os.environ), writer, output_fd)
        finally:
            os.close(writer)
        selector.register(self._reader, selectors.EVENT_READ, self._on_readable)

    def _on_readable(self, _mask: int) -> None:
        try:
            chunk = os.read(self._reader, 1 << 20)
        except BlockingIOError:
            return
        self._said += chunk
        if chunk and len(self._said) <= MAX_ANSWER:
            return
        self._end()
        self._on_done(self._verdict())

    def _end(self) -> None:
        self._selector.unregister(self._reader)
        os.close(self._reader)

    def _verdict(self) -> dict[str, Any] | str:
        try:
            answer = json.loads(self._said.splitlines()[-1])
            if "error" in answer:
                return str(answer["error"])
            if {"bots", "daemon", "invalid", "unclean"} <= answer.keys():
                return dict(answer)
        except (ValueError, IndexError, AttributeError):
            pass
        return "the configs could not be validated: the child ended without an answer; see var/log/daemon.out"

    def expire(self) -> None:
        """End a validation that takes too long."""
        self._end()
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._on_done("the configs could not be validated in time")
