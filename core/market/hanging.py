"""Orders that stay: when a quote has filled whole, the one on the other side of its layer is left where it is.

A slot holds one order, so the layer of a hanging order is quoted in a slot of another name from then on (`sell.0`, then
`sell.0.1`). Pure; sizes in lots, prices in ticks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.order import Fill, Order, Side


@dataclass(frozen=True, slots=True)
class Hung:
    """What is left of a hanging order."""

    side: Side
    price_ticks: int
    size_lots: int


@dataclass(slots=True)
class HangingOrders:
    """The hanging orders of a leg by slot, and the slots that its layers have now."""

    orders: dict[str, Hung] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # of layers whose slot is not their own name

    def layer_slot(self, layer: str) -> str:
        """Return the slot of a layer, `buy.0` for one whose orders never hung."""
        return self.names.get(layer, layer)

    def on_fill(self, fill: Fill, slot: str, live: Sequence[Order], keeps_partners: bool) -> None:
        """Follow a fill: a hanging order gets smaller; an order that is whole leaves its partner hanging.

        `live` are our orders after the fill: one that is not there any more is whole.
        """
        hung = self.orders.get(slot)
        if hung is not None:
            self._shrink(slot, hung, fill.size_lots)
        elif keeps_partners and all(order.client_order_id != fill.client_order_id for order in live):
            self._hang(self._partner_of(slot), live)

    def _shrink(self, slot: str, hung: Hung, lots: int) -> None:
        if hung.size_lots > lots:
            self.orders[slot] = replace(hung, size_lots=hung.size_lots - lots)
        else:
            del self.orders[slot]

    def _partner_of(self, slot: str) -> str:
        side, _, rest = slot.partition(".")
        return f"{Side(side).opposite.value}.{rest.partition('.')[0]}"

    def _hang(self, layer: str, live: Sequence[Order]) -> None:
        slot = self.layer_slot(layer)
        partner = next((order for order in live if order.slot == slot and not order.is_closed), None)
        if partner is None or slot in self.orders:
            return
        self.orders[slot] = Hung(partner.side, partner.price_ticks, partner.remaining_lots)
        taken = {*self.orders, *(order.slot for order in live)}
        free = (f"{layer}.{number}" if number else layer for number in count())
        self.names[layer] = next(name for name in free if name not in taken)

    def drop_far(self, mid_ticks: float, most_pct: float) -> None:
        """Forget those that are farther from the mid than `most_pct` percent: they are cancelled."""
        most = mid_ticks * most_pct / 100
        self.orders = {slot: one for slot, one in self.orders.items() if abs(one.price_ticks - mid_ticks) <= most}

    def quotes(self, book: OrderBook, unbooked: Collection[str], leg: str) -> list[Quote]:
        """Return them as wanted quotes, off the opposite touch; not those that may have filled, for all that is known.

        One that the venue or a gate has cancelled comes back.
        """
        found = []
        for slot, one in self.orders.items():
            if slot in unbooked:
                continue
            price = one.price_ticks
            price = min(price, book.best_ask_ticks - 1) if one.side is Side.BUY else max(price, book.best_bid_ticks + 1)
            found.append(Quote(one.side, price, one.size_lots, 0, leg, slot=slot))
        return found

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record."""
        orders = {slot: [one.side.value, one.price_ticks, one.size_lots] for slot, one in self.orders.items()}
        return {"orders": orders, "names": dict(self.names)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> HangingOrders:
        """Return what `to_plain` recorded."""
        orders = {slot: Hung(Side(side), price, lots) for slot, (side, price, lots) in plain["orders"].items()}
        return cls(orders, dict(plain["names"]))


def apart_from(quotes: Sequence[Quote], hanging: Sequence[Quote]) -> list[Quote]:
    """Return the quotes that meet none of the hanging ones: our orders never trade with each other."""
    lowest_ask = min((one.price_ticks for one in hanging if one.side is Side.SELL), default=None)
    highest_bid = max((one.price_ticks for one in hanging if one.side is Side.BUY), default=None)
    kept = []
    for quote in quotes:
        bound = lowest_ask if quote.side is Side.BUY else highest_bid
        if bound is None or (bound - quote.price_ticks) * quote.side.sign > 0:
            kept.append(quote)
    return kept
