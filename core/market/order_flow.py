"""Pressure of the tape: how much more is bought than sold by those who cross the spread (VAMP).

Sizes are lots, so that the sums are exact. "Volume adjusted mid price", which is called VAMP elsewhere, is of the book:
`OrderBook.depth_mid_ticks`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from core.market.order import Side


class AggressorRule:
    """Whose trade it was, where the venue does not tell (Lee-Ready): by the mid, and at the mid by the last move."""

    def __init__(self) -> None:
        self._price: float | None = None
        self._last_move: Side | None = None

    def aggressor(self, price: float, mid: float) -> Side | None:
        """Return who crossed the spread, None when nothing tells; asked for each print, in order."""
        if self._price is not None and price != self._price:
            self._last_move = Side.BUY if price > self._price else Side.SELL
        self._price = price
        if price == mid:
            return self._last_move
        return Side.BUY if price > mid else Side.SELL


class FlowPressure:
    """Bought less sold over their sum, of the last `window_trades` trades that are not older than `window_s`."""

    def __init__(self, window_trades: int = 50, window_s: float = 60.0) -> None:
        if window_trades < 1 or not window_s > 0:
            raise ValueError(f"a window was {window_trades} trades and {window_s} s")
        self._window_trades = window_trades
        self._window_ns = round(window_s * 1e9)
        self._trades: deque[tuple[int, int]] = deque()  # time, lots signed by the aggressor
        self._net_lots = self._all_lots = 0

    def update(self, at_ns: int, size_lots: int, aggressor: Side) -> None:
        """Take a print."""
        self._trades.append((at_ns, aggressor.sign * size_lots))
        self._net_lots += aggressor.sign * size_lots
        self._all_lots += size_lots
        if len(self._trades) > self._window_trades:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, signed = self._trades.popleft()
        self._net_lots -= signed
        self._all_lots -= abs(signed)

    def value(self, now_ns: int) -> float:
        """Return the pressure, -1 (all sold) to 1 (all bought); 0 when the window is empty."""
        oldest_ns = now_ns - self._window_ns
        while self._trades and self._trades[0][0] < oldest_ns:
            self._forget_oldest()
        return self._net_lots / self._all_lots if self._all_lots else 0.0


def pressed_reservation(reservation: float, pressure: float, spread: float, weight: float = 0.25) -> float:
    """Return the reservation price moved towards the pressure, by at most `weight` (0 to 1) half-spreads."""
    return reservation + weight * pressure * spread / 2


@dataclass(frozen=True, slots=True)
class ToxicFlow:
    """Until when the side that is being run over stays out; a value of its own for each cycle."""

    no_buys_until_ns: int = 0
    no_sells_until_ns: int = 0

    def step(self, now_ns: int, pressure: float, level: float = 0.8, hold_s: float = 5.0) -> ToxicFlow:
        """Return the holds after a look at the pressure: buying runs over our sells, selling over our buys."""
        until_ns = now_ns + round(hold_s * 1e9)
        if pressure > level:
            return ToxicFlow(self.no_buys_until_ns, until_ns)
        if pressure < -level:
            return ToxicFlow(until_ns, self.no_sells_until_ns)
        return self

    def blocks(self, side: Side, now_ns: int) -> bool:
        """Tell whether a side stays out now."""
        return now_ns < (self.no_buys_until_ns if side is Side.BUY else self.no_sells_until_ns)
