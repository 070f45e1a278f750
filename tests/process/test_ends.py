"""However a child ends or fails to begin, the one reaper tells it once, and strangers are nobody's business."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from core.process import child_setup
from core.process.child import Child, Listeners
from core.process.child_setup import die_with_parent
from core.process.children import Children
from core.process.worker_record import Exited, ForkFailed, Happening, State, WorkerRecord
from core.process.worker_states import decide
from core.process.zygote_link import ZygoteLink
from tests.process.alone import alone, spawn

HARMLESS = ("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU")
OF_THE_C_LIBRARY = (32, 33)  # it does not let a program have them
SPARED = {*(getattr(signal, name) for name in HARMLESS), *OF_THE_C_LIBRARY}
DEADLY = [number for number in range(1, 65) if number not in SPARED]


class Family:
    """Children of a supervisor whose zygote is us."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Happening]] = []
        self.strangers: list[int] = []
        self.link = ZygoteLink()
        self.children = Children(
            selectors.DefaultSelector(),
            self.link,
            Listeners(lambda name, event: self.events.append((name, event)), lambda *_: None),
        )

    def worker(self, name: str, pid: int) -> Child:
        """Ask for a worker and say that it was forked."""
        self.children.ask("worker", name, "kind", {}, 0)
        self.link.waiting.pop().theirs.close()
        child = self.children.living(name)
        assert child is not None
        child.pid = pid
        return child

    def reap_until(self, what: Callable[[], Any]) -> list[int]:
        """Reap until something is so; return the strangers so far."""
        deadline = time.monotonic() + 20
        while not what():
            assert time.monotonic() < deadline, self.events
            self.strangers += self.children.reap()
            time.sleep(0.0005)
        return self.strangers


def test_a_worker_that_dies_of_any_signal_is_told_and_its_bot_comes_back() -> None:
    running = WorkerRecord("bot", state=State.RUNNING, wanted=True, dirty=True, pid=1, ready_ns=0)

    def work() -> None:
        family = Family()
        for number in DEADLY:
            family.worker("bot", spawn(f"kill -{number} $$"))
            family.reap_until(lambda: family.events)
            ((_, event),) = family.events
            assert isinstance(event, Exited)
            assert (event.status, event.signal, event.clean) == (None, number, False)
            record, _ = decide(running, event, 1)
            assert (record.state, record.then) == (State.SWEEPING, State.BACKOFF)
            family.events.clear()
        assert len(family.children) == 0

    assert len(DEADLY) == 54
    alone(work)


@pytest.mark.parametrize("script", ["exit 0", "exit 3", "exit 4", "exit 75", "exit 78", "kill -9 $$", "kill -40 $$"])
def test_a_stranger_is_reaped_however_it_ends_and_changes_nothing(script: str) -> None:
    def work() -> None:
        family = Family()
        ours = spawn("exec sleep 60")
        family.worker("bot", ours)
        stranger, between = spawn(script), spawn(f"({script}) & exit 0")
        strangers = family.reap_until(lambda: len(family.strangers) == 3)
        assert {stranger, between} <= set(strangers)
        assert ours not in strangers
        assert family.events == []
        assert family.children.living("bot") is not None
        os.kill(ours, signal.SIGKILL)
        family.reap_until(lambda: family.events)

    alone(work)


@pytest.mark.parametrize("kind", ["worker", "sweep"])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_child_for_which_there_is_no_descriptor_is_a_fork_that_failed(kind: str, fresh: bool) -> None:
    def work() -> None:
        family = Family()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))), hard))
        while True:  # leave none free below the limit
            try:
                os.dup(0)
            except OSError:
                break
        if fresh:
            family.children.exec_child(kind, "bot", {}, 2)
        else:
            family.children.ask(kind, "bot", "kind", {}, 0)
        ((name, event),) = family.events
        assert (name, type(event)) == ("bot", ForkFailed)
        assert "Too many open files" in str(event)
        assert family.children.living("bot") is None

    alone(work)


def test_a_child_whose_parent_is_not_the_supervisor_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_setup, "ADOPTION_S", 0.05)
    alone(lambda: _is(die_with_parent(os.getppid()), True))
    alone(lambda: _is(die_with_parent(1 if os.getppid() != 1 else 2), False))


def test_a_parent_that_dies_just_before_its_death_would_be_told_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        parents = iter([7, 1])  # adopted, and gone before the kernel was asked to tell
        child_setup.os.getppid = lambda: next(parents)  # type: ignore[attr-defined]
        _is(die_with_parent(7), False)

    alone(work)


def test_the_kernel_ends_a_child_that_does_nothing_when_its_supervisor_is_killed() -> None:
    def work() -> None:
        reader, writer = os.pipe()
        supervisor = os.fork()
        if supervisor == 0:
            me = os.getpid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                die_with_parent(me)
                os.write(writer, str(os.getpid()).encode())
            signal.pause()
        child = int(os.read(reader, 20))
        os.kill(supervisor, signal.SIGKILL)
        os.waitpid(supervisor, 0)
        deadline = time.monotonic() + 10
        while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
            time.sleep(0.001)
        if not ended[0]:
            os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(ended[1]) == -signal.SIGTERM

    alone(work)


def test_what_a_dead_worker_has_started_ends_with_it() -> None:
    def work() -> None:
        family = Family()
        reader, writer = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.setpgid(0, 0)
            left = spawn("exec sleep 60")
            os.write(writer, str(left).encode())
            os._exit(70)
        left = int(os.read(reader, 20))
        family.worker("bot", worker)
        strangers = family.reap_until(lambda: family.events)
        deadline = time.monotonic() + 20
        while left not in strangers and time.monotonic() < deadline:
            strangers += family.children.reap()
        assert left in strangers  # it has ended, and came to us

    alone(work)


def _is(found: bool, wanted: bool) -> None:
    assert found is wanted
