"""What process 1 of a container owes to the others there: children of the dead become its own, and are reaped."""

from __future__ import annotations

import os
import time

STEP_S = 0.02


def reap_strangers(but: int) -> list[int]:
    """Reap every ended child but one that somebody else waits for; return their pids."""
    reaped = []
    while (pid := _next_ended()) is not None and pid != but:
        os.waitpid(pid, 0)
        reaped.append(pid)
    return reaped


def reap_until_alone(seconds: float) -> bool:
    """Reap until no child is left; False when some still live after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(STEP_S)
        except ChildProcessError:
            return True
    return False


def _next_ended() -> int | None:
    try:
        info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if info is None else int(info.si_pid)
