"""Whatever ended a bot, once its next owner has run nothing of the old one is left: on paper and on a venue of its own.

The venue's own records say so, read by the checks of the chaos harness: no order that rested at the end rests any
more, each fill is in the ledger once, the positions are equal, and each bot has one owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.arena import Arena
from tests.chaos.drive import Driver
from tests.chaos.kinds import BY_NAME
from tests.chaos.plan import Strike
from tests.chaos.roster import roster
from tests.chaos.watch import Watch


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A fleet of one bot on paper and one on the simulator of Backpack, a venue without a dead-man switch."""
    arena = Arena(tmp_path_factory.mktemp("left-behind"), roster(1, 0, 1), 3, own_disk=False)
    driver = Driver(arena, Watch(arena, 3))
    try:
        arena.build()
        driver.begin()
        yield driver
    finally:
        driver.watch.close()
        arena.close(keep=False)


def strike(ground: Driver, kind: str, draw: float = 0.5) -> dict[str, dict[str, Any]]:
    """Let a fault hit every bot; return the rows of the status once all are well and their books were compared."""
    known = BY_NAME[kind]
    for bot in ground.arena.bots if not known.hits_all else ground.arena.bots[:1]:
        ground.strike(Strike(known, bot, 0.0, draw))
    ground.calm_down()
    ground.quiet(kind)
    rows = ground.arena.status()
    assert rows is not None
    return rows


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("worker_kill", "SIGKILL"),
        ("worker_stop", "no heartbeat"),
        ("out_of_memory", "MemoryError"),
        ("endless_loop", "no heartbeat"),
    ],
)
def test_a_dead_worker_leaves_nothing_once_its_successor_quotes(ground: Driver, kind: str, reason: str) -> None:
    rows = strike(ground, kind)
    assert [reason in row["last_exit"]["reason"] for row in rows.values()] == [True, True]


def test_a_dead_supervisor_leaves_nothing_once_the_next_one_has_started(ground: Driver) -> None:
    strike(ground, "supervisor_kill")


def test_a_stopped_worker_of_a_dead_supervisor_is_ended_by_the_next_one_and_leaves_nothing(ground: Driver) -> None:
    strike(ground, "supervisor_kill_over_stopped")


def test_a_reboot_leaves_nothing_once_the_daemon_has_started_again(ground: Driver) -> None:
    strike(ground, "reboot")


def test_an_order_that_arrives_after_its_worker_died_leaves_nothing(ground: Driver) -> None:
    backpack = ground.arena.bots[0]
    ground.strike(Strike(BY_NAME["kill_in_flight"], backpack, 0.0, 0.5))
    ground.calm_down()
    ground.quiet("an order in flight")


def test_a_stop_at_the_end_leaves_no_process_no_order_and_no_open_run_record(ground: Driver) -> None:
    ground.finish()
    assert ground.fills > 0
