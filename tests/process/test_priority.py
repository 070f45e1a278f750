"""Who steers goes before who works, and no worker inherits that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from core.fleet_config import FleetConfig
from core.process import daemon
from core.process.priority import NICE, go_first, go_with_the_others
from tests.process.alone import alone
from tests.process.fleet_parts import Fleet
from utils.home import CHECKOUT, Home

OWN = os.getpriority(os.PRIO_PROCESS, 0)  # what these tests were started with


def first() -> int:
    """Return the nice value of who goes first here: whoever may not have a better one, or was given one, keeps it."""
    if OWN:
        return OWN
    script = f"import os; os.setpriority(os.PRIO_PROCESS, 0, {NICE})"
    return NICE if subprocess.run([sys.executable, "-c", script], check=False).returncode == 0 else 0


def nice_after(*, children: bool, before: int = OWN) -> tuple[int, int]:
    """Return what a process gets that goes first, and what its child begins with."""
    os.setpriority(os.PRIO_PROCESS, 0, before)
    own = go_first(children=children)
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writer, b"%d" % os.getpriority(os.PRIO_PROCESS, 0))
        os._exit(0)
    os.waitpid(pid, 0)
    return own, int(os.read(reader, 16))


def test_what_a_first_process_forks_has_an_ordinary_place() -> None:
    alone(lambda: _same(nice_after(children=False), (first(), OWN)))


def test_threads_and_processes_of_a_sweep_go_first_with_it() -> None:
    alone(lambda: _same(nice_after(children=True), (first(), first())))


def test_a_process_that_was_given_a_nice_value_keeps_it() -> None:
    alone(lambda: _same(nice_after(children=False, before=12), (12, 12)))


@pytest.mark.parametrize("policy", [os.SCHED_BATCH, os.SCHED_IDLE])
def test_a_process_that_was_given_a_scheduling_policy_keeps_it(policy: int) -> None:
    def work() -> None:
        os.sched_setscheduler(0, policy, os.sched_param(0))
        own = go_first()
        _same((own, os.sched_getscheduler(0)), (OWN, policy))

    alone(work)


def test_what_a_monitor_forks_can_take_an_ordinary_place() -> None:
    def work() -> None:
        go_first(children=True)
        go_with_the_others()
        _same(os.getpriority(os.PRIO_PROCESS, 0), OWN)

    alone(work)


def test_a_supervisor_that_goes_on_with_new_code_goes_first_before_anything_else() -> None:
    def work() -> None:
        with pytest.raises(KeyError):
            daemon.main({"state_fd": 0})  # nothing else is said: it ends where it looks for its paths
        _same(os.getpriority(os.PRIO_PROCESS, 0), first())

    alone(work)


def test_all_threads_of_a_monitor_go_first(tmp_path: Path) -> None:
    with monitor(Home(tmp_path)) as (pid, url):
        with urllib.request.urlopen(url + "api/v1/fleet", timeout=20) as answer:
            assert answer.status == 200
        assert {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in psutil.Process(pid).threads()} == {first()}


@contextmanager
def monitor(home: Home) -> Iterator[tuple[int, str]]:
    """Have a monitor as the daemon starts it, without a daemon; the pid and the address."""
    home.make_folders()
    web = {**asdict(FleetConfig().web), "port": 0}
    command = [sys.executable, "-m", "core.monitor", str(home.root), str(os.getpid()), json.dumps(web)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait(30)


def test_supervisor_and_zygote_go_before_the_workers(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.start()
    fleet.quoting("one")
    nices = {what: psutil.Process(pid).nice() for what, pid in _processes(fleet).items()}
    assert nices == {"supervisor": first(), "zygote": first(), "worker": OWN}


def _processes(fleet: Fleet) -> dict[str, int]:
    return {"supervisor": fleet.daemon_pid(), "zygote": fleet.zygote_pid(), "worker": fleet.bot("one")["pid"]}


def _same(found: object, expected: object) -> None:
    assert found == expected
