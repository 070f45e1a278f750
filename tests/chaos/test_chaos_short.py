"""A short chaos run: a few bots on every venue, faults of every sort at once, books compared. `make chaos` is long."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.drive import Driver
from tests.chaos.kinds import BY_NAME
from tests.chaos.plan import make_plan
from tests.chaos.roster import roster
from tests.chaos.watch import Watch

SEED = 3
# One of each sort that is over soon; the long run has the others.
KINDS = (
    "worker_kill",
    "exception",
    "lost_ack",
    "duplicate_fill",
    "partial_fill",
    "disconnect",
    "server_error",
    "zygote_kill",
    "bot_restart",
    "reboot",
)


def test_after_faults_of_every_sort_the_books_of_venues_and_ledgers_are_the_same(tmp_path: Path) -> None:
    bots = roster(2, 2, 2)
    arena = Arena(tmp_path, bots, SEED, own_disk=False)
    watch = Watch(arena, SEED)
    driver = Driver(arena, watch)
    try:
        arena.build()
        driver.run(make_plan(SEED, len(KINDS), bots, [BY_NAME[name] for name in KINDS]), limit_s=100)
    finally:
        watch.close()
        arena.close(keep=False)
    assert len(watch.injuries) == len(KINDS)
    assert driver.quiet_points >= 2
    assert driver.fills > 0
