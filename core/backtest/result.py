"""What came out of a backtest. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.backtest.fills_csv import digest_of, fills_text, legs_fills_text
from core.backtest.together import PlayedLeg


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What came out; `elapsed_s` is real time, the rest the same in every run."""

    legs: tuple[PlayedLeg, ...]
    summary: dict[str, Any]
    span_s: float
    steps: int
    elapsed_s: float
    ended: str  # why, when it ended before the data did

    @property
    def only(self) -> PlayedLeg:
        """Return the leg of a bot that has one. Raises ValueError for several."""
        (leg,) = self.legs
        return leg

    @property
    def events(self) -> int:
        """Return how many events there were, on all legs."""
        return sum(leg.events for leg in self.legs)

    def to_plain(self) -> dict[str, Any]:
        """Return the table for JSON."""
        speed = round(self.events / self.elapsed_s) if self.elapsed_s else 0
        run = {"events": self.events, "span_s": self.span_s, "ended": self.ended or None}
        timing = {"elapsed_s": round(self.elapsed_s, 4), "events_per_s": speed, "steps": self.steps}
        return {**run, **self.summary, "fills_sha256": digest_of(self.fills_text()), **timing}

    def fills_text(self) -> str:
        """Return the fills as CSV, of several legs with a column for the leg: the same bytes for the same fills."""
        if len(self.legs) == 1:
            return fills_text(self.only.record.fills, self.only.instrument)
        return legs_fills_text([(leg.leg.leg, leg.record.fills, leg.instrument) for leg in self.legs])
