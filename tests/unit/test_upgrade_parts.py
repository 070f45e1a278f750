"""The parts of an upgrade that only decide or only remember: the roll, and the state that goes through an exec."""

from __future__ import annotations

import json
import os
import selectors
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.fleet_config import FleetConfig
from core.process import channel, upgrade
from core.process.carried_state import CarriedState, StateUnreadable
from core.process.fleet import BotEntry
from core.process.identity import Identity
from core.process.rate_leases import RateLeases
from core.process.roll import MOVE_NS, PROBATION_NS, Roll
from core.process.upgrade import Upgrade
from core.process.worker_record import State, WorkerRecord
from core.process.zygote_candidate import CandidateZygote
from core.process.zygote_link import CarriedZygote, ZygoteLink

S = 1_000_000_000


class Fleet:
    """Records by name, as a roll asks for them."""

    def __init__(self, *names: str) -> None:
        self.records = {name: WorkerRecord(name, state=State.RUNNING, ready_ns=0) for name in names}
        self.roll = Roll(sorted(names))

    def step(self, at_s: float) -> str | None:
        return self.roll.step(self.records.get, int(at_s * S))

    def ready(self, name: str, at_s: float) -> None:
        self.records[name] = replace(self.records[name], state=State.RUNNING, ready_ns=int(at_s * S))


def test_bots_move_one_after_the_other_each_when_the_one_before_is_ready() -> None:
    fleet = Fleet("a", "b")
    assert fleet.step(1) == "a"
    fleet.records["a"] = replace(fleet.records["a"], state=State.STARTING)
    assert fleet.step(2) is None
    fleet.ready("a", 3)
    assert fleet.step(3) == "b"
    fleet.ready("b", 4)
    assert fleet.step(4) is None and fleet.roll.is_rolled


def test_a_bot_that_does_not_run_is_left_to_start_with_the_new_code_by_itself() -> None:
    fleet = Fleet("a", "b", "c")
    fleet.records["a"] = replace(fleet.records["a"], state=State.BACKOFF)
    del fleet.records["b"]
    assert fleet.step(1) == "c"


def test_a_bot_that_was_stopped_while_it_moved_does_not_hold_the_others_up() -> None:
    fleet = Fleet("a", "b")
    fleet.step(1)
    fleet.records["a"] = replace(fleet.records["a"], state=State.STOPPED)
    assert fleet.step(2) == "b"


@pytest.mark.parametrize(("at_s", "condemned"), [(10, True), (62, False)])
def test_a_worker_that_dies_young_condemns_the_new_code(at_s: float, condemned: bool) -> None:
    fleet = Fleet("a")
    fleet.step(1)
    fleet.ready("a", 2)
    fleet.step(2)
    fleet.roll.died("a", "RuntimeError", int(at_s * S))
    assert bool(fleet.roll.failure) is condemned


def test_the_death_of_a_worker_of_the_old_code_says_nothing_of_the_new() -> None:
    fleet = Fleet("a", "b")
    fleet.step(1)
    fleet.roll.died("b", "x", 2 * S)
    assert not fleet.roll.failure


def test_a_worker_that_is_never_ready_condemns_the_new_code() -> None:
    fleet = Fleet("a")
    fleet.step(1)
    fleet.records["a"] = replace(fleet.records["a"], state=State.SWEEPING)
    fleet.step(2 + MOVE_NS / S)
    assert "not ready" in fleet.roll.failure


def test_the_old_code_is_kept_until_the_first_worker_has_lived_a_minute() -> None:
    fleet = Fleet("a")
    fleet.step(1)
    fleet.ready("a", 2)
    fleet.step(2)
    assert not fleet.roll.is_trusted(3 * S)
    assert fleet.roll.is_trusted(2 * S + PROBATION_NS)
    assert Roll.from_plain(json.loads(json.dumps(fleet.roll.to_plain()))) == fleet.roll


LEG = Leg("main", "paper", "a", "X-Y")
CONFIG = BotConfig("a", "paper", "s", (LEG,), DaemonConfig(nice=3), {}, {"k": 1}, {}, {}, "f", "d", ("KEY",))
RECORDS = st.builds(
    WorkerRecord,
    st.just("a"),
    state=st.sampled_from(State),
    wanted=st.booleans(),
    paused=st.booleans(),
    closing=st.booleans(),
    dirty=st.booleans(),
    then=st.sampled_from(State),
    rests_in=st.sampled_from(State),
    pid=st.none() | st.integers(1, 4_000_000),
    due_ns=st.none() | st.integers(0, 2**62),
    crashes_ns=st.lists(st.integers(0, 2**62), max_size=3).map(tuple),
    held_by=st.none() | st.just(Identity(1, 2, "boot")),
    reason=st.text(max_size=20),
)


