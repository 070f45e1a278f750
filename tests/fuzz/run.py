"""Throw many inputs at the registry: `python -m tests.fuzz.run [--examples N] [TARGET...]`; `make fuzz`.

It ends after that many inputs for each target, or with the smallest one that breaks what must hold.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.targets import TARGETS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the targets that are named, all without a name; return 1 when one did not hold."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=5000, help="inputs for each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of: {', '.join(TARGETS)}")
    given_ = parser.parse_args(arguments)
    unknown = [name for name in given_.targets if name not in TARGETS]
    if unknown:
        parser.error(f"unknown target {unknown[0]}; one of: {', '.join(TARGETS)}")
    return max(fuzz(name, given_.examples) for name in given_.targets or TARGETS)


def fuzz(name: str, examples: int) -> int:
    """Throw inputs at one target and say how it went; return 0 when all held."""
    began = time.monotonic()
    try:
        throw(name, examples)
    except Exception as exc:  # what was found is shown, and the other targets have their turn
        print(f"{name}: FAILED after {time.monotonic() - began:.0f} s: {type(exc).__name__}: {exc}")
        for note in getattr(exc, "__notes__", ()):
            print(f"  {note}")
        return 1
    print(f"{name}: {examples} inputs, {time.monotonic() - began:.0f} s")
    return 0


def throw(name: str, examples: int) -> None:
    """Throw inputs at one target. Raises what it raises, for the smallest input that was found."""
    inputs, holds = TARGETS[name]
    wanted = settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        database=None,
    )
    wanted(given(inputs)(holds))()


if __name__ == "__main__":
    raise SystemExit(main())
