"""The barriers of a grid: of its equity since the start, or of the open profit of its position. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.market.barriers import Barrier, BarrierClock, BarrierLimits, judge
from core.market.instrument import Instrument
from core.market.lasting import Moment, at_moment, utc_of
from core.market.position import Position

EQUITY = "equity"


@dataclass(slots=True)
class GridBarriers:
    """What the barriers of one grid remember; times are the view's."""

    start_net: Decimal = Decimal(0)  # of the ledger's position, when the grid began
    counts_equity: bool = True
    clock: BarrierClock = field(default_factory=BarrierClock)

    @classmethod
    def begun(cls, basis: str, position: Position, mark: Decimal, instrument: Instrument, now_ns: int) -> GridBarriers:
        """Return the barriers of a grid that begins now; an equity is as old as the grid."""
        clock = BarrierClock().follow(1, now_ns) if basis == EQUITY else BarrierClock()
        return cls(position.net_pnl(mark, instrument), basis == EQUITY, clock)

    def look(
        self,
        limits: BarrierLimits,
        position: Position,
        mark: Decimal,
        most_value: Decimal,
        instrument: Instrument,
        now_ns: int,
    ) -> Barrier | None:
        """Return the barrier that is reached; an equity is judged against the value of all cells of a side."""
        if self.counts_equity:
            gain, base = position.net_pnl(mark, instrument) - self.start_net, most_value
        else:
            self.clock = self.clock.follow(position.size_lots, now_ns)
            gain, base = position.unrealised_pnl(mark, instrument), position.entry_value
        self.clock, barrier = judge(limits, self.clock, gain, base, now_ns)
        return barrier

    def clock_to_plain(self, now: Moment) -> list[Any]:
        """Return the clock as JSON can hold it."""
        peak = self.clock.peak_pct
        return [self.clock.side, None if peak is None else f"{peak:f}", utc_of(self.clock.since_ns, now)]


def barriers_of(basis: str, start_net: str, clock: Sequence[Any], now: Moment) -> GridBarriers:
    """Return what was recorded; the clock went on meanwhile. One without its begin, as it once was, begins anew."""
    side, peak, *since = clock
    since_ns = min(at_moment(since[0], now).now_ns, now.now_ns) if since else now.now_ns
    taken_up = BarrierClock(side, since_ns, None if peak is None else Decimal(peak))
    if basis == EQUITY and not side:  # it counted the open profit before, and nothing was held
        taken_up = BarrierClock().follow(1, now.now_ns)
    return GridBarriers(Decimal(start_net), basis == EQUITY, taken_up)
