"""The monitor as a child of a real daemon: started, told by `status`, restarted, gone with the daemon."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from tests.process.fleet_parts import Fleet


def _write(fleet: Fleet, **web: Any) -> None:
    fleet.home.daemon_file.write_text(json.dumps({"web": {"enabled": True, "port": 0, **web}}))


def _url(fleet: Fleet) -> str:
    return str(fleet.until(lambda: fleet.status()["daemon"]["web"]["url"]))


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


def _monitor_pid(fleet: Fleet) -> int:
    children = psutil.Process(fleet.daemon_pid()).children()
    pid = next(child.pid for child in children if "core.monitor" in " ".join(child.cmdline()) or _titled(child))
    fleet.pids.add(pid)
    return pid


def _titled(child: psutil.Process) -> bool:
    return "makerd: monitor" in " ".join(child.cmdline())


def test_the_daemon_runs_a_monitor_restarts_it_and_takes_it_along(fleet: Fleet) -> None:
    fleet.add("one")
    _write(fleet)
    fleet.start()
    url = _url(fleet)
    fleet.until(lambda: _get(url + "api/v1/fleet")["bots"])
    first = _monitor_pid(fleet)
    assert f"monitor {url}" in fleet.run("status").stdout

    os.kill(first, signal.SIGKILL)
    fleet.until(lambda: fleet.status()["daemon"]["web"]["state"] != "running")
    second = _url(fleet)
    fleet.until(lambda: _get(second + "api/v1/fleet")["bots"])
    pid = _monitor_pid(fleet)
    assert fleet.bot("one")["restarts"] == 0

    assert fleet.run("stop").returncode == 0
    fleet.until(lambda: not psutil.pid_exists(pid))


def test_a_monitor_that_others_could_reach_without_a_password_does_not_start(fleet: Fleet) -> None:
    fleet.add("one")
    _write(fleet, host="0.0.0.0")
    fleet.start()
    told = fleet.until(lambda: fleet.status()["daemon"]["web"]["reason"] and fleet.status()["daemon"]["web"])
    assert told["state"] == "down" and told["url"] is None
    assert "run.py web-password" in told["reason"]

    fleet.home.env_file.touch(mode=0o600)
    _write(fleet)
    assert fleet.run("reload").returncode == 0
    assert Path(fleet.home.log / "daemon.log").exists() and _url(fleet)
