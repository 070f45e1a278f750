"""A program of ours on a real pseudo-terminal of its own, typed at and read as a person does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Sequence

from utils.home import CHECKOUT

DOWN, ENTER, CTRL_C = "\x1b[B", "\r", "\x03"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-B0-9]|\x1b[=>]")


class Terminal:
    """A Python program of the checkout on a pseudo-terminal."""

    def __init__(self, *arguments: str, **env: str) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **env}
        script, *rest = arguments
        command: Sequence[str] = [sys.executable, str(CHECKOUT / script), *rest]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509  # no thread lives here
        )  # fmt: skip
        self.seen = ""
        self.everything = ""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def wait_for(self, text: str, seconds: float = 20) -> None:
        """Read on until `text` has come since the last time."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            raw = os.read(self.master, 65536).decode(errors="replace")
            if "\x1b[6n" in raw:  # the library asks where the cursor is
                self.type("\x1b[1;1R")
            plain = _ESCAPES.sub("", raw)
            self.seen += plain
            self.everything += plain
        self.seen = self.seen.partition(text)[2]

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