def state_of(record: WorkerRecord) -> CarriedState:
    entry = BotEntry(CONFIG, record, held_down=True, last_exit={"status": 70})
    zygote = CarriedZygote(7, 8, ("paper/s",))
    children = ({"kind": "worker", "name": "a", "fd": 9},)
    return CarriedState(
        {"kind": "daemon", "only": [], "sell_base": False}, 5, 3, 4, (entry,), children, {}, (), zygote, None, {},
        FleetConfig().to_plain(), Roll(["a"]).to_plain(),
    )  # fmt: skip


@given(RECORDS)
def test_what_goes_through_an_exec_comes_out_as_it_was(record: WorkerRecord) -> None:
    state = state_of(record)
    fd = state.write()
    try:
        found = CarriedState.read(fd)
    finally:
        os.close(fd)
    assert found.bots[0].record == record
    assert found.bots[0].config == CONFIG
    assert (found.bots[0].held_down, found.bots[0].last_exit) == (True, {"status": 70})
    assert (found.zygote, found.children, found.roll) == (state.zygote, state.children, state.roll)
    assert found.fds() == [3, 4, 8, 9]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 99}', b"garbage"])
def test_a_state_that_cannot_be_read_is_refused_in_one_line(content: bytes) -> None:
    fd = os.memfd_create("test")
    os.write(fd, content)
    with pytest.raises(StateUnreadable, match="cannot be read"):
        CarriedState.read(fd)
    os.close(fd)


def test_leases_go_through_an_exec_so_that_no_budget_is_lent_twice() -> None:
    before, after = RateLeases(), RateLeases()
    before.ask("a", "key", 10, 20, 0)
    after.take_over(json.loads(json.dumps(before.to_plain())))
    assert after.lent("key", 1) == before.lent("key", 1) == (8.0, 16.0)
    assert after.ask("b", "key", 10, 20, 1).per_s == 0
    after.drop("a")
    assert after.ask("b", "key", 10, 20, 1).per_s == 8.0


# ---------------------------------------------------------------- refusals: whatever goes wrong, the daemon runs on


class Daemon:
    """What an upgrade needs to know of its supervisor, and what it has told it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.stopping_since_ns: int | None = None
        self.zygote = SimpleNamespace(is_idle=False, unusable={})
        self.children, self.registry = SimpleNamespace(quiet=True), SimpleNamespace(is_reading=False)
        self.events = SimpleNamespace(note=lambda kind, **_more: self.told.append(kind))


def warmed(daemon: Daemon) -> Upgrade:
    """Return an upgrade whose candidate is warm and waits for a quiet moment."""
    made = Upgrade(daemon)  # type: ignore[arg-type]
    made._candidate = SimpleNamespace(release=ZygoteLink)  # type: ignore[assignment]
    made._warmed({})
    return made


def test_an_upgrade_that_found_no_quiet_moment_is_given_up_once_and_for_all() -> None:
    daemon = Daemon()
    made = warmed(daemon)
    made.tend(made._give_up_ns - 1)
    assert daemon.told == []
    made.tend(made._give_up_ns + 1)
    daemon.zygote.is_idle = True  # the quiet moment that comes too late
    for _ in range(3):
        made.tend(made._give_up_ns + 2)
    assert (made.stage, daemon.told) == ("refused", ["upgrade_refused"])


def test_a_state_that_cannot_be_written_down_refuses_the_upgrade_and_the_next_one_may_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full() -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(upgrade, "carried", lambda *_all: SimpleNamespace(write=full))
    made = Upgrade(Daemon())  # type: ignore[arg-type]
    made.begin(1)
    assert made.stage == "refused"
    assert "Too many open files" in made.reason


def test_a_candidate_that_dies_after_it_was_warm_is_not_taken_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = channel.pair()
    monkeypatch.setattr(ZygoteLink, "start", lambda link, _output: setattr(link, "end", ours))
    told: list[dict[str, Any]] = []
    selector = selectors.DefaultSelector()
    candidate = CandidateZygote(selector, 2, {"k": entry_config()}, [], 0, lambda failures: told.append(dict(failures)))
    channel.send(theirs, {"op": "warmed", "kind": "k", "failed": None})
    candidate._hear(0)
    theirs.close()
    candidate._hear(0)
    candidate.release().kill()
    selector.close()
    assert [list(failures) for failures in told] == [[], ["the zygote"]]


def entry_config() -> BotConfig:
    leg = Leg("main", "paper", "a", "X-Y")
    return BotConfig("a", "paper", "s", (leg,), DaemonConfig(), {}, {}, {}, {}, "", "")
