"""What a backtest writes down on its way: fills with the mid they met, and samples of the market and of our quotes."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from core.market.funding import FundingPayment
from core.market.order import Fill

NO_QUOTE = -1


@dataclass(slots=True)
class Recorder:
    """Times are UTC nanoseconds; prices are ticks, the mid in half ticks, so that it is exact."""

    mid_ticks: Callable[[], float] = lambda: 0.0  # of the venue, now
    fills: list[Fill] = field(default_factory=list)
    funding: list[FundingPayment] = field(default_factory=list)
    fill_mids: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    mids: array[int] = field(default_factory=lambda: array("q"))
    quote_times: array[int] = field(default_factory=lambda: array("q"))
    bids: array[int] = field(default_factory=lambda: array("q"))
    asks: array[int] = field(default_factory=lambda: array("q"))

    def note_fill(self, fill: Fill) -> None:
        """Keep a fill."""
        self.fills.append(fill)
        self.fill_mids.append(round(2 * self.mid_ticks()))

    def sample(self, utc_ns: int) -> None:
        """Keep the mid of now, if there is one."""
        half_ticks = round(2 * self.mid_ticks())
        if half_ticks:
            self.times.append(utc_ns)
            self.mids.append(half_ticks)

    def sample_quotes(self, utc_ns: int, bid: int | None, ask: int | None) -> None:
        """Keep where our best quotes rest."""
        self.quote_times.append(utc_ns)
        self.bids.append(NO_QUOTE if bid is None else bid)
        self.asks.append(NO_QUOTE if ask is None else ask)
