"""The short form of `make simulate`: whole fleets under faults in any order, and what shrinks when one breaks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.process import account_guards, worker_policy
from core.process.dead_man import Verdict
from core.process.worker_record import Exited, State
from tests.simulation.faults import FAULTS, befall, check_now, settle
from tests.simulation.run import one_world
from tests.simulation.world import Broken, World

STEPS = st.lists(
    st.tuples(st.sampled_from(list(FAULTS)), st.integers(0, 2), st.sampled_from([0.0, 0.01, 0.3, 2.0, 15.0, 90.0])),
    max_size=25,
)


@settings(max_examples=20, deadline=None)  # `make simulate` is long
@given(STEPS, st.integers(0, 2**16))
def test_whatever_happens_in_any_order_no_order_is_left_and_every_bot_comes_to_rest(
    steps: list[tuple[str, int, float]], seed: int
) -> None:
    world = World(3, random.Random(seed))
    for fault, bot, seconds in steps:
        world.run(seconds)
        befall(world, fault, world.names[bot])
        check_now(world)
    settle(world)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_run_of_faults_breaks_no_rule(seed: int) -> None:
    assert one_world(seed).count["worker"] > 1


def test_a_seed_repeats_a_run_exactly() -> None:
    assert one_world(7, faults=30).count == one_world(7, faults=30).count


def test_a_quiet_fleet_runs_and_hardly_anything_is_decided() -> None:
    world = World(5, random.Random(1))
    world.run(60)
    assert world.fleet is not None
    assert {bot.record.state for bot in world.fleet.bots.values()} <= {State.RUNNING, State.STOPPING, State.STARTING}
    before = world.count["ticks"]
    world.run(60)
    assert world.count["ticks"] - before < 2000


def bot_that_cannot_be_swept(seed: int = 3) -> World:
    """Return a world in which a bot of an account with one dead-man switch was killed and no sweeper can be forked."""
    world = World(3, random.Random(seed))
    world.run(30)
    worker = world.of("bot-0")
    assert worker is not None and world.disk["bot-0"].orders
    world.fork_fails = 1.0
    world.end(worker, None, 9)
    return world


def test_orders_that_cannot_be_swept_are_ended_by_the_switch_of_their_account() -> None:
    world = bot_that_cannot_be_swept()
    world.run(40)
    assert world.disk["bot-0"].orders == set() and world.count["switch fired"] == 1
    assert world.disk["bot-2"].orders == set(), "its neighbour rests nothing meanwhile"
    world.fork_fails = 0.0
    world.run(100)
    world.switches.check_settled()
    assert world.disk["bot-2"].orders


def test_the_simulation_notices_a_guard_that_refreshes_for_dead_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_guards, "verdict", lambda _members: Verdict(True))
    with pytest.raises(Broken, match="whom nobody looks after"):
        bot_that_cannot_be_swept().run(40)


def test_the_simulation_notices_a_supervisor_that_believes_everybody_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = worker_policy.exited

    def gullible(record: object, event: Exited, now_ns: int, jitter: float) -> object:
        clean = Exited(event.status, event.signal, True, event.reason, event.held_by, event.handover, event.closed)
        return honest(record, clean, now_ns, jitter)  # type: ignore[arg-type]

    for table in ("_LIVING", "TABLE"):
        rows = getattr(__import__("core.process.worker_states", fromlist=[table]), table)
        for row in rows.values() if table == "TABLE" else (rows,):
            if row.get(Exited) is honest:
                monkeypatch.setitem(row, Exited, gullible)
    with pytest.raises(Broken, match="S2"):
        for seed in range(20):
            one_world(seed)
