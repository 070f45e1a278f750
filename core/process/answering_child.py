"""A one-shot child that is asked one thing and answers on its standard output; heard in the supervisor's own loop."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable, Mapping, Sequence

from core.process.zygote_link import spawn_module

MAX_ANSWER = 32 * 1024 * 1024


class AnsweringChild:
    """One question under way; `on_done` gets what the child said, or None when it took too long."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        output_fd: int,
        selector: selectors.BaseSelector,
        deadline_ns: int,
        on_done: Callable[[bytes | None], None],
        keep: int | None = None,
    ) -> None:
        self._selector, self._on_done = selector, on_done
        self._said = b""
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)  # ours alone: the child's answer is larger than a pipe
        self.deadline_ns = deadline_ns
        try:
            self.pid = spawn_module(module, list(arguments), dict(env), writer, output_fd, keep)
        except OSError:
            os.close(self._reader)
            raise
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
        self._on_done(self._said)

    def _end(self) -> None:
        self._selector.unregister(self._reader)
        os.close(self._reader)

    def tend(self, now_ns: int) -> None:
        """End a child that takes too long."""
        if now_ns <= self.deadline_ns:
            return
        self._end()
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._on_done(None)
