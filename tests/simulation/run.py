"""The long form: `python -m tests.simulation.run [--seed N] [--steps N]`. A seed repeats a run exactly."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.simulation.faults import FAULTS, RARE, befall, check_now, settle
from tests.simulation.world import Broken, World

WEIGHTS = [0.15 if name in RARE else 1.0 for name in FAULTS]


def one_world(seed: int, faults: int = 60) -> World:
    """Run one world to its end. Raises Broken."""
    rng = random.Random(seed)
    world = World(rng.randrange(1, 7), rng)
    for _ in range(faults):
        world.run(rng.choice([0.0, 0.01, 0.3, 2.0, 15.0, 90.0]))
        name = rng.choices(list(FAULTS), WEIGHTS)[0]
        world.count[name] += 1
        befall(world, name, rng.choice(world.names))
        check_now(world)
    settle(world)
    return world


def main(arguments: Sequence[str] | None = None) -> int:
    """Run world after world until enough has happened; print what did, or the seed of the one that broke."""
    parser = argparse.ArgumentParser(description="Simulate fleets under faults.")
    parser.add_argument("--seed", type=int, default=1, help="of the first world")
    parser.add_argument("--steps", type=int, default=1_000_000, help="events and ticks to go through")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    seed, total, began = options.seed, Counter[str](), time.monotonic()
    while total["events"] + total["ticks"] < options.steps:
        try:
            total.update(one_world(seed).count)
        except (Broken, KeyError) as exc:
            print(f"seed {seed}: {type(exc).__name__}: {exc}", file=sys.stderr)
            return 1
        seed += 1
    seconds = time.monotonic() - began
    steps = total.pop("events") + total.pop("ticks")
    print(f"{steps} steps in {seed - options.seed} worlds, {seconds:.0f} s; no rule was broken")
    print(", ".join(f"{name} {count}" for name, count in sorted(total.items())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
