"""A market maker with a view of its own, for playbooks."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Command, Quote, Quotes
from core.market.events import Event, FillEvent, Timer
from core.market.instrument import Instrument
from core.market.order import Order
from core.market.reports import Balance
from strategies.base import View
from strategies.market_maker import MarketMaker
from tests.market_parts import NOW, SECOND, fill, instrument, order

TICK_CENT = instrument(tick_size=Decimal("0.01"))


class Script:
    """A market maker with a view of its own."""

    def __init__(self, picture: OrderBook, traded: Instrument | None = None, **config: Any) -> None:
        self.instrument = traded or TICK_CENT
        self.view = View(now_ns=NOW, instruments={"main": self.instrument}, books={"main": picture})
        self.strategy = MarketMaker(MarketMaker.params_from({"symbol": "SOL-USDC", "order_size": 0.1} | config))

    def hold(self, base: str, quote: str) -> None:
        """Set both balances of the account."""
        totals = {self.instrument.base: Decimal(base), self.instrument.quote: Decimal(quote)}
        self.view.balances["main"] = {asset: Balance(asset, total, total) for asset, total in totals.items()}

    def hear(self, event: Event) -> list[Command]:
        return self.strategy.on_event(event, self.view)

    def due(self) -> tuple[Quote, ...]:
        (command,) = self.hear(Timer(self.view.now_ns))
        assert isinstance(command, Quotes)
        assert command.leg == "main"
        return command.quotes

    def rows(self) -> list[tuple[str, int, int]]:
        return [(one.slot_name, one.price_ticks, one.size_lots) for one in self.due()]

    def wait(self, duration_s: float) -> Script:
        """Let time pass on both clocks."""
        self.view.now_ns += int(duration_s * SECOND)
        self.view.utc_ns += int(duration_s * SECOND)
        return self

    def rest(self) -> Script:
        """Let everything that is wanted now rest at the venue."""
        live = {one.slot: one for one in self.view.open_orders.get("main", ())}
        wanted = {one.slot_name: one for one in self.due()}
        kept = {slot: one for slot, one in live.items() if slot in wanted}
        for slot, one in wanted.items():
            kept.setdefault(slot, order(one.side, one.price_ticks, one.size_lots, slot))
        self.view.open_orders["main"] = list(kept.values())
        return self

    def live(self, slot: str) -> Order:
        """Return the live order of a slot."""
        return next(one for one in self.view.open_orders["main"] if one.slot == slot)

    def fills(self, slot: str, lots: int | None = None) -> Script:
        """Let the order of a slot fill, whole or in part; as in the loop it is heard after the order has changed."""
        one = self.live(slot)
        traded = one.remaining_lots if lots is None else lots
        others = [other for other in self.view.open_orders["main"] if other is not one]
        if traded < one.remaining_lots:
            others.append(replace(one, filled_lots=one.filled_lots + traded))
        self.view.open_orders["main"] = others
        made = fill(one.side, one.price_ticks, traded, client_order_id=one.client_order_id)
        assert self.hear(FillEvent("main", made, slot)) == []
        return self

    def slots(self) -> list[str]:
        return [one.slot_name for one in self.due()]

    def next_life(self, **config: Any) -> Script:
        """Return the same bot after a restart, with what it had saved; the clock of decisions begins anew."""
        saved = self.strategy.saved()
        other = Script(self.view.books["main"], self.instrument, **config)
        other.view.now_ns, other.view.utc_ns = 5 * SECOND, self.view.utc_ns
        other.view.balances, other.view.open_orders = self.view.balances, self.view.open_orders
        if saved is not None:
            other.strategy.restore(json.loads(json.dumps(saved)), other.view)
        return other
