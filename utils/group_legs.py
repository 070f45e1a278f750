"""The legs of a bot that trades a group of instruments: which of them is called what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MAIN = "main"


def legs_of_group(symbol: str, instruments: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each instrument with its leg's name: `main` is the one of `symbol`, then `leg2`, `leg3`, ... as listed."""
    main = next((row for row in instruments if row["symbol"] == symbol), None)
    if main is not None:
        yield MAIN, main
    others = (row for row in instruments if row is not main)
    yield from ((f"leg{number}", row) for number, row in enumerate(others, 2))
