"""What a terminal shows while a command waits: what is going on and for how long; nothing elsewhere."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from utils.terminal import wants_colour

EVERY_S = 1.0
_CLEAR = "\r\x1b[K"


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show `what` with the seconds since it began, and take it away at the end; one plain line on a plain terminal.

    By a timer signal, not by a thread: the validator is forked, and a fork beside a thread can inherit a held lock.
    """
    if not _somebody_looks() or threading.current_thread() is not threading.main_thread():
        yield
        return
    moves = wants_colour(sys.stderr)
    show = _counting(what) if moves else _once(what)
    before = signal.signal(signal.SIGALRM, lambda _number, _frame: show())
    signal.setitimer(signal.ITIMER_REAL, EVERY_S, EVERY_S)
    try:
        if moves:
            show()
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if moves:
            _write(_CLEAR)


def _somebody_looks() -> bool:
    try:
        return sys.stderr.isatty()
    except ValueError:  # closed
        return False


def _counting(what: str) -> Callable[[], None]:
    began_s = time.monotonic()

    def show() -> None:
        seconds = int(time.monotonic() - began_s)
        _write(f"{_CLEAR}{what} ...{f' {seconds} s' if seconds else ''}")

    return show


def _once(what: str) -> Callable[[], None]:
    said: list[str] = []

    def show() -> None:
        if not said:
            said.append(what)
            _write(f"{what} ...\n")

    return show


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
