"""What a group holds together, what its limits leave each instrument, and where its exit is cheapest. Pure.

The limits themselves are held by `core/market/group_limits.py`, whatever is wanted; this shares what they leave, so
that no instrument takes it all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.group_limits import LegLoad, net_delta, unit_of
from core.market.group_params import GroupInstrument, GroupParams
from core.market.instrument import Instrument
from core.market.order import Side

_ZERO = Decimal(0)
_BPS = 10_000


@dataclass(frozen=True, slots=True)
class GroupState:
    """The positions of all legs against the limits of the group."""

    params: GroupParams
    loads: Mapping[str, LegLoad]
    net: Decimal  # base of the main instrument

    @classmethod
    def of(
        cls,
        params: GroupParams,
        instruments: Mapping[str, Instrument],
        held: Mapping[str, int],
        books: Mapping[str, OrderBook],
    ) -> GroupState:
        """Return the state of what is held, by leg in lots; no outstanding order counts."""
        betas = {one.leg: Decimal(str(one.beta)) for one in params.rows}
        loads = {
            leg: LegLoad(instruments[leg], held.get(leg, 0), price_ticks=_price_of(books.get(leg))) for leg in betas
        }
        return cls(params, loads, net_delta(betas, loads))

    @property
    def util(self) -> float:
        """Return the net delta as a share of its limit, signed."""
        return float(self.net / self.params.limit)

    @property
    def q(self) -> float:
        """Return the inventory of every instrument's model, -1 to 1."""
        return max(-1.0, min(1.0, self.util))

    @property
    def gross(self) -> Decimal:
        """Return the gross value in quote; what has no price counts as nothing."""
        return sum((self._value(leg) for leg in self.loads), _ZERO)

    def _value(self, leg: str) -> Decimal:
        load = self.loads[leg]
        return abs(load.held_lots) * (load.price_ticks or 0) * load.instrument.unit_quote

    def room_lots(self, one: GroupInstrument) -> dict[Side, int]:
        """Return what an instrument may buy and sell by its share of what the limits leave."""
        load, share = self.loads[one.leg], Decimal(str(self.params.share_of(one)))
        unit, limit = unit_of(Decimal(str(one.beta)), load.instrument), self.params.limit
        room = {side: int(max(_ZERO, limit - side.sign * self.net) * share / unit) for side in Side}
        if self.params.group_max_notional is None or load.price_ticks is None:
            return room
        free = max(_ZERO, self.params.group_max_notional - self.gross) * share
        most = int((self._value(one.leg) + free) / (load.price_ticks * load.instrument.unit_quote))
        return {side: max(0, min(lots, most - side.sign * load.held_lots)) for side, lots in room.items()}

    def excess(self, to_share: float) -> Decimal:
        """Return the signed delta beyond a share of the limit, 0 when there is none."""
        beyond = max(_ZERO, abs(self.net) - self.params.limit * Decimal(str(to_share)))
        return beyond if self.net > 0 else -beyond

    def cheapest_exit(self, excess: Decimal, books: Mapping[str, OrderBook]) -> tuple[str, Side, int] | None:
        """Return leg, side and lots of the order that takes an excess off where that costs least; None where none can.

        An exit costs half the spread and the taker's fee. Only what is held on the side of the excess is reduced.
        """
        side = Side.SELL if excess > 0 else Side.BUY
        found: list[tuple[float, str, int]] = []
        for one in self.params.rows:
            load, book = self.loads[one.leg], books.get(one.leg)
            lots = min(-side.sign * load.held_lots, self._lots_of(excess, one, load))
            if book is None or not book.is_quotable or lots <= 0:
                continue
            touch = book.best_bid_ticks if side is Side.SELL else book.best_ask_ticks
            if load.instrument.unplaceable_reason(touch, lots) is None:
                found.append((exit_bps(book, load.instrument), one.leg, lots))
        if not found:
            return None
        _, leg, lots = min(found)
        return leg, side, lots

    @staticmethod
    def _lots_of(excess: Decimal, one: GroupInstrument, load: LegLoad) -> int:
        return int(abs(excess) / unit_of(Decimal(str(one.beta)), load.instrument))


def exit_bps(book: OrderBook, instrument: Instrument) -> float:
    """Return what taking costs: half the spread and the fee."""
    half = (book.best_ask_ticks - book.best_bid_ticks) / 2 / book.mid_ticks()
    return half * _BPS + float(instrument.taker_fee_bps)


def within(quotes: Sequence[Quote], room: Mapping[Side, int], instrument: Instrument) -> list[Quote]:
    """Return the quotes cut to what each side may trade, from the inside outward; a rest that is no order goes."""
    left = dict(room)
    kept = []
    for quote in quotes:
        lots = min(quote.size_lots, left[quote.side])
        if lots == quote.size_lots:
            kept.append(quote)
        elif instrument.unplaceable_reason(quote.price_ticks, lots) is None:
            kept.append(replace(quote, size_lots=lots))
        else:
            continue
        left[quote.side] -= lots
    return kept


def _price_of(book: OrderBook | None) -> int | None:
    if book is None or not (book.bids or book.asks):
        return None
    return book.best_ask_ticks if book.asks else book.best_bid_ticks
