"""Bringing the base of a spot account back to its share of the value, when it has gone too far from it. Pure.

It is looked at once in a while. What is too far off begins it, what has come back to half of that ends it; in between
the amount follows the balances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from core.market.instrument import Instrument
from core.market.lasting import Moment, at_moment, moment_after
from core.market.order import Side

MAKER, IOC, SKEW_ONLY = "maker", "ioc", "skew_only"
SLOT = "rebalance"
_LEAST_ORDERS = 10  # an account of fewer smallest orders is left alone
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class RebalanceRules:
    """The keys of rebalancing; percentages of the account's value, but for the buffer, of what pays."""

    target_pct: Decimal = Decimal(30)
    threshold_pct: Decimal = Decimal(15)
    mode: str = MAKER
    slippage_bps: Decimal = Decimal(10)
    cooldown_ns: int = 300 * 1_000_000_000
    buffer_pct: Decimal = Decimal(5)


class Account(NamedTuple):
    """What an account holds, and the price it is reckoned at."""

    base: Decimal
    quote: Decimal
    price: Decimal

    @property
    def total(self) -> Decimal:
        """Return the value of all of it in quote."""
        return self.base * self.price + self.quote


class Move(NamedTuple):
    """What brings the account back."""

    side: Side
    size_lots: int


def off_target_pct(account: Account, target_pct: Decimal) -> Decimal:
    """Return how far the base's value is from its target, in percent of the whole; positive when there is too much."""
    return (account.base * account.price * _HUNDRED / account.total) - target_pct


def needed_move(account: Account, rules: RebalanceRules, instrument: Instrument) -> Move:
    """Return the way to the target, as far as the paying asset carries it but for a buffer."""
    amount = (account.total * rules.target_pct / _HUNDRED - account.base * account.price) / account.price
    kept = 1 - rules.buffer_pct / _HUNDRED
    most = (account.quote / account.price if amount > 0 else account.base) * kept
    size = max(Decimal(0), min(abs(amount), most))
    return Move(Side.BUY if amount > 0 else Side.SELL, instrument.to_lots(size / instrument.contract_size))


def is_large_enough(account: Account, instrument: Instrument) -> bool:
    """Tell whether an account is worth ten of the smallest orders at least."""
    smallest = instrument.to_size(max(1, instrument.min_lots)) * instrument.contract_size * account.price
    return account.total >= _LEAST_ORDERS * max(smallest, instrument.min_notional)


class Rebalancer:
    """Whether it is under way, and when it is looked at next; times are the view's."""

    def __init__(self, rules: RebalanceRules) -> None:
        self.rules = rules
        self.is_active = False
        self._next_look: Moment | None = None
        self._next_take_ns = 0
        self._plain: dict[str, Any] | None = None

    def look(self, account: Account, instrument: Instrument, now: Moment) -> Move | None:
        """Return what is to be traded now, None when nothing is."""
        if account.price <= 0 or account.total <= 0:
            return None
        off = abs(off_target_pct(account, self.rules.target_pct))
        if self.is_active and off * 2 <= self.rules.threshold_pct:
            self._set_active(False, now)
        elif not self.is_active and (self._next_look is None or now.now_ns >= self._next_look.now_ns):
            self._set_active(off > self.rules.threshold_pct and is_large_enough(account, instrument), now)
        if not self.is_active:
            return None
        move = needed_move(account, self.rules, instrument)
        too_few = instrument.unplaceable_reason(instrument.to_ticks(account.price), move.size_lots)
        return None if too_few else move

    def _set_active(self, is_active: bool, now: Moment) -> None:
        self.is_active = is_active
        self._next_look, self._plain = moment_after(now, self.rules.cooldown_ns), None

    def may_take(self, now_ns: int) -> bool:
        """Tell whether an immediate order may go out: one in each cool-down."""
        return now_ns >= self._next_take_ns

    def took(self, now_ns: int) -> None:
        """Note an immediate order; what it leaves waits for the next look."""
        self._next_take_ns = now_ns + self.rules.cooldown_ns

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record; the same object while nothing has changed."""
        if self._plain is None:
            look = self._next_look
            self._plain = {"active": self.is_active, "next_look": None if look is None else look.utc_ns}
        return self._plain

    def take_up(self, plain: Mapping[str, Any], now: Moment) -> None:
        """Take up what `to_plain` recorded; after a restart no immediate order goes out before the next look."""
        self.is_active, self._plain = plain["active"], None
        if plain["next_look"] is not None:
            latest = moment_after(now, self.rules.cooldown_ns)  # whatever the clock was set to
            self._next_look = min(at_moment(plain["next_look"], now), latest)
            self._next_take_ns = self._next_look.now_ns
