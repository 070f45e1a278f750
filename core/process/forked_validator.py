"""The validator as a command asks it: a fork of the command with the validator's limits, no second interpreter.

The file that is read may be hostile; what it does to time or memory ends the child, never the command. The child is
that of the daemon (`validator.py`) in all but its start.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from core.process.child_setup import PR_SET_PDEATHSIG, prctl

VALIDATOR = "core.process.validator"  # imported in the child only, as the daemon has it
MAX_SAID = 64 * 1024  # of what the child says against itself


@dataclass(frozen=True, slots=True)
class Said:
    """What the child printed, and what it said on its standard error; `in_time` False when it had to be killed."""

    answer: bytes
    against: str
    in_time: bool


def ask_forked(arguments: Sequence[str], timeout_s: float) -> Said:
    """Run the validator in a fork of this process, which has no other thread; return what it said. Raises OSError."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    against = os.memfd_create("validator", os.MFD_CLOEXEC)
    _flush()
    pid = os.fork()
    if not pid:
        _be_validator(arguments, writer, against)
    os.close(writer)
    try:
        answer, in_time = _read_all(reader, time.monotonic() + timeout_s)
        return Said(answer, os.pread(against, MAX_SAID, 0).decode("utf-8", "replace"), in_time)
    finally:
        os.kill(pid, signal.SIGKILL)  # it is not reaped yet, so this is no other's pid
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(against)


def _flush() -> None:
    """Empty the buffers that the child would inherit and print a second time."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed: the command finds out when it prints
            pass


def _be_validator(arguments: Sequence[str], writer: int, against: int) -> None:
    status = 1
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(writer, 1)
        os.dup2(against, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        status = importlib.import_module(VALIDATOR).main(arguments)
    except BaseException as exc:  # a command forked it: nothing of that may go on in here
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
    finally:
        _flush()
        os._exit(status)


def _read_all(reader: int, deadline: float) -> tuple[bytes, bool]:
    """Return what the child says until it ends, and whether it did so in time."""
    said: list[bytes] = []
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reader], [], [], left)[0]:
            chunk = os.read(reader, 1 << 20)
            if not chunk:
                return b"".join(said), True
            said.append(chunk)
    return b"".join(said), False
