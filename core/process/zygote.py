"""The zygote: imports and warms what the bots need, freezes it, and from then on only forks.

Exec'd by the supervisor with an environment of its own (no secret can be in it). One thread, one pipe, no other
file. It ignores TERM and INT and ends when the supervisor's end of the pipe closes.

Requests (JSON packets): `warm` brings an example of one kind of bot, `untried` when this process may be lost over it;
`fork` carries one descriptor, the child's end of its channel; `output` carries the file for our stdout and stderr,
which the supervisor has rotated. A fork is double: the process between ends at once, and the supervisor, a subreaper,
becomes the parent of the worker.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections import deque
from typing import Any, NoReturn

if not __package__:
    raise SystemExit("run as: python -m core.process.zygote FD SUPERVISOR_PID")

from core.process import build, channel, job_worker, sweep, worker
from core.process.child_setup import PR_SET_PDEATHSIG, prctl, set_title
from core.process.priority import go_first
from core.process.starvation import run_delay_ns
from core.redacted_streams import finish_streams, guard_streams
from utils import exit_statuses
from utils.scratch import temporary_files_in_scratch

TRIAL_S = 10.0
TRIAL_MAX_S = 45.0  # with the time that it waited for a processor
UNTRIED_S = 5.0
POLL_S = 0.002
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
KINDS = {"worker": worker.main, "job": job_worker.main, "sweep": sweep.main}


def main(fd: int, supervisor_pid: int) -> None:
    """Serve the supervisor until it goes; a trial that takes long delays nobody's fork."""
    for number in (*STOP_SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:
        return
    set_title("makerd: zygote")
    go_first()
    guard_streams()  # before anything is imported that keeps one of them
    pipe = socket.socket(fileno=fd)
    trials: deque[Trial] = deque()
    while True:
        if trials and not select.select([pipe], [], [], POLL_S)[0]:
            _attend(pipe, trials)
            continue
        request, fds = channel.receive_with_fds(pipe, 1)
        if request is None:
            return
        if request["op"] == "warm" and request["untried"]:
            _dare(pipe, request["bot"])
        elif request["op"] == "warm":
            trials.append(Trial(request["bot"]))
        elif request["op"] == "output":
            _print_to(fds[0])
        else:
            channel.send(pipe, fork(pipe, request, fds[0], supervisor_pid))


def _print_to(fd: int) -> None:
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _attend(pipe: socket.socket, trials: deque[Trial]) -> None:
    """Look after the first trial; one that passed is followed by warming this very process."""
    trial = trials[0]
    if not trial.ended():
        return
    trials.popleft()
    if trial.failure is None:
        _warm(trial.bot)
    channel.send(pipe, {"op": "warmed", "kind": trial.bot["kind"], "failed": trial.failure, "late": trial.was_late})


def _warm(bot: dict[str, Any]) -> None:
    gc.enable()
    _warm_up(bot)
    gc.collect()
    gc.freeze()
    gc.disable()


def _warm_up(bot: dict[str, Any]) -> None:
    """Run one bot of a kind for a moment; we may be killed in the middle, and what is then left must not pile up."""
    with temporary_files_in_scratch():
        build.warm_up(bot)


def _dare(pipe: socket.socket, bot: dict[str, Any]) -> None:
    """Warm the first kind without a trial: nothing was forked from this process, and to import twice takes long.

    When it raises, exits or takes too long, this process is spent; the next one tries each kind in a child first.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, UNTRIED_S)
    try:
        _warm(bot)
    except BaseException:
        os._exit(exit_statuses.CRASH)  # whatever it has begun, a thread say, ends here
    signal.setitimer(signal.ITIMER_REAL, 0)
    channel.send(pipe, {"op": "warmed", "kind": bot["kind"], "failed": None, "late": False})


class Trial:
    """One kind of bot, imported and run for a moment in a disposable child before this process does it.

    An import that raises, loops or exits costs that kind only.
    """

    def __init__(self, bot: dict[str, Any], deadline_s: float = TRIAL_S) -> None:
        self.bot = bot
        self.failure: str | None = None
        self.was_late = False  # it failed because its time was over
        self._pid = 0
        self._reader = -1
        self._deadline_s = deadline_s
        self._began_s = 0.0

    def ended(self) -> bool:
        """Start the child, or look whether it has ended; `failure` then says why the kind cannot be used."""
        if not self._pid:
            self._start()
            return False
        ended, status = os.waitpid(self._pid, os.WNOHANG)
        if not ended and self._is_over():
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self.was_late = True
            self.failure = f"its import or first tick did not end within {self._deadline_s:.0f} s"
            ended = self._pid
        elif ended and status:
            said = os.read(self._reader, 4096).decode(errors="replace")
            self.failure = said or f"its import ended the process (wait status {status})"
        if ended:
            os.close(self._reader)
        return bool(ended)

    def _is_over(self) -> bool:
        """Tell whether its time is over; what the machine did not give it does not count."""
        taken_s = time.monotonic() - self._began_s
        if taken_s <= self._deadline_s:
            return False
        return taken_s > TRIAL_MAX_S or taken_s - run_delay_ns(self._pid) / 1e9 > self._deadline_s

    def _start(self) -> None:
        self._reader, writer = os.pipe()
        self._began_s = time.monotonic()
        self._pid = os.fork()
        if self._pid == 0:
            _trial_child(self.bot, self._reader, writer)
        os.close(writer)
        os.set_blocking(self._reader, False)


def _trial_child(bot: dict[str, Any], reader: int, writer: int) -> None:
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(reader)
        os.set_blocking(writer, False)
        _warm_up(bot)
    except BaseException as exc:
        last = traceback.extract_tb(exc.__traceback__)[-1]
        os.write(writer, f"{type(exc).__name__}: {exc} ({last.filename}:{last.lineno})"[:4000].encode())
        os._exit(1)
    os._exit(0)


def fork(pipe: socket.socket, request: dict[str, Any], fd: int, supervisor_pid: int) -> dict[str, Any]:
    """Fork one worker, sweeper or guard and return the answer for the supervisor."""
    if len(os.listdir("/proc/self/task")) != 1:
        os.close(fd)
        return {"op": "failed", "id": request["id"], "error": "the zygote has a second thread; forking is unsafe"}
    finish_streams()  # or the child would write it once more
    reader, writer = os.pipe()
    # We ignore these, and so would the child until it has handlers; blocked, they wait for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        between = os.fork()
    except OSError as exc:
        os.close(reader)
        os.close(writer)
        os.close(fd)
        return {"op": "failed", "id": request["id"], "error": f"fork: {exc.strerror}"}
    else:
        if between == 0:
            _between(pipe, request, fd, reader, writer, supervisor_pid)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    os.close(writer)
    os.close(fd)
    said = os.read(reader, 32)
    os.close(reader)
    os.waitpid(between, 0)
    if not said:
        return {"op": "failed", "id": request["id"], "error": "fork: no process to be had"}
    return {"op": "forked", "id": request["id"], "pid": int(said)}


def _between(
    pipe: socket.socket, request: dict[str, Any], fd: int, reader: int, writer: int, supervisor_pid: int
) -> None:
    try:
        pid = os.fork()
        if pid:
            os.write(writer, str(pid).encode())
            os._exit(0)
        os.close(reader)
        os.close(writer)
        pipe.close()
        _live_as(request["kind"], socket.socket(fileno=fd), supervisor_pid)
    except BaseException:  # before it had a log
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(70)


def _live_as(kind: str, end: socket.socket, supervisor_pid: int) -> NoReturn:
    if kind == "dead_man_guard":
        from core.process import dead_man_guard  # one for each account, and none on most venues

        dead_man_guard.main(end, supervisor_pid)
    KINDS[kind](end, supervisor_pid)
    raise SystemExit


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
