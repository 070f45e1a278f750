"""The chaos run: `python -m tests.chaos.run --seed 7 --faults 500 [--report docs/chaos.md]`, or `make chaos`.

Ends with 0 when every invariant held at every look, with 1 otherwise; then the seed, the log of faults and the state
are printed, and the folder of the run is kept.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import click

from tests.chaos.arena import Arena
from tests.chaos.drive import Driver, Violated
from tests.chaos.kinds import BY_NAME, KINDS
from tests.chaos.plan import make_plan
from tests.chaos.report import Outcome, report
from tests.chaos.roster import roster
from tests.chaos.watch import Watch


@click.command(help=__doc__)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--faults", type=click.IntRange(1), default=500, show_default=True)
@click.option("--bots", default="8,6,6", show_default=True, help="So many on Backpack, Thalex and paper.")
@click.option("--kinds", default="", help="Only these kinds of faults, separated by commas.")
@click.option("--limit-s", type=float, default=3600, show_default=True, help="No new round after that.")
@click.option("--own-disk/--no-own-disk", default=True, help="A small tmpfs for the home, where it may be mounted.")
@click.option("--keep", is_flag=True, help="Keep the folder of the run in any case.")
@click.option("--report", "report_file", type=click.Path(path_type=Path), help="Write the table there.")
def main(
    seed: int, faults: int, bots: str, kinds: str, limit_s: float, own_disk: bool, keep: bool, report_file: Path | None
) -> None:
    """Run it."""
    chosen = [BY_NAME[name] for name in kinds.split(",")] if kinds else list(KINDS)
    fleet = roster(*(int(count) for count in bots.split(",")))
    plan = make_plan(seed, faults, fleet, chosen)
    arena = Arena(Path(tempfile.mkdtemp(prefix="makerd-chaos-")), fleet, seed, own_disk)
    watch = Watch(arena, seed)
    driver = Driver(arena, watch)
    began_s, failed = time.monotonic(), True
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # leave nothing behind
    try:
        arena.build()
        driver.run(plan, limit_s)
        failed = False
    except Exception as exc:
        click.echo(f"\nseed {seed}: {exc if isinstance(exc, Violated) else traceback.format_exc()}", err=True)
        click.echo("\nfaults:\n" + "\n".join(driver.log), err=True)
        click.echo("\nstatus:\n" + json.dumps(arena.status(), indent=1), err=True)
        click.echo(f"\nkept: {arena.root}", err=True)
    finally:
        arena.close(keep=failed or keep)
    text = report(Outcome.of(driver, seed, time.monotonic() - began_s))
    click.echo(text)
    if report_file is not None and not failed:
        report_file.write_text(text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
