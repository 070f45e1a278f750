"""Figures of hedging: how long it took, what it cost against the depth, and what the round trips earned."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.market.instrument import Instrument
from core.market.order import Fill

_SAMPLES = 1_000
_ZERO = Decimal(0)
_MS = 1_000_000


def quantile(samples: Sequence[float], share: float) -> float | None:
    """Return the sample below which a share of all lies (nearest rank), None without samples."""
    if not samples:
        return None
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cash_of(fill: Fill, instrument: Instrument, rate: Decimal) -> tuple[Decimal, Decimal]:
    """Return what a fill did to the base, signed, and to the maker's quote asset, its fee included.

    A fee in an asset that is neither base nor quote has no price here and is left out.
    """
    base = fill.side.sign * instrument.to_size(fill.size_lots) * instrument.contract_size
    price = instrument.to_price(fill.price_ticks)
    fee = fill.fee * price if fill.fee_asset == instrument.base else fill.fee
    if fill.fee_asset not in (instrument.base, instrument.quote, ""):
        fee = _ZERO
    return base, (-base * price - fee) * rate


@dataclass(slots=True)
class RoundTrips:
    """Maker fills matched with the fills that hedged them, first in, first out; money in the maker's quote asset."""

    pnl: Decimal = _ZERO
    volume: Decimal = _ZERO  # what the matched maker fills were worth
    _open: deque[tuple[Decimal, Decimal]] = field(default_factory=deque)  # hedge base that is wanted, cash

    def made(self, base: Decimal, cash: Decimal, ratio: Decimal) -> None:
        """Book a maker fill."""
        self._match(base * ratio, cash, is_maker=True)

    def hedged(self, base: Decimal, cash: Decimal) -> None:
        """Book a fill of the hedge leg."""
        self._match(base, cash, is_maker=False)

    def _match(self, base: Decimal, cash: Decimal, is_maker: bool) -> None:
        """Let a fill close what is open on the other side; what is left of it is open."""
        while base and self._open and (self._open[0][0] > 0) != (base > 0):
            there, its_cash = self._open[0]
            size = min(abs(there), abs(base))
            share, its_share = size / abs(base), size / abs(there)
            self.pnl += cash * share + its_cash * its_share
            self.volume += abs(cash * share if is_maker else its_cash * its_share)
            base, cash = base - base * share, cash - cash * share
            left = there - there * its_share
            if left:
                self._open[0] = (left, its_cash - its_cash * its_share)
            else:
                self._open.popleft()
        if base:
            self._open.append((base, cash))

    @property
    def capture_bps(self) -> float | None:
        """Return the profit as a share of the maker's volume, None before the first round trip."""
        return float(self.pnl / self.volume) * 10_000 if self.volume else None


@dataclass(slots=True)
class HedgeStats:
    """Counts of this life; times on the loop's clock."""

    hedges: int = 0  # orders that were sent
    unwinds: int = 0
    trips: RoundTrips = field(default_factory=RoundTrips)
    unhedged_max_ns: int = 0
    _latency_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    _slippage: tuple[float, int] = (0.0, 0)  # bps x lots, lots
    _waiting_since_ns: int | None = None  # the oldest maker fill that no hedge has followed
    _expected_ticks: float = 0.0  # the depth's price when the newest hedge was sent

    def on_maker_fill(self, now_ns: int) -> None:
        """Start the clock of a fill, unless an older one waits."""
        if self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns

    def on_sent(self, expected_ticks: float) -> None:
        """Count an order with the price that the depth promised."""
        self.hedges += 1
        self._expected_ticks = expected_ticks

    def on_hedge_fill(self, fill: Fill, now_ns: int) -> None:
        """Take in a fill of the hedge leg."""
        if self._waiting_since_ns is not None:
            self._latency_ms.append((now_ns - self._waiting_since_ns) / _MS)
            self._waiting_since_ns = None
        if self._expected_ticks:
            off_bps = fill.side.sign * (fill.price_ticks / self._expected_ticks - 1) * 10_000
            total, lots = self._slippage
            self._slippage = (total + off_bps * fill.size_lots, lots + fill.size_lots)

    def told(self) -> dict[str, Any]:
        """Return the figures for the status."""
        total, lots = self._slippage
        capture = self.trips.capture_bps
        latencies = list(self._latency_ms)
        return {
            "hedges": self.hedges,
            "unwinds": self.unwinds,
            "hedge_latency_ms": {"p50": _rounded(quantile(latencies, 0.5)), "p99": _rounded(quantile(latencies, 0.99))},
            "hedge_slippage_bps": round(total / lots, 3) if lots else None,
            "unhedged_s_max": round(self.unhedged_max_ns / 1e9, 3),
            "round_trip_pnl": f"{self.trips.pnl:.8f}",
            "capture_bps": _rounded(capture),
        }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
