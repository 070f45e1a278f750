"""What a bot holds on a leg and what it earned: fills in, position and profit out.

Two books run side by side. The average-cost book gives `realised_pnl` and the entry value of the open size; the
first-in-first-out queue of lots gives `grid_profit`. Both agree on realised + unrealised, always and exactly: a cost
that has to be split is split once, rounded at 1e-18, and what leaves one half stays in the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from core.market.order import Fill
from utils.quick_values import quickly_made

if TYPE_CHECKING:
    from core.market.instrument import Instrument

Lot = tuple[int, Decimal]  # signed lots, price

_EXACT = Context(prec=60)  # sums and products of prices, sizes and fee rates never reach it
_COST_STEP = Decimal("1e-18")
_ZERO = Decimal(0)
_MONEY_FIELDS = ("entry_value", "realised_pnl", "grid_profit", "fees_paid", "funding_paid", "volume_quote")
VOLUMES = ("volume_base", "maker_volume", "taker_volume")  # records of old have none


def _match_lots(lots: tuple[Lot, ...], signed: int, price: Decimal) -> tuple[tuple[Lot, ...], Decimal]:
    """Return the queue after `signed` lots at `price`, and the profit of what was matched (price x lots)."""
    profit, at = _ZERO, 0
    while signed and at < len(lots) and (lots[at][0] > 0) != (signed > 0):
        held, entry = lots[at]
        matched = min(abs(held), abs(signed)) * (1 if held > 0 else -1)
        profit += matched * (price - entry)
        signed += matched
        if matched != held:  # the fill is used up inside this lot
            return ((held - matched, entry), *lots[at + 1 :]), profit
        at += 1
    rest = lots[at:]
    if not signed:
        return rest, profit
    if rest and rest[-1][1] == price:  # neighbours at one price are one lot: the order of matching is the same
        return (*rest[:-1], (rest[-1][0] + signed, price)), profit
    return (*rest, (signed, price)), profit


class NetLine(NamedTuple):
    """The net profit of a position as a line over the mark: looked at with each book, another one after fills only."""

    slope: Decimal  # what is held in base, signed
    at_zero: Decimal  # quote

    def at(self, mark: Decimal) -> Decimal:
        """Return `Position.net_pnl` at a mark, exactly."""
        return _EXACT.fma(self.slope, mark, self.at_zero)


@quickly_made
@dataclass(frozen=True, slots=True)
class Position:
    """The net of all fills of a leg, in lots (long > 0); money in quote.

    `fees_paid` is a cost (a rebate lowers it), `funding_paid` is what funding added. `maker_volume` and `taker_volume`
    are parts of `volume_quote`; an adjustment is neither. A spot position is the net base traded since the bot's birth,
    not its balance.
    """

    leg: str
    size_lots: int = 0
    entry_value: Decimal = _ZERO  # average-cost value of the open size, never negative
    realised_pnl: Decimal = _ZERO
    grid_profit: Decimal = _ZERO
    fees_paid: Decimal = _ZERO
    funding_paid: Decimal = _ZERO
    lots: tuple[Lot, ...] = ()  # oldest first
    fills: int = 0
    volume_quote: Decimal = _ZERO
    other_fees: tuple[tuple[str, Decimal], ...] = ()  # fees in an asset that is neither base nor quote: no value known
    volume_base: Decimal = _ZERO
    maker_volume: Decimal = _ZERO
    taker_volume: Decimal = _ZERO

    def after_fill(self, fill: Fill, instrument: Instrument) -> Position:
        """Return the position with `fill` booked; crossing zero closes first and opens the rest at the fill price."""
        signed = fill.side.sign * fill.size_lots
        with localcontext(_EXACT):
            unit = instrument.lot_size * instrument.contract_size
            price = instrument.to_price(fill.price_ticks)
            entry_value, realised = self._average_cost(signed, price * unit)
            lots, matched = _match_lots(self.lots, signed, price)
            fees_paid, other_fees = self._fees_after(fill, price, instrument)
            base, liquidity = unit * fill.size_lots, fill.liquidity
            value = price * base
            return Position(
                leg=self.leg,
                size_lots=self.size_lots + signed,
                entry_value=entry_value,
                realised_pnl=self.realised_pnl + realised,
                grid_profit=self.grid_profit + matched * unit,
                fees_paid=fees_paid,
                funding_paid=self.funding_paid,
                lots=lots,
                fills=self.fills + 1,
                volume_quote=self.volume_quote + value,
                other_fees=other_fees,
                volume_base=self.volume_base + base,
                maker_volume=self.maker_volume + value if liquidity == "maker" else self.maker_volume,
                taker_volume=self.taker_volume + value if liquidity == "taker" else self.taker_volume,
            )

    def _average_cost(self, signed: int, lot_value: Decimal) -> tuple[Decimal, Decimal]:
        """Return the entry value after `signed` lots of `lot_value` quote each, and the profit they realised."""
        held = self.size_lots
        if held * signed >= 0:
            return self.entry_value + lot_value * abs(signed), _ZERO
        closing = min(abs(held), abs(signed))
        released = self.entry_value
        if closing != abs(held):
            released = (self.entry_value * closing / abs(held)).quantize(_COST_STEP)
        gain = lot_value * closing - released
        opened = lot_value * (abs(signed) - closing)
        return self.entry_value - released + opened, gain if held > 0 else -gain

    def _fees_after(
        self, fill: Fill, price: Decimal, instrument: Instrument
    ) -> tuple[Decimal, tuple[tuple[str, Decimal], ...]]:
        """Return both fee totals after a fill; a fee in base is worth the fill's price."""
        if not fill.fee or fill.fee_asset in (instrument.quote, ""):
            return self.fees_paid + fill.fee, self.other_fees
        if fill.fee_asset == instrument.base:
            return self.fees_paid + fill.fee * price, self.other_fees
        others = dict(self.other_fees)
        others[fill.fee_asset] = others.get(fill.fee_asset, _ZERO) + fill.fee
        return self.fees_paid, tuple(sorted(others.items()))

    def after_funding(self, payment: Decimal) -> Position:
        """Return the position after a funding payment in quote; negative when we paid."""
        with localcontext(_EXACT):
            return replace(self, funding_paid=self.funding_paid + payment)

    def funding_due(self, mark: Decimal, rate: Decimal, instrument: Instrument) -> Decimal:
        """Return the payment that a funding rate brings, in quote: at a positive rate longs pay and shorts are paid."""
        with localcontext(_EXACT):
            return -self.size_lots * instrument.lot_size * instrument.contract_size * mark * rate

    def average_price(self, instrument: Instrument) -> Decimal | None:
        """Return the average entry price, None when flat."""
        if not self.size_lots:
            return None
        return self.entry_value / (abs(self.size_lots) * instrument.lot_size * instrument.contract_size)

    def unrealised_pnl(self, mark: Decimal, instrument: Instrument) -> Decimal:
        """Return what closing at `mark` would realise in the average-cost book, before fees."""
        # The context's own methods: to switch it for this thread costs more than the sum.
        multiply, held = _EXACT.multiply, self.size_lots
        value = multiply(multiply(multiply(mark, abs(held)), instrument.lot_size), instrument.contract_size)
        gain = _EXACT.subtract(value, self.entry_value)
        return gain if held >= 0 else _EXACT.minus(gain)

    def unrealised_grid(self, mark: Decimal, instrument: Instrument) -> Decimal:
        """Return what closing at `mark` would add to `grid_profit`."""
        with localcontext(_EXACT):
            gain = sum((lots * (mark - price) for lots, price in self.lots), _ZERO)
            return gain * instrument.lot_size * instrument.contract_size

    def net_pnl(self, mark: Decimal, instrument: Instrument) -> Decimal:
        """Return realised + unrealised - fees + funding in quote."""
        earned = _EXACT.add(self.realised_pnl, self.unrealised_pnl(mark, instrument))
        return _EXACT.add(_EXACT.subtract(earned, self.fees_paid), self.funding_paid)

    def net_line(self, instrument: Instrument) -> NetLine:
        """Return `net_pnl` for any mark."""
        multiply, held = _EXACT.multiply, self.size_lots
        slope = multiply(multiply(held, instrument.lot_size), instrument.contract_size)
        opened = self.entry_value if held >= 0 else _EXACT.minus(self.entry_value)
        earned = _EXACT.subtract(_EXACT.subtract(self.realised_pnl, opened), self.fees_paid)
        return NetLine(slope, _EXACT.add(earned, self.funding_paid))

    def to_plain(self, lot_size: Decimal = Decimal(1)) -> dict[str, Any]:
        """Return a JSON-able record; sizes in base units when `lot_size` is given, else in lots."""
        with localcontext(_EXACT):
            plain: dict[str, Any] = {"leg": self.leg, "fills": self.fills, "size": _text(self.size_lots * lot_size)}
            plain |= {name: _text(getattr(self, name)) for name in (*_MONEY_FIELDS, *VOLUMES)}
            plain["lots"] = [[_text(lots * lot_size), _text(price)] for lots, price in self.lots]
            plain["other_fees"] = [[asset, _text(fee)] for asset, fee in self.other_fees]
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], lot_size: Decimal = Decimal(1)) -> Position:
        """Return what `to_plain` recorded with the same unit. Raises ValueError when it does not fit."""
        try:
            with localcontext(_EXACT):
                return cls(
                    leg=str(plain["leg"]),
                    fills=int(plain["fills"]),
                    size_lots=_whole_lots(plain["size"], lot_size),
                    lots=tuple((_whole_lots(size, lot_size), Decimal(price)) for size, price in plain["lots"]),
                    other_fees=tuple((str(asset), Decimal(fee)) for asset, fee in plain["other_fees"]),
                    **{name: Decimal(plain[name]) for name in _MONEY_FIELDS},
                    **{name: Decimal(plain.get(name, _ZERO)) for name in VOLUMES},
                )
        except (KeyError, TypeError, ArithmeticError) as exc:
            raise ValueError(f"not a recorded position: {exc!r}") from exc


def _text(value: Decimal) -> str:
    """Return a decimal string without an exponent or trailing zeros."""
    return f"{value.normalize():f}"


def _whole_lots(size: str, lot_size: Decimal) -> int:
    """Return a recorded size in lots; a venue that made its lot coarser must not cost us a remainder."""
    lots = Decimal(size) / lot_size
    if lots != lots.to_integral_value():
        raise ValueError(f"a recorded size of {size} is not a whole number of lots of {lot_size}")
    return int(lots)
