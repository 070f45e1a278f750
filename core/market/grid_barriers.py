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
    clock: BarrierClock = field(default_factory=BarrierClock)

    @classmethod
    def begun(cls, basis: str, position: Position, mark: Decimal, instrument: Instrument, now_ns: int) -> GridBarriers:
        """Return the barriers of a grid that begins now; an equity is as old as the grid."""
        clock = BarrierClock().follow(1, now_ns) if basis == EQUITY else BarrierClock()
        return cls(position.net_pnl(mark, instrument), clock)

    def look(
        self,
        limits: BarrierLimits,
        basis: str,
        position: Position,
        mark: Decimal,
        most_value: Decimal,
        instrument: Instrument,
        now_ns: int,
    ) -> Barrier | None:
        """Return the barrier that is reached; an equity is judged against the value of all cells of a side."""
        if basis == EQUITY:
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


def clock_of(plain: Sequence[Any], now: Moment) -> BarrierClock:
    """Return a recorded clock; it went on meanwhile. One that was recorded without its begin begins anew."""
    side, peak, *since = plain
    since_ns = min(at_moment(since[0], now).now_ns, now.now_ns) if since else now.now_ns
    return BarrierClock(side, since_ns, None if peak is None else Decimal(peak))
