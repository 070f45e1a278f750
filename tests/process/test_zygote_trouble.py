"""A zygote that is late: nobody's orders wait for it, and a kind of bot that was warm before is not given up for it."""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process import channel, zygote, zygote_keeper, zygote_link
from core.process.child import Listeners
from core.process.children import Children
from core.process.starvation import run_delay_ns
from core.process.zygote_keeper import FRESH_AT_ONCE, PATIENCE, SWEEP_WAIT_NS, WARM_MAX_NS, WARM_NS, ZygoteKeeper
from core.process.zygote_link import ANSWER_NS, ZygoteLink
from tests.process.alone import alone
from tests.process.fleet_parts import Fleet

KIND = "paper/market_maker"
CONFIG = BotConfig(
    "one", "paper", "market_maker", (Leg("main", "paper", "one", "X-Y"),), DaemonConfig(), {}, {}, {}, {}, "", ""
)


class Keeper:
    """A keeper whose zygote is a socket of ours."""

    def __init__(self) -> None:
        self.theirs: socket.socket | None = None
        self.selector, self.link, self.withdrawn = selectors.DefaultSelector(), ZygoteLink(), list[str]()
        self.alone: list[str] = []
        self.children = Children(self.selector, self.link, Listeners(lambda _name, _event: None, lambda *_said: None))
        self.keeper = ZygoteKeeper(
            self.link,
            self.children,
            self.selector,
            2,
            (),
            lambda name, _why: self.withdrawn.append(name),
            self._sweep,
        )
        self.keeper.start = lambda: None  # type: ignore[method-assign]

    def _sweep(self, name: str) -> None:
        child, theirs = self.children._new("sweep", name)
        child.is_fresh = True
        theirs.close()
        self.alone.append(name)

    def sweeper_ends(self, name: str) -> None:
        """Let a sweeper of its own be gone."""
        child = self.children.living(name)
        assert child is not None
        self.children._forget(child)

    def begin(self) -> Keeper:
        """Connect a zygote that has warmed nothing yet."""
        if self.theirs is not None:
            self.theirs.close()
        self.link.end, self.theirs = channel.pair()
        self.link.warm_kinds.clear()
        self.keeper.due_ns = None
        self.selector.register(self.link.end, selectors.EVENT_READ, self.keeper._hear)
        self.keeper.warm({KIND: CONFIG})
        return self

    def was_asked(self) -> list[tuple[str, bool]]:
        """Return the kinds that the zygote was asked to warm since the last look, and whether without a trial."""
        assert self.theirs is not None
        asked = []
        while select.select([self.theirs], [], [], 0)[0] and (packet := channel.receive(self.theirs)):
            asked.append((packet["bot"]["kind"], packet["untried"]))
        return asked

    def says_warm(self, **said: object) -> None:
        """Answer as a zygote that has warmed the kind, or has not."""
        assert self.theirs is not None
        channel.send(self.theirs, {"op": "warmed", "kind": KIND, "failed": None, **said})
        self.keeper._hear(0)

    def hangs(self) -> None:
        """Let its time pass without an answer, and the next zygote follow."""
        self.keeper.tend(self.keeper._warm_since_ns + WARM_NS + 1)
        self.begin()

    def close(self) -> None:
        """Close everything."""
        for request in self.link.waiting:
            request.theirs.close()
        for child in list(self.children._by_request.values()):
            self.children._forget(child)
        assert self.theirs is not None
        self.theirs.close()
        if self.link.end is not None:
            self.link.end.close()
        self.selector.close()


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    made = Keeper().begin()
    yield made
    made.close()


def test_a_new_zygote_may_be_lost_over_its_first_kind_and_the_next_one_tries_it_in_a_child(keeper: Keeper) -> None:
    assert keeper.was_asked() == [(KIND, True)]
    keeper.keeper.warm({KIND: CONFIG, "paper/other": CONFIG})
    assert keeper.was_asked() == [("paper/other", False)]
    keeper.keeper.ended()
    assert keeper.keeper.due_ns is not None
    assert keeper.keeper.due_ns <= time.monotonic_ns()  # at once: nobody is at fault yet
    assert keeper.keeper.unusable == {}
    keeper.begin()
    assert keeper.was_asked() == [(KIND, False)]


