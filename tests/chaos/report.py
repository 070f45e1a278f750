"""The table that a chaos run leaves."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from tests.chaos.drive import Driver
from tests.chaos.kinds import BY_NAME


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `recoveries_s` has a time for each fault, by kind; None where nobody was well again."""

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
    """Return a page of Markdown."""
    total = sum(len(times) for times in outcome.recoveries_s.values())
    fleet = ", ".join(f"{count} on {venue}" for venue, count in outcome.bots.items() if count)
    head = f"{total} faults in {outcome.duration_s / 60:.0f} minutes, seed {outcome.seed}, "
    head += f"{sum(outcome.bots.values())} bots: {fleet}."
    lines = [
        "# Chaos",
        "",
        head,
        "",
        "| fault | what | count | recovery median s | worst s |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name, kind in BY_NAME.items():
        if name in outcome.recoveries_s:
            times = [taken for taken in outcome.recoveries_s[name] if taken is not None]
            figures = f"{statistics.median(times):.1f} | {max(times):.1f}" if times else "- | -"
            lines.append(f"| {name} | {kind.what} | {len(outcome.recoveries_s[name])} | {figures} |")
    return "\n".join([*lines, "", *_invariants(outcome), ""])


def _invariants(outcome: Outcome) -> list[str]:
    checked = f"Quiet points: {outcome.quiet_points}. Looks at owners and limits: {outcome.looks}."
    return [f"Violations: {outcome.violations}. {checked} Fills: {outcome.fills}."]
