"""A program of ours on a real pseudo-terminal of its own, typed at and read as a person does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence

import pyte

from utils.home import CHECKOUT

UP, DOWN, ENTER, CTRL_C = "\x1b[A", "\x1b[B", "\r", "\x03"
COLUMNS, LINES = 100, 40
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-B0-9]|\x1b[=>]")


class Terminal:
    """A Python program of the checkout, or any `command`, on a pseudo-terminal, with what a person sees on it."""

    def __init__(
        self, *arguments: str, command: Sequence[str] = (), columns: int = COLUMNS, lines: int = LINES, **env: str
    ) -> None:
        self.master, slave = pty.openpty()
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.resize(columns, lines)
        environ = {**os.environ, "TERM": "xterm-256color", **env}
        if not command:
            script, *rest = arguments
            command = [sys.executable, str(CHECKOUT / script), *rest]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509  # no thread lives here
        )  # fmt: skip
        self.seen = ""
        self.everything = ""
        self.raw = ""  # with what moves the cursor

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def wait_for(self, text: str, seconds: float = 20) -> None:
        """Read on until `text` has come since the last time."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            self._take()
        self.seen = self.seen.partition(text)[2]

    def _take(self) -> None:
        raw = os.read(self.master, 65536).decode(errors="replace")
        if "\x1b[6n" in raw:  # the library asks where the cursor is
            self.type("\x1b[1;1R")
        self._stream.feed(raw)
        self.raw += raw
        plain = _ESCAPES.sub("", raw)
        self.seen += plain
        self.everything += plain

    def resize(self, columns: int, lines: int) -> None:
        """Make the window as large as that; the program is told."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def lines(self) -> list[str]:
        """Return what stands on the screen, from the top."""
        return [line.rstrip() for line in self.screen.display]

    def wait_until(self, what: Callable[[list[str]], bool], seconds: float = 20) -> None:
        """Read on until the screen is as `what` wants it."""
        deadline = time.monotonic() + seconds
        while not what(self.lines()):
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, (self.lines(), self.raw[-400:], self.process.poll())
            self._take()

    def answer(self, question: str, keys: str) -> None:
        """Wait for a question and answer it."""
        self.wait_for(question)
        self.type(keys)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
