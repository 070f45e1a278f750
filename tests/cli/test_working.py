"""What a terminal shows while a command waits: by a program of its own, for its timer is the one that bounds tests."""

from __future__ import annotations

import subprocess
import sys

from tests.terminal_parts import Terminal
from utils.home import CHECKOUT

PROGRAM = """
import signal, sys
from cli import working as module
module.EVERY_S = 0.05
before = signal.getsignal(signal.SIGALRM)
try:
    with module.working("stopping"):
        if sys.stderr.isatty():
            signal.pause()
            signal.pause()
        else:
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        raise ValueError
except ValueError:
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
    print("as before")
"""
COMMAND = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(CHECKOUT)!r})\n{PROGRAM}"]


def seen_on(**env: str) -> str:
    terminal = Terminal(command=COMMAND, **env)
    try:
        terminal.wait_for("as before\r\n")
        return terminal.raw
    finally:
        terminal.close()


def test_it_says_what_goes_on_and_leaves_a_clean_line_and_no_timer() -> None:
    shown = seen_on()
    assert shown.startswith("\r\x1b[Kstopping ...\r\x1b[Kstopping ...")
    assert shown.endswith("\r\x1b[Kas before\r\n")


def test_a_plain_terminal_gets_one_plain_line() -> None:
    assert seen_on(NO_COLOR="1") == "stopping ...\r\nas before\r\n"


def test_where_nobody_looks_nothing_is_said_and_no_timer_runs() -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("as before\n", "")