def test_a_zygote_that_has_just_ended_is_asked_in_vain_and_the_next_one_anew(keeper: Keeper) -> None:
    assert keeper.theirs is not None
    keeper.theirs.close()
    keeper.keeper.warm({KIND: CONFIG, "paper/other": CONFIG})
    keeper.keeper._hear(0)
    assert not keeper.keeper.lives
    keeper.begin()
    keeper.keeper.warm({KIND: CONFIG, "paper/other": CONFIG})
    assert keeper.was_asked() == [(KIND, False), ("paper/other", False)]


def test_a_zygote_that_is_warm_tries_every_further_kind_in_a_child(keeper: Keeper) -> None:
    keeper.says_warm()
    keeper.was_asked()
    keeper.keeper.warm({KIND: CONFIG, "paper/other": CONFIG})
    assert keeper.was_asked() == [("paper/other", False)]


@pytest.mark.parametrize("code", ["import os; os._exit(0)", "raise SystemExit", "import time; time.sleep(60)"])
def test_a_zygote_without_a_trial_ends_over_a_kind_that_raises_exits_or_hangs(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        ours, theirs = channel.pair()
        pid = os.fork()
        if not pid:
            zygote._dare(theirs, {"kind": KIND})
            os._exit(0)  # it went on
        theirs.close()
        _, status = os.waitpid(pid, 0)
        assert channel.receive(ours) is None  # it did not call the kind warm
        assert status or "_exit(0)" in code

    monkeypatch.setattr(zygote, "UNTRIED_S", 0.3)
    monkeypatch.setattr(zygote.build, "warm_up", lambda _bot: exec(code))
    alone(work)


def test_what_a_killed_trial_had_on_disk_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warm_up(bot: dict[str, Any]) -> None:
        (Path(tempfile.mkdtemp()) / "file").write_text("x")
        os.write(bot["told"], b"x")
        time.sleep(bot["sleep_s"])

    def work() -> None:
        reader, writer = os.pipe()
        hangs, ends = (zygote.Trial({"told": writer, "sleep_s": sleep_s}) for sleep_s in (60, 0))
        assert not hangs.ended()
        assert os.read(reader, 1) == b"x"
        os.kill(hangs._pid, signal.SIGKILL)
        for trial in (hangs, ends):
            while not trial.ended():
                time.sleep(0.01)
            assert len(list(tmp_path.iterdir())) == (trial is hangs)
        assert ends.failure is None

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(zygote.build, "warm_up", warm_up)
    alone(work)


def test_a_kind_that_never_was_warm_is_given_up_when_the_zygote_hangs_over_it(keeper: Keeper) -> None:
    keeper.hangs()  # the first one, which had no trial
    keeper.hangs()
    assert KIND in keeper.keeper.unusable


def test_a_kind_that_was_warm_before_is_tried_again_but_not_for_ever(keeper: Keeper) -> None:
    keeper.says_warm()
    keeper.keeper.ended()
    keeper.begin().hangs()  # without a trial
    for _ in range(PATIENCE):
        keeper.hangs()
        assert keeper.keeper.unusable == {}
    keeper.hangs()
    assert KIND in keeper.keeper.unusable


def test_a_trial_that_ran_out_of_time_is_repeated_for_a_kind_that_was_warm_before(keeper: Keeper) -> None:
    keeper.says_warm()
    keeper.keeper.ended()
    keeper.begin()
    keeper.says_warm(failed="not within 10 s", late=True)
    assert (keeper.keeper.unusable, list(keeper.keeper.warming)) == ({}, [KIND])
    keeper.says_warm(failed="ImportError")
    assert keeper.keeper.unusable == {KIND: "ImportError"}


def test_a_machine_that_has_no_time_is_not_a_zygote_that_hangs(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    began_ns = keeper.keeper._warm_since_ns
    monkeypatch.setattr(zygote_keeper, "run_delay_ns", lambda _pid: WARM_NS)
    keeper.keeper.tend(began_ns + WARM_MAX_NS - 1)
    assert keeper.link.end is None  # more than it was starved for
    keeper.begin()
    keeper.keeper.unusable.clear()
    keeper.keeper._hopeless.clear()
    keeper.keeper.warm({KIND: CONFIG})
    monkeypatch.setattr(zygote_keeper, "run_delay_ns", lambda _pid: WARM_MAX_NS)
    keeper.keeper._delay_ns = 0
    keeper.keeper.tend(keeper.keeper._warm_since_ns + WARM_MAX_NS - 1)
    assert keeper.keeper.unusable == {}
    keeper.keeper.tend(keeper.keeper._warm_since_ns + WARM_MAX_NS + 1)
    assert KIND in keeper.keeper.unusable


@pytest.mark.parametrize(("starved_ns", "replaced"), [(0, True), (3 * ANSWER_NS, False)])
def test_a_fork_that_is_late_for_want_of_time_does_not_cost_the_zygote(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, starved_ns: int, replaced: bool
) -> None:
    monkeypatch.setattr(zygote_link, "run_delay_ns", lambda _pid: starved_ns)
    keeper.says_warm()
    keeper.children.ask("worker", "new", KIND, {}, time.monotonic_ns())
    keeper.link.delay_ns = 0
    keeper.keeper.tend(time.monotonic_ns() + 3 * ANSWER_NS)
    assert (keeper.link.end is None) is replaced


def test_the_wait_of_a_process_that_is_gone_is_nothing() -> None:
    assert run_delay_ns(4_000_000) == 0
    assert run_delay_ns(os.getpid()) >= 0


def test_what_one_zygote_was_asked_to_warm_is_asked_of_the_one_that_takes_its_place(keeper: Keeper) -> None:
    keeper.says_warm()
    keeper.keeper.warm({KIND: CONFIG, "paper/other": CONFIG})
    ours, theirs = channel.pair()
    old = keeper.keeper.swap(ZygoteLink(4_000_000, ours, {KIND}))
    asked = channel.receive(theirs)
    assert asked is not None
    assert (asked["op"], asked["bot"]["kind"]) == ("warm", "paper/other")
    channel.send(theirs, {"op": "warmed", "kind": "paper/other", "failed": None})
    keeper.keeper._hear(0)
    assert (keeper.keeper.is_idle, keeper.link.warm_kinds) == (True, {KIND, "paper/other"})
    assert old.end is not None
    old.end.close()
    theirs.close()


def test_a_sweep_is_made_without_a_zygote_that_is_not_ready_and_a_worker_waits(keeper: Keeper) -> None:
    keeper.children.ask("sweep", "left", KIND, {}, 1)
    keeper.children.ask("worker", "new", KIND, {}, 1)
    keeper.keeper.tend(SWEEP_WAIT_NS - 1)
    assert keeper.alone == []
    keeper.keeper.tend(SWEEP_WAIT_NS + 2)
    assert keeper.alone == ["left"]
    assert [request.name for request in keeper.link.waiting] == ["new"]


def test_of_many_sweeps_without_a_zygote_a_few_go_at_a_time(keeper: Keeper) -> None:
    for number in range(FRESH_AT_ONCE + 2):
        keeper.children.ask("sweep", f"bot{number}", KIND, {}, 1)
    keeper.keeper.tend(SWEEP_WAIT_NS + 2)
    keeper.keeper.tend(SWEEP_WAIT_NS + 3)
    assert keeper.alone == [f"bot{number}" for number in range(FRESH_AT_ONCE)]
    keeper.sweeper_ends("bot0")
    keeper.keeper.tend(SWEEP_WAIT_NS + 4)
    assert keeper.alone[FRESH_AT_ONCE:] == [f"bot{FRESH_AT_ONCE}"]


def test_a_sweep_of_a_kind_that_cannot_be_used_does_not_wait(keeper: Keeper) -> None:
    keeper.says_warm(failed="ImportError")
    keeper.children.ask("sweep", "left", KIND, {}, 1)
    keeper.keeper.tend(2)
    assert keeper.alone == ["left"]


def test_a_dead_bot_is_swept_although_its_zygote_is_stopped_while_it_warms(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.start().quoting("one")
    first, worker = fleet.zygote_pid(), fleet.bot("one")["pid"]
    os.kill(first, signal.SIGKILL)
    second = fleet.until(lambda: (pid := _zygote(fleet)) != first and pid)
    os.kill(second, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    log = fleet.home.log / "one.log"
    fleet.until(lambda: '"sweep_ended"' in log.read_text() and fleet.open_paper_orders() == [], 30)
    fleet.until(lambda: fleet.bot("one")["state"] == "STARTING" or fleet.is_quoting("one"))
    os.kill(second, signal.SIGKILL)
    fleet.quoting("one", seconds=40)


def _zygote(fleet: Fleet) -> int | None:
    try:
        return fleet.zygote_pid()
    except (StopIteration, psutil.Error):
        return None
