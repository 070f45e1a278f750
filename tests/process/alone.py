"""Work in a process of its own that is the reaper of all below it: what it reaps or limits is nobody else's."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from core.process.child_setup import PR_SET_CHILD_SUBREAPER, prctl


def alone(work: Callable[[], None]) -> None:
    """Do some work in a forked child; fails the test with its traceback when it raises."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            work()
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        trouble = said.read().decode()
    os.waitpid(pid, 0)
    assert not trouble, trouble


def spawn(script: str) -> int:
    """Start a shell without a handler or core dump and return its pid."""
    script = f"ulimit -c 0; {script}"
    every = [number for number in range(1, 32) if number not in (9, 19)]
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, setsigmask=[], setsigdef=every)
