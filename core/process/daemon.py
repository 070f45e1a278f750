"""The daemon's entry point: lock, log, listen, then hand over to the supervisor.

    python -m core.process.daemon '{"home": "...", "ready_fd": 3, ...}'

Started by `launcher.py` as a fresh interpreter in the checkout; says one JSON line on `ready_fd` when it is ready,
or why it is not.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from core.event_log import NAME as EVENTS
from core.event_log import EventFile, last_seq
from core.process.carried_state import CarriedState, StateUnreadable
from core.process.cgroups import own_groups
from core.process.child_setup import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, prctl
from core.process.control import ControlServer
from core.process.operator_verbs import OperatorVerbs
from core.process.pid_file import PidFile, holder
from core.process.priority import go_first
from core.process.purpose import Purpose
from core.process.registry_sync import Paths
from core.process.sd_notify import ServiceManager
from core.process.supervisor import Supervisor
from core.process_logs import ProcessLogs
from utils import exit_statuses

MAX_FILES = 65_536


def main(arguments: dict[str, Any]) -> int:
    """Run a supervisor as told; return the exit status."""
    faulthandler.enable()  # a service manager's watchdog ends a daemon that hangs by ABRT: then its stack is known
    if "trial_fd" in arguments:
        return _try_state(int(arguments["trial_fd"]))
    if "state_fd" in arguments:
        return _go_on(arguments)
    say = Announcement(arguments["ready_fd"])
    status = _run(Paths.from_plain(arguments), arguments, say)
    return say.refusal or status


class Announcement:
    """Says once whether the daemon is ready: to whoever started it, or in words when it was started as a service."""

    def __init__(self, ready_fd: int | None) -> None:
        self.refusal = 0  # the exit status of a daemon that could not start
        self._fd = ready_fd
        if ready_fd is not None:
            os.set_inheritable(ready_fd, False)  # no child may hold it open, or the caller waits for ever

    def __call__(self, answer: dict[str, Any]) -> None:
        """Say it."""
        self.refusal = 0 if answer["ready"] else int(answer["status"])
        if self._fd is not None:
            os.write(self._fd, json.dumps(answer).encode() + b"\n")
            os.close(self._fd)
        elif answer["ready"]:
            print(f"makerd is running: pid {answer['pid']}, {answer['bots']} bots", file=sys.stderr, flush=True)
        else:
            print(f"makerd: {answer['error']}", file=sys.stderr, flush=True)
        for entry in answer["invalid"] if self._fd is None else ():
            print("\n".join(entry["complaints"]), file=sys.stderr, flush=True)


def _run(paths: Paths, arguments: dict[str, Any], say: Announcement) -> int:
    home = paths.home
    try:
        home.make_folders()
        paths.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        paths.configs.mkdir(parents=True, exist_ok=True)
        pid_file = PidFile(paths.run_dir)
        if not pid_file.acquire():
            other = holder(paths.run_dir)
            pid = other.pid if other else "unknown"
            say(_refusal(f"already running for this home as pid {pid}; use `status`, or `stop` it first"))
            return exit_statuses.REFUSED
        logs = ProcessLogs(home.log, "daemon", captures=arguments["ready_fd"] is not None)
        logs.open_log()
        home.identity()
    except OSError as exc:
        say(_refusal(f"cannot use {exc.filename or home.root}: {exc.strerror}; choose another --home or its rights"))
        return exit_statuses.REFUSED
    return _serve(paths, arguments, pid_file, say, logs)


def _try_state(fd: int) -> int:
    """Read the state of a running supervisor, and say on standard output whether this code could go on with it."""
    try:
        CarriedState.read(fd)
    except StateUnreadable as exc:
        print(json.dumps({"error": str(exc)}), flush=True)
        return exit_statuses.REFUSED
    print(json.dumps({"ok": True}), flush=True)
    return exit_statuses.DONE


def _go_on(arguments: dict[str, Any]) -> int:
    """Go on as the same process with new code: children, lock, sockets and records are those of before the exec."""
    go_first()  # the code of before may have known of no such thing
    paths, state_fd = Paths.from_plain(arguments), int(arguments["state_fd"])
    logs = ProcessLogs(paths.home.log, "daemon", captures="NOTIFY_SOCKET" not in os.environ)
    logs.open_log()
    state = CarriedState.read(state_fd)
    os.close(state_fd)
    pid_file = PidFile(paths.run_dir)
    pid_file.take_over(state.lock_fd)
    supervisor = Supervisor(paths, Purpose.from_plain(state.purpose), pid_file, output_fd=2)
    supervisor.fleet.actions.groups = own_groups()
    supervisor.logs.own, supervisor.service = logs, ServiceManager(os.environ)
    _record_events(supervisor, paths.home.log / EVENTS)
    verbs = OperatorVerbs(supervisor)
    supervisor.control = ControlServer(paths.run_dir, supervisor.selector, verbs, state.listener_fd)
    return supervisor.run(state)


def _serve(paths: Paths, arguments: dict[str, Any], pid_file: PidFile, say: Announcement, logs: ProcessLogs) -> int:
    become_supervisor(int(arguments["parent_pid"]) if arguments.get("tied") else None)
    supervisor = Supervisor(paths, Purpose.from_plain(arguments["purpose"]), pid_file, output_fd=2)
    supervisor.on_ready = say
    supervisor.fleet.actions.groups = own_groups()  # before the zygote, which shall be in the same one
    supervisor.logs.own = logs
    service = ServiceManager(os.environ)  # the variables are taken out in any case
    if arguments["ready_fd"] is None:  # else the service, if there is one, is somebody else's
        supervisor.service = service
    _record_events(supervisor, paths.home.log / EVENTS)
    try:
        supervisor.control = ControlServer(paths.run_dir, supervisor.selector, OperatorVerbs(supervisor))
    except OSError as exc:
        say(_refusal(f"cannot listen in {paths.run_dir}: {exc.strerror}"))
        return exit_statuses.REFUSED
    return supervisor.run()  # the lock goes with this process: whoever waits for it waits for our very end


def _record_events(supervisor: Supervisor, path: Path) -> None:
    file = EventFile(path)
    supervisor.events.sink, supervisor.events.on_limits = file.write, file.follow
    try:
        supervisor.events.seq = last_seq(path)
    except OSError:
        pass  # the numbers begin anew


def become_supervisor(parent_pid: int | None) -> None:
    """Go first, adopt every descendant, dump no core, and end with our starter when `parent_pid` says who that is."""
    go_first()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _raise_file_limit()
    if parent_pid is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent_pid:
            os.kill(os.getpid(), signal.SIGTERM)


def _raise_file_limit() -> None:
    """Raise the soft limit of open files: the supervisor has a few for each bot, and its children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _refusal(error: str) -> dict[str, Any]:
    return {"ready": False, "status": exit_statuses.REFUSED, "error": error, "invalid": []}


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
