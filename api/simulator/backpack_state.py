"""What Backpack keeps beside the exchange: keys, account settings, lent amounts, tapes, and who asked how often."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from api.simulator.backpack_auth import KeyRing, Refusal
from api.simulator.backpack_tape import Tape

if TYPE_CHECKING:
    from api.simulator.exchange_market import SimMarket
    from api.simulator.server import VenueServer
    from core.market.instrument import Instrument

_MINUTE_NS = 60 * 10**9
_ZERO = Decimal(0)


@dataclass(slots=True)
class Settings:
    """An account's settings and what it has lent."""

    leverage_limit: Decimal
    auto_lend: bool = False
    auto_borrow_settlements: bool = False
    auto_repay_borrows: bool = False
    lent: dict[str, Decimal] = field(default_factory=dict)  # asset -> amount, more than 0


class RequestLog:
    """Counts the requests of the last minute by key or address: one pool for reads, orders and cancels."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._times: dict[str, deque[int]] = {}

    def check(self, who: str, now_ns: int) -> None:
        """Count a request. Raises Refusal when the minute is used up; a refused one does not count."""
        times = self._times.setdefault(who, deque())
        while times and times[0] <= now_ns - _MINUTE_NS:
            times.popleft()
        if len(times) >= self.per_minute:
            raise too_many((times[0] + _MINUTE_NS - now_ns) / 10**9)
        times.append(now_ns)


def too_many(retry_after_s: float) -> Refusal:
    """Return the venue's 429."""
    headers = {"Retry-After": str(max(1, math.ceil(retry_after_s)))}
    return Refusal(429, "TOO_MANY_REQUESTS", "Too many requests", "rate_limited", headers)


class Desk:
    """One Backpack venue, as its REST and stream halves share it."""

    def __init__(self, server: VenueServer, keys: KeyRing, requests_per_minute: int) -> None:
        self.server = server
        self.exchange, self.faults = server.exchange, server.faults
        self.keys = keys
        self.log = RequestLog(requests_per_minute)
        self.tapes: dict[str, Tape] = {}
        self._settings: dict[str, Settings] = {}

    # -- time -------------------------------------------------------------------------------------------------------
    @property
    def played_ns(self) -> int:
        """Return a time that never goes back: how far the market was played. For intervals and limits."""
        return self.exchange.now_ns

    def now_ns(self) -> int:
        """Return the venue's clock, the error of the fault clock_skew included."""
        return self.server.utc_ns()

    def now_ms(self) -> int:
        """Return the venue's clock in milliseconds."""
        return self.now_ns() // 10**6

    def now_us(self) -> int:
        """Return the venue's clock in microseconds."""
        return self.now_ns() // 10**3

    # -- markets ----------------------------------------------------------------------------------------------------
    def market(self, symbol: object) -> SimMarket:
        """Return a listed market. Raises Refusal."""
        found = self.exchange.markets.get(symbol) if isinstance(symbol, str) else None
        if found is None:
            raise Refusal(400, "INVALID_SYMBOL", f"Invalid symbol: {symbol}", "unknown_market")
        return found

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument of a listed market."""
        return self.exchange.markets[symbol].instrument

    def tape(self, symbol: str) -> Tape:
        """Return the tape of a listed market."""
        if symbol not in self.tapes:
            self.tapes[symbol] = Tape(self.instrument(symbol), self.exchange.markets[symbol].start_ns)
        return self.tapes[symbol]

    def marks_by_asset(self) -> dict[str, Decimal]:
        """Return what one unit of each asset is worth in USDC."""
        marks = {"USDC": Decimal(1)}
        for symbol, market in self.exchange.markets.items():
            if market.is_spot and market.instrument.quote == "USDC":
                marks[market.instrument.base] = self.exchange.mark(symbol)
        return marks

    # -- accounts ---------------------------------------------------------------------------------------------------
    def settings(self, account: str) -> Settings:
        """Return an account's settings, the defaults when nothing was set."""
        if account not in self._settings:
            self._settings[account] = Settings(self._highest_leverage())
        return self._settings[account]

    def _highest_leverage(self) -> Decimal:
        return Decimal(max((market.market.max_leverage for market in self.exchange.markets.values()), default=1))

    def unlent(self, account: str, asset: str) -> Decimal:
        """Return what an account can use of an asset without redeeming anything."""
        _, available = self.exchange.balances(account).get(asset, (_ZERO, _ZERO))
        return available - self.settings(account).lent.get(asset, _ZERO)

    def redeem(self, account: str, asset: str, amount: Decimal) -> None:
        """Take an amount back from what is lent."""
        settings = self.settings(account)
        settings.lent[asset] = settings.lent.get(asset, _ZERO) - amount
        settings.lent = {name: lent for name, lent in settings.lent.items() if lent}

    def violation(self, kind: str) -> None:
        """Count something that a well-behaved client does not do."""
        if kind:
            self.server.violations[kind] += 1
