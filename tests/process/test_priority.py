"""Who steers goes before who works, and no worker inherits that."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from core.process.priority import NICE, go_first
from tests.process.alone import alone
from tests.process.fleet_parts import Fleet

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


def test_threads_and_processes_of_a_monitor_go_first_with_it() -> None:
    alone(lambda: _same(nice_after(children=True), (first(), first())))


def test_a_process_that_was_given_a_nice_value_keeps_it() -> None:
    alone(lambda: _same(nice_after(children=False, before=12), (12, 12)))


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
