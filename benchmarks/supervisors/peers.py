"""The peers, each with its fastest sensible settings: one section, service or app per worker, as one bot needs it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys

from benchmarks.supervisors.managers import WORKER, Manager


class Supervisord(Manager):
    """supervisord in the foreground."""

    name = "supervisord"
    settings = (
        "startsecs=0, startretries=100000, autorestart=true, stopwaitsecs=5, logs to NONE, unix socket, all programs "
        "in one [group] (separate groups are stopped one after the other)"
    )

    def configure(self) -> None:
        """Write its one file."""
        folder = self.folder
        programs = "".join(
            f"[program:{name}]\ncommand={shlex.join(self.worker_command(name))}\nautorestart=true\nstartsecs=0\n"
            "startretries=100000\nstopwaitsecs=5\nstdout_logfile=NONE\nstderr_logfile=NONE\n\n"
            for name in self.names
        )
        self.write(
            "supervisord.conf",
            f"[supervisord]\nnodaemon=true\nlogfile={folder}/daemon.log\npidfile={folder}/daemon.pid\nminfds=4096\n"
            f"[unix_http_server]\nfile={folder}/control\nchmod=0700\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[group:bots]\nprograms={','.join(self.names)}\n{programs}",
        )

    def launch(self) -> None:
        """Start it."""
        python = self.tools.commands["supervisor"]
        self._process = self.spawn([python, "-m", "supervisor.supervisord", "-c", f"{self.folder}/supervisord.conf"])


class Circus(Manager):
    """circusd in the foreground."""

    name = "circus"
    settings = "check_delay=0.1 (default 1.0), warmup_delay=0, graceful_timeout=5, max_retry=-1, ipc endpoints"

    def configure(self) -> None:
        """Write its one file."""
        watchers = "".join(
            f"[watcher:{name}]\ncmd={shlex.join(self.worker_command(name))}\ncopy_env=true\nwarmup_delay=0\n"
            "graceful_timeout=5\nmax_retry=-1\n\n"
            for name in self.names
        )
        self.write(
            "circus.ini",
            f"[circus]\ncheck_delay=0.1\nendpoint=ipc://{self.folder}/e\npubsub_endpoint=ipc://{self.folder}/p\n"
            f"warmup_delay=0\npidfile={self.folder}/pid\n\n{watchers}",
        )

    def launch(self) -> None:
        """Start it."""
        command = [self.tools.commands["circus"], "-m", "circus.circusd", "--log-level", "error"]
        self._process = self.spawn([*command, f"{self.folder}/circus.ini"])


class Pm2(Manager):
    """pm2: its daemon comes up with the first command."""

    name = "pm2"
    settings = (
        "fork mode, restart_delay=0, min_uptime=0, max_restarts=1e6, kill_timeout=5000, treekill=false, vizion=false, "
        "pmx=false, logs to /dev/null, PM2_CONCURRENT_ACTIONS=16, PM2_KILL_SIGNAL=SIGTERM"
    )

    def configure(self) -> None:
        """Write its list of apps."""
        apps = [
            {
                "name": name, "script": WORKER, "interpreter": sys.executable, "args": [name, str(self.beats.folder)],
                "exec_mode": "fork", "instances": 1, "autorestart": True, "restart_delay": 0, "min_uptime": 0,
                "max_restarts": 10**6, "kill_timeout": 5000, "treekill": False, "vizion": False, "pmx": False,
                "watch": False, "out_file": "/dev/null", "error_file": "/dev/null", "cwd": str(self.folder),
            }
            for name in self.names
        ]  # fmt: skip
        self.write("apps.config.json", json.dumps({"apps": apps}))

    def _pm2(self, *arguments: str) -> None:
        own = {"PM2_HOME": f"{self.folder}/pm2", "PM2_CONCURRENT_ACTIONS": "16", "PM2_KILL_SIGNAL": "SIGTERM"}
        quiet = {"PM2_DISABLE_VERSION_CHECK": "true", "PM2_SILENT": "true", "CI": "1"}
        self._process = self.spawn([self.tools.commands["pm2"], *arguments], {**own, **quiet})

    def launch(self) -> None:
        """Start daemon and apps."""
        self._pm2("start", f"{self.folder}/apps.config.json")

    def root_pid(self) -> int:
        """Return the daemon's pid."""
        return int((self.folder / "pm2" / "pm2.pid").read_text())

    def ask_stop(self) -> None:
        """End the daemon and all apps, as its users do."""
        self._pm2("kill")


class Runit(Manager):
    """runsvdir with a service folder per worker."""

    name = "runit"
    settings = "runsvdir -P, one run script each (exec), no log service; runsv itself waits 1 s after a run below 1 s"
    launcher = "runsvdir"
    ready_fd: int | None = None

    def configure(self) -> None:
        """Write the service folders."""
        told = f"READY_FD={self.ready_fd} " if self.ready_fd else ""
        for name in self.names:
            self.write(
                f"services/{name}/run", f"#!/bin/sh\n{told}exec {shlex.join(self.worker_command(name))}\n", 0o755
            )
            if self.ready_fd:
                self.write(f"services/{name}/notification-fd", f"{self.ready_fd}\n")

    def launch(self) -> None:
        """Start it."""
        self._process = self.spawn([self.tools.commands["runsvdir"], "-P", f"{self.folder}/services"])

    def ask_stop(self) -> None:
        """Have it end every runsv, which end their services."""
        os.kill(self.root_pid(), signal.SIGHUP)


class S6(Runit):
    """s6-svscan with a service folder per worker, and readiness."""

    name = "s6"
    settings = (
        "s6-svscan, one run script each (exec), no log service, readiness on descriptor 3 (a service that never "
        "reports ready always waits 1 s)"
    )
    ready_fd = 3

    def launch(self) -> None:
        """Start it."""
        self._process = self.spawn([self.tools.commands["s6-svscan"], "-c", "1000", f"{self.folder}/services"])

    def ask_stop(self) -> None:
        """End services and supervisors."""
        os.kill(self.root_pid(), signal.SIGTERM)


PEERS: tuple[type[Manager], ...] = (Supervisord, Circus, Pm2, Runit, S6)
