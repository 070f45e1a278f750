"""The door's commands in children of one process that has imported them: a start of Python less for each command.

It is the same code with arguments, environment, folder and output of its own, and its caller goes when it is done, as
with a command typed in a shell. What a new interpreter does is proven in `tests/cli`, where each door is run by path.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

WIDEST = 1 << 20  # bytes of one request
FDS = 3  # stdout, stderr, and the pipe that says pid and status


class WarmDoor:
    """A process that forks one child per command of the code in `checkout`. It ends with who has started it."""

    def __init__(self, checkout: Path) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WIDEST)
        with theirs:
            command = [sys.executable, "-P", __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=checkout, pass_fds=[theirs.fileno()])

    @property
    def pid(self) -> int:
        """Return its pid."""
        return self._process.pid

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command from the root folder. Raises subprocess.TimeoutExpired; the command is killed then."""
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            reader, writer = os.pipe()
            request = json.dumps({"arguments": list(arguments), "environ": dict(environ)}).encode()
            try:
                socket.send_fds(self._ours, [request], [stdout.fileno(), stderr.fileno(), writer])
            finally:
                os.close(writer)
            status = _await_status(reader, list(arguments), timeout_s)
            return subprocess.CompletedProcess(list(arguments), status, _text(stdout), _text(stderr))

    def close(self) -> None:
        """End it."""
        self._ours.close()
        self._process.wait(30)


@functools.cache
def warm_door(checkout: Path) -> WarmDoor:
    """Return the one of this test process for the code in `checkout`, which nobody changes any more."""
    door = WarmDoor(checkout)
    atexit.register(door.close)
    return door


def _await_status(reader: int, arguments: list[str], timeout_s: float) -> int:
    said, deadline = b"", time.monotonic() + timeout_s
    with open(reader, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            chunk = pipe.read(4096)
            if not chunk:
                words = said.split()
                return int(words[1]) if len(words) == 2 else -signal.SIGKILL
            said += chunk
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(int(said.split()[0]), signal.SIGKILL)
    raise subprocess.TimeoutExpired(arguments, timeout_s)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _serve(ours: socket.socket) -> None:
    _import_what_commands_use()
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        request, fds, _flags, _address = socket.recv_fds(ours, WIDEST, FDS)
        if not request:
            return
        for fd in fds:
            os.set_inheritable(fd, False)
        if os.fork() == 0:
            ours.close()
            _be_the_command(json.loads(request), *fds)
        for fd in fds:
            os.close(fd)


def _reap(_number: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _be_the_command(request: dict[str, Any], stdout: int, stderr: int, said: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.write(said, f"{os.getpid()} ".encode())
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.chdir("/")
    os.environ.clear()
    os.environ.update(request["environ"])
    status: object = 70
    try:
        from core.daemon_manager import main

        status = main(request["arguments"])
    except SystemExit as end:
        status = end.code
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os.write(said, str(status or 0).encode())
        os._exit(0)


def _import_what_commands_use() -> None:
    import cli.commands  # noqa: F401
    import core.door_services
    import core.process.launcher  # noqa: F401


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    _serve(socket.socket(fileno=int(sys.argv[1])))
