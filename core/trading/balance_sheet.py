"""What an account holds, between two reports: the last complete one plus our fills since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from core.market.funding import FundingPayment
from core.market.instrument import Instrument
from core.market.order import Fill, Order, Side
from core.market.reports import Balance

_ZERO = Decimal(0)


def reserved(orders: Iterable[Order], instrument: Instrument) -> dict[str, Decimal]:
    """Return what open orders reserve on a spot venue by asset, fees left out; nothing elsewhere."""
    held: dict[str, Decimal] = {}
    if instrument.kind != "spot":
        return held
    for order in orders:
        if order.side is Side.BUY:
            asset, amount = instrument.quote, instrument.notional_quote(order.price_ticks, order.remaining_lots)
        else:
            asset, amount = instrument.base, instrument.to_size(order.remaining_lots) * instrument.contract_size
        held[asset] = held.get(asset, _ZERO) + amount
    return held


def _changes(fill: Fill, instrument: Instrument) -> dict[str, Decimal]:
    """Return what a fill does to the balances; on a margin venue only its fee is known."""
    changes = {fill.fee_asset or instrument.quote: -fill.fee}
    if instrument.kind == "spot":
        base = instrument.to_size(fill.size_lots) * instrument.contract_size * fill.side.sign
        quote = -instrument.notional_quote(fill.price_ticks, fill.size_lots) * fill.side.sign
        changes[instrument.base] = changes.get(instrument.base, _ZERO) + base
        changes[instrument.quote] = changes.get(instrument.quote, _ZERO) + quote
    return changes


@dataclass(frozen=True, slots=True)
class _Booked:
    heard_ns: int
    trade_id: str
    signed_lots: int
    changes: Mapping[str, Decimal]


@dataclass(slots=True)
class BalanceSheet:
    """Balances of one leg's account. Empty means "not known", never "nothing"."""

    instrument: Instrument
    totals: dict[str, Decimal] = field(default_factory=dict)
    usable: dict[str, Decimal] = field(default_factory=dict)  # free, plus what our own live orders reserve
    revision: int = 0  # grows with each change
    _recent: list[_Booked] = field(default_factory=list)
    _shown: dict[str, Balance] = field(default_factory=dict)  # while no order reserves anything, of `_shown_revision`
    _shown_revision: int = -1

    def book_fill(self, fill: Fill, heard_ns: int) -> None:
        """Take a fill into account until a report contains it."""
        booked = _Booked(heard_ns, fill.trade_id, fill.side.sign * fill.size_lots, _changes(fill, self.instrument))
        self._recent.append(booked)
        self._apply(booked)

    def book_funding(self, payment: FundingPayment, heard_ns: int) -> None:
        """Take a funding payment into account until a report contains it."""
        booked = _Booked(heard_ns, payment.payment_id, 0, {self.instrument.quote: payment.amount})
        self._recent.append(booked)
        self._apply(booked)

    def _apply(self, booked: _Booked) -> None:
        self.revision += 1
        for asset, change in booked.changes.items():
            if asset in self.totals:
                self.totals[asset] += change
                self.usable[asset] += change

    def unreported_lots(self, asked_ns: int, reported: frozenset[str]) -> int:
        """Return the signed lots of fills that a report cannot know: heard after it was asked, and not in it."""
        return sum(b.signed_lots for b in self._recent if b.heard_ns >= asked_ns and b.trade_id not in reported)

    def rebase(
        self, balances: Sequence[Balance], own_orders: Iterable[Order], asked_ns: int, reported: frozenset[str]
    ) -> None:
        """Start anew from a complete report, `own_orders` being ours that it lists; later fills are added again."""
        self.revision += 1
        held = reserved(own_orders, self.instrument)
        # A venue may leave out what is zero; a complete answer without our assets says that there is nothing of them.
        self.totals = {self.instrument.base: _ZERO, self.instrument.quote: _ZERO}
        self.usable = dict(self.totals)
        for balance in balances:
            self.totals[balance.asset] = balance.total
            self.usable[balance.asset] = min(balance.total, balance.available + held.get(balance.asset, _ZERO))
        self._recent = [b for b in self._recent if b.heard_ns >= asked_ns and b.trade_id not in reported]
        for booked in self._recent:
            self._apply(booked)

    def view(self, live_orders: Iterable[Order]) -> dict[str, Balance]:
        """Return the balances by asset, `available` without what the live orders reserve."""
        held = reserved(live_orders, self.instrument)
        if held:
            return self._less(held)
        if self._shown_revision != self.revision:
            self._shown, self._shown_revision = self._less(held), self.revision
        return self._shown

    def _less(self, held: Mapping[str, Decimal]) -> dict[str, Balance]:
        return {
            asset: Balance(asset, total, max(_ZERO, self.usable[asset] - held.get(asset, _ZERO)))
            for asset, total in self.totals.items()
        }
