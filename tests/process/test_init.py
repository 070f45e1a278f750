"""Process 1 of a container: it reaps strangers, passes signals on, and outlives a supervisor until all is tidy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from core.init import reap_strangers, reap_until_alone
from core.process.child_setup import PR_SET_CHILD_SUBREAPER, prctl
from core.process.control import DaemonDown, call
from tests.process.alert_parts import hook
from tests.process.fleet_parts import DOOR, Fleet

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"]


def may_unshare() -> bool:
    """Tell whether this user may make a pid namespace."""
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, timeout=30, check=False).returncode == 0
    except FileNotFoundError:
        return False


class Container:
    """A door that is process 1 of a pid namespace; everything in it ends with it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.process = subprocess.Popen(
            [*UNSHARE, sys.executable, DOOR, "start"],
            cwd="/", env=fleet.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip

    @property
    def init(self) -> psutil.Process:
        """Return process 1, as it is called outside."""
        return psutil.Process(self.process.pid).children()[0]

    def within(self, text: str) -> list[psutil.Process]:
        """Return the processes in it whose command line or title has a text."""
        if not psutil.Process(self.process.pid).children():
            return []  # unshare has not forked yet
        return [one for one in self.init.children(recursive=True) if text in " ".join(_words(one))]

    def zombies(self) -> list[psutil.Process]:
        """Return what has ended in it and was not reaped."""
        return [one for one in self.init.children(recursive=True) if _status(one) == psutil.STATUS_ZOMBIE]

    def quoting(self, name: str) -> None:
        """Wait until a bot quotes."""
        until(lambda: any(row["name"] == name and row["phase"] == "QUOTING" for row in self.rows()))

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the status, none while there is no daemon."""
        try:
            rows: list[dict[str, Any]] = call(self.fleet.home, "status")["bots"]
        except DaemonDown:
            return []
        return rows

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and what was printed."""
        printed, _ = self.process.communicate(timeout=90)
        return self.process.returncode, printed

    def end(self) -> None:
        """Kill it: unshare takes process 1 along, and that takes everybody."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.Error:
        return "gone"


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Poll until `what` is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def events(fleet: Fleet, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of the event file that have these values."""
    rows = [json.loads(line) for line in (fleet.home.log / "events.jsonl").read_text().splitlines()]
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def leave_an_orphan(pid: int) -> None:
    """Have a process from outside enter a namespace and leave a child behind there."""
    subprocess.run(["nsenter", "-t", str(pid), "-p", "-m", "sh", "-c", "sleep 0.3 &"], timeout=30, check=True)


# ---------------------------------------------------------------- where a pid namespace can be made

if may_unshare():

    @pytest.fixture
    def container(fleet: Fleet) -> Iterator[Container]:
        fleet.add("a")
        made = Container(fleet)
        yield made
        made.end()

    def test_process_1_reaps_strangers_and_a_term_is_an_orderly_stop(fleet: Fleet, container: Container) -> None:
        container.quoting("a")
        for _ in range(3):
            leave_an_orphan(container.init.pid)
        assert until(lambda: container.within("sleep"))
        until(lambda: not container.within("sleep") and not container.zombies())
        container.init.send_signal(signal.SIGTERM)
        status, printed = container.ended()
        assert status == 0
        assert "stopping: every bot cancels its orders" in printed
        assert [(row["status"], row["clean"]) for row in events(fleet, kind="exit")] == [(0, True)]
        assert fleet.open_paper_orders() == []

    def test_process_1_hears_a_term_before_the_daemon_is_ready(fleet: Fleet, container: Container) -> None:
        until(lambda: container.within("core.process.daemon"))
        container.init.send_signal(signal.SIGTERM)
        container.ended()  # fails the test when it never does
        assert fleet.open_paper_orders() == []

    def test_a_hangup_of_process_1_reads_the_configs_again(fleet: Fleet, container: Container) -> None:
        container.quoting("a")
        fleet.add("b")
        container.init.send_signal(signal.SIGHUP)
        container.quoting("b")

    def test_a_killed_supervisor_does_not_take_the_workers_along_before_they_are_tidy(
        fleet: Fleet, container: Container
    ) -> None:
        container.quoting("a")
        (supervisor,) = container.within("core.process.daemon")
        supervisor.kill()
        status, _ = container.ended()
        assert status == 1
        assert fleet.open_paper_orders() == []
        assert json.loads((fleet.home.bot_state("a") / "run.json").read_text())["clean"] is True


# ---------------------------------------------------------------- everywhere: a subreaper gets strangers as well


def in_subreaper(work: Callable[[], None]) -> int:
    """Do some work in a child that is the reaper of all below it; return its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def spawn(script: str) -> int:
    """Start a shell and return its pid."""
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ)


def test_strangers_are_reaped_and_the_one_that_somebody_waits_for_is_not() -> None:
    def work() -> None:
        ours, between = spawn("exec sleep 60"), spawn("(sleep 0.2 &) ; exit 0")
        reaped: list[int] = []
        until(lambda: reaped.extend(reap_strangers(but=ours)) or len(reaped) == 2)
        assert between in reaped
        assert ours not in reaped
        os.kill(ours, signal.SIGKILL)
        until(lambda: os.waitid(os.P_PID, ours, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        assert reap_strangers(but=ours) == []
        assert os.waitstatus_to_exitcode(os.waitpid(ours, 0)[1]) == -signal.SIGKILL

    assert in_subreaper(work) == 0


def test_waiting_for_everybody_ends_with_the_last_one_or_with_the_time() -> None:
    def work() -> None:
        began = time.monotonic()
        spawn("sleep 0.1")
        spawn("(sleep 0.3 &) ; exit 0")
        assert reap_until_alone(20)
        assert time.monotonic() - began >= 0.3
        stays = spawn("exec sleep 60")
        assert not reap_until_alone(0.2)
        os.kill(stays, signal.SIGKILL)
        assert reap_until_alone(20)

    assert in_subreaper(work) == 0


def test_the_supervisor_reaps_what_a_stranger_leaves_behind(fleet: Fleet, tmp_path: Any) -> None:
    fleet.add("a", daemon_config={"max_restarts": 0})
    command = hook(tmp_path, f"(sleep 0.5 &); touch {tmp_path}/hooked")
    fleet.home.daemon_file.write_text(json.dumps({"alerts": {"hook": command}}))
    fleet.start().quoting("a")
    os.kill(fleet.bot("a")["pid"], signal.SIGKILL)
    fleet.until((tmp_path / "hooked").exists)
    daemon = psutil.Process(fleet.daemon_pid())
    fleet.until(lambda: all("zygote" in " ".join(_words(child)) for child in daemon.children()))
    fleet.add("b")
    call(fleet.home, "reload", timeout_s=60)
    fleet.quoting("b")
