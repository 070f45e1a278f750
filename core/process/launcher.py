"""How a door starts a supervisor: a fresh interpreter, and one line that says whether it is ready."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from core.process.identity import signal_exactly
from core.process.pid_file import holder
from utils.errors import MakerdError
from utils.files import read_json
from utils.home import CHECKOUT, Home

READY_S = 90.0
LOOK_S = 0.2


class StartRefused(MakerdError):
    """The daemon did not start."""

    def __init__(self, error: str, invalid: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(error)
        self.invalid = list(invalid)


@dataclass(slots=True)
class SupervisorHandle:
    """A started supervisor."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]
    run_dir: Path

    @property
    def pid(self) -> int:
        """Return the supervisor's pid."""
        return self.process.pid

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit status, None when it still runs after `timeout` seconds."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask it to stop its bots and end."""
        self.process.send_signal(signal.SIGTERM)

    def final(self) -> dict[str, Any] | None:
        """Return the last status of a direct supervisor that has ended."""
        found: dict[str, Any] | None = read_json(self.run_dir / "final.json")
        return found


def start_supervisor(
    home: Home,
    config_dir: Path,
    run_dir: Path,
    kind: str = "daemon",
    tied: bool = False,
    names: Sequence[str] = (),
    sell_base: bool = False,
    given_up: Callable[[], bool] = lambda: False,
) -> SupervisorHandle:
    """Start a supervisor and wait until it is ready. Raises StartRefused with one line that says why not.

    `kind` is one of `core.process.purpose.Kind`. `tied`: it stops when the calling process dies. `given_up`: somebody
    wants the start to end; the supervisor is asked to stop.
    """
    try:
        home.log.mkdir(parents=True, exist_ok=True, mode=0o700)
        output = (home.log / "daemon.out").open("ab")
    except OSError as exc:
        raise StartRefused(f"cannot write {home.log}: {exc.strerror}; choose another --home or its rights") from exc
    (run_dir / "final.json").unlink(missing_ok=True)
    reader, writer = os.pipe()
    arguments = {
        "home": str(home.root),
        "configs": str(config_dir),
        "run_dir": str(run_dir),
        "purpose": {"kind": kind, "only": list(names), "sell_base": sell_base},
        "tied": tied,
        "parent_pid": os.getpid(),
        "ready_fd": writer,
    }
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.process.daemon", json.dumps(arguments)],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(writer,),
        )
    finally:
        os.close(writer)
        output.close()
    answer = _await_ready(reader, process, given_up)
    if not answer.get("ready"):
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass  # it is still sweeping what an earlier daemon left; its reason stands all the same
        raise StartRefused(str(answer["error"]), answer.get("invalid", ()))
    return SupervisorHandle(process, answer, run_dir)


def start_daemon(home: Home, names: Sequence[str] = ()) -> SupervisorHandle:
    """Start the daemon of a home. Raises StartRefused."""
    return start_supervisor(home, home.active, home.run, names=names)


def become_daemon(home: Home, names: Sequence[str] = ()) -> NoReturn:
    """Become the daemon of a home, keeping pid, output and environment: a service manager watches this very process."""
    home.log.mkdir(parents=True, exist_ok=True, mode=0o700)
    arguments = {
        "home": str(home.root), "configs": str(home.active), "run_dir": str(home.run),
        "purpose": {"kind": "daemon", "only": list(names)}, "tied": False, "parent_pid": os.getppid(), "ready_fd": None,
    }  # fmt: skip
    os.chdir(CHECKOUT)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "core.process.daemon", json.dumps(arguments)])


def _await_ready(reader: int, process: subprocess.Popen[bytes], given_up: Callable[[], bool]) -> dict[str, Any]:
    said, deadline, asked = b"", time.monotonic() + READY_S, False
    try:
        while not said.endswith(b"\n"):
            if given_up() and not asked:
                asked = True
                process.send_signal(signal.SIGTERM)
            if not select.select([reader], [], [], min(LOOK_S, max(0.0, deadline - time.monotonic())))[0]:
                if time.monotonic() < deadline:
                    continue
                process.send_signal(signal.SIGTERM)
                why = f"the daemon was not ready within {READY_S:.0f} s; see daemon.log and daemon.out in var/log"
                return {"ready": False, "error": why}
            chunk = os.read(reader, 65536)
            if not chunk:
                return {"ready": False, "error": "the daemon ended before it was ready; see var/log/daemon.out"}
            said += chunk
    finally:
        os.close(reader)
    answer: dict[str, Any] = json.loads(said)
    return answer


def stop_by_signal(home: Home, timeout_s: float) -> bool:
    """End a daemon that does not answer its socket, by TERM to exactly that process; False when there is none."""
    found = holder(home.run)
    if found is None or found.pid == 0 or not signal_exactly(found, signal.SIGTERM):
        return False
    deadline = time.monotonic() + timeout_s
    while holder(home.run) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    return holder(home.run) is None
