"""The page that a chaos run leaves: what struck, how often, how soon everybody was well again, what was compared."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from tests.chaos.drive import Driver
from tests.chaos.kinds import BY_NAME

_HEAD = """# Chaos

`make chaos` starts a fleet on the simulators of Backpack and Thalex and on the paper venue, makes things go wrong that
a seed chooses, and compares the books of venues and ledgers. `make chaos SEED=7 FAULTS=500 REPORT=1` writes this page.
`tests/chaos/test_chaos_short.py` is a short form of it. The code is in `tests/chaos`; it reads the simulators' records,
the paper venue's files, ledgers, run records, claims and `/proc` by itself.

A round is 6 to 16 faults; each bot is hit once at most, the whole fleet up to twice. Then nothing more goes wrong, and
every bot must quote again and its books must agree: a quiet point. Prices move and orders fill all the time.
"""

_CHECKED = (
    ("quiet points, end", "each fill of the venue is in the ledger exactly once, with side, price, size and fee"),
    ("quiet points, end", "the ledger's position is the venue's to the lot, and both are what the fills add up to"),
    ("quiet points", "each resting order is one that the ledger of its living owner calls open"),
    ("quiet points", "no order that rested when its worker died rests any more"),
    ("quiet points", "each bot has one worker; it holds all claims of the bot, and its run record is open"),
    ("every half second", "no two processes have one ledger open for writing"),
    ("every half second", "nothing of a worker that died rests once its successor lives"),
    ("every half second, quiet points, end", "position and all resting orders of a side stay within `max_position`"),
    ("end", "no resting order on any account, no process, every run record clean, `stop` ended with 0"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `recoveries_s` has a time for each fault, by kind; None where its bots were hit again."""

    seed: int
    duration_s: float
    bots: dict[str, int]
    recoveries_s: dict[str, list[float | None]]
    quiet_points: int
    looks: int
    statuses: int
    fills: int
    violations: int
    own_disk: bool

    @classmethod
    def of(cls, driver: Driver, seed: int, duration_s: float) -> Outcome:
        """Read it off a driver that has ended."""
        watch, arena = driver.watch, driver.arena
        recoveries: dict[str, list[float | None]] = {}
        for injury in watch.injuries:
            taken_s = None if injury.well_s is None else max(0.0, injury.well_s - injury.at_s)
            recoveries.setdefault(injury.strike.kind.name, []).append(taken_s)
        bots = {venue: sum(bot.venue == venue for bot in arena.bots) for venue in ("backpack", "thalex", "paper")}
        return cls(
            seed, duration_s, bots, recoveries, driver.quiet_points, watch.look_count, watch.status_count,
            driver.fills, len(watch.violations), arena.mounted,
        )  # fmt: skip


def report(outcome: Outcome) -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_result(outcome), "", *_faults(outcome), "", *_checks(), "", *_notes(outcome)])


def _result(outcome: Outcome) -> list[str]:
    faults = sum(len(times) for times in outcome.recoveries_s.values())
    fleet = ", ".join(f"{count} on {venue}" for venue, count in outcome.bots.items() if count)
    return [
        "## Result",
        "",
        "| what | figure |",
        "| --- | ---: |",
        f"| violations | {outcome.violations} |",
        f"| faults | {faults} |",
        f"| bots | {sum(outcome.bots.values())} ({fleet}) |",
        f"| seed | {outcome.seed} |",
        f"| duration | {outcome.duration_s / 60:.0f} min |",
        f"| quiet points | {outcome.quiet_points} |",
        f"| looks at owners and limits | {outcome.looks} |",
        f"| fills at the venues, all in the ledgers once | {outcome.fills} |",
    ]


def _faults(outcome: Outcome) -> list[str]:
    lines = [
        "## Faults",
        "",
        "Recovery: from the fault until everybody who was hit quotes; of one that ends with a start, a freed disk or a",
        "machine that goes on, from there. A bot that is hit again meanwhile counts with the later fault.",
        "",
        "| fault | what | count | recovery median s | worst s |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name, kind in BY_NAME.items():
        if name in outcome.recoveries_s:
            times = [taken for taken in outcome.recoveries_s[name] if taken is not None]
            figures = f"{statistics.median(times):.1f} | {max(times):.1f}" if times else "- | -"
            lines.append(f"| {name} | {kind.what} | {len(outcome.recoveries_s[name])} | {figures} |")
    return lines


def _checks() -> list[str]:
    rows = [f"| {what} | {when} |" for when, what in _CHECKED]
    return ["## What is compared", "", "| what | when |", "| --- | --- |", *rows]


def _notes(outcome: Outcome) -> list[str]:
    disk = "a small tmpfs of its own" if outcome.own_disk else "a limit on the size of files"
    return [
        "## Notes",
        "",
        f"* Full disk: {disk}. `heartbeat_timeout_s` is 2, the backoff 0.1 to 2 s, everything else as shipped.",
        "* A bot of Backpack or Thalex whose order was never answered is swept for as long as such an order may still",
        "  arrive (about 12 and 9 s). That is most of the recovery times above 5 s.",
        "* A worker that takes too much memory is found at the next look, every 15 s.",
        "* The venues are simulators of ours on the same host. The machine was shared and loaded.",
        "* Bots misbehave on command by a strategy of the tests (`tests/chaos/misbehaving.py`), which is placed into a",
        "  copy of the checkout. The checkout itself has no such strategy, and no config can name one.",
        "",
    ]
