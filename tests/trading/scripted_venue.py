"""A venue that does what a test tells it to: it loses answers, fills late, reports by halves. In memory, no latency."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import Any

from api.base_client import Capabilities, ClientContext, ExchangeClient, Inbox
from core.market.book import Level, OrderBook
from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate
from core.market.instrument import Instrument
from core.market.order import Amend, Fill, Order, OrderEvent, OrderState
from core.market.reports import Balance, VenuePosition, VenueReport

SPOT = Instrument(
    symbol="SOL-USDC",
    venue_symbol="SOLUSDC",
    kind="spot",
    base="SOL",
    quote="USDC",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.1"),
)
PERP = replace(SPOT, symbol="SOL-PERP", venue_symbol="SOLPERP", kind="perp")
ANSWER, LOSE_ANSWER, LOSE = "answer", "lose answer", "lose"


@dataclass
class Script:
    """How the venue behaves; a test changes it at any time."""

    submit: str = ANSWER  # LOSE_ANSWER: the order rests, nobody is told; LOSE: it never arrives
    cancel: str = ANSWER
    amend: str = ANSWER  # LOSE_ANSWER: carried out, nobody is told; LOSE: on its way, a test may still deliver it
    tells_filled: bool = False  # with the end of an order that we cancel: how much of it has filled
    refuse_amends: str = ""  # a reason: every amendment is refused
    refuse: str = ""  # a reason: every new order is refused
    reports: deque[str] = field(default_factory=deque)  # "incomplete" or "none", one for each coming report
    before_cancel: Callable[[Order], None] | None = None
    submit_error: Exception | None = None
    amend_error: Exception | None = None
    cancel_error: Exception | None = None
    report_error: Exception | None = None


class ScriptedVenue(ExchangeClient):
    """One account on one symbol."""

    def __init__(
        self,
        instrument: Instrument = SPOT,
        late_arrival_s: float = 0.0,
        cancel_at_once: bool = True,
        keeps_post_only: bool = True,
    ) -> None:
        context = ClientContext("scripted", instrument.symbol, "acc", "bot", "", ())
        super().__init__({}, context)
        self.listed_instrument = instrument
        self.capabilities = Capabilities(
            reduce_only=True,
            amend=True,
            amend_keeps_post_only=keeps_post_only,
            cancel_all_at_once=cancel_at_once,
            late_arrival_s=late_arrival_s,
        )
        self.script = Script()
        self.open_orders: dict[str, Order] = {}
        self.filled: dict[str, int] = {}
        self.fills: list[Fill] = []
        self.submitted: list[Order] = []
        self.cancels: list[str] = []
        self.amends: list[Amend] = []
        self.late_amends: list[Amend] = []  # lost on the way in
        self.reports_asked: list[str | None] = []
        self.unsent: list[Order] = []  # lost on the way in, a test may still deliver them
        self.position_lots: int | None = None  # margin venues: overrides the sum of fills
        self.balances = {"SOL": Decimal(1000), "USDC": Decimal(100_000)}
        self.is_open = False
        self._serial = count(1)

    # The interface

    def open(self, inbox: Inbox, leg: str) -> None:
        self.instrument, self.inbox, self.leg, self.is_open = self.listed_instrument, inbox, leg, True

    def start_market_data(self) -> None:
        self.inbox.put(LinkUp(self.leg))

    def submit(self, orders: Sequence[Order]) -> None:
        if self.script.submit_error:
            raise self.script.submit_error
        for order in orders:
            self.submitted.append(order)
            if self.script.refuse:
                self.tell(order.client_order_id, OrderEvent.REJECTED, reason=self.script.refuse)
            elif self.script.submit == LOSE:
                self.unsent.append(order)
            else:
                self.rest(order, tell=self.script.submit == ANSWER)

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        if self.script.cancel_error:
            raise self.script.cancel_error
        for key in client_order_ids:
            self.cancels.append(key)
            if self.script.cancel != LOSE:
                self._cancel(key)

    def amend(self, amends: Sequence[Amend]) -> None:
        if self.script.amend_error:
            raise self.script.amend_error
        for amend in amends:
            self.amends.append(amend)
            if self.script.refuse_amends:
                self.tell(amend.client_order_id, OrderEvent.AMEND_REJECTED, reason=self.script.refuse_amends)
            elif self.script.amend == LOSE:
                self.late_amends.append(amend)
            else:
                self.change(amend, tell=self.script.amend == ANSWER)

    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        self.cancel([key for key in self.open_orders if owns(key)])

    def request_report(self, request_id: int, since: str | None) -> None:
        self.reports_asked.append(since)
        if self.script.report_error:
            raise self.script.report_error
        kind = self.script.reports.popleft() if self.script.reports else "complete"
        if kind != "none":
            self.inbox.put(self.report(request_id, since, kind == "complete"))

    def poll(self, now_ns: int) -> int | None:
        return None

    def close(self) -> None:
        self.is_open = False

    # What a test makes happen

    def report(self, request_id: int, since: str | None, complete: bool = True) -> VenueReport:
        """Return what the venue knows; an incomplete report lost its orders, fills and mark."""
        if not complete:
            return VenueReport(self.leg, request_id, False, reason="one page is missing")
        begin = int(since or 0)
        size = self.position_lots
        if size is None:
            size = sum(fill.side.sign * fill.size_lots for fill in self.fills)
        return VenueReport(
            self.leg,
            request_id,
            True,
            tuple(self.open_orders.values()),
            tuple(self.fills[begin:]),
            (VenuePosition(self.leg, size),) if self.instrument.kind != "spot" else (),
            tuple(Balance(asset, total, total) for asset, total in self.balances.items()),
            str(len(self.fills)),
        )

    def rest(self, order: Order, tell: bool = True) -> None:
        """Let an order arrive."""
        venue_id = f"v{next(self._serial)}"
        self.open_orders[order.client_order_id] = replace(order, venue_order_id=venue_id, state=OrderState.NEW)
        if tell:
            self.tell(order.client_order_id, OrderEvent.ACCEPTED, venue_order_id=venue_id)

    def change(self, amend: Amend, tell: bool = True) -> None:
        """Let an amendment arrive: at or below what has filled it ends the order."""
        key = amend.client_order_id
        order = self.open_orders.get(key)
        if order is None:
            answers = [(OrderEvent.AMEND_REJECTED, {}), (OrderEvent.OUTCOME_UNKNOWN, {})]
        elif amend.size_lots <= order.filled_lots:
            del self.open_orders[key]
            answers = [(OrderEvent.CANCELED, {"filled_lots": order.filled_lots})]
        else:
            self.open_orders[key] = order.on_terms(amend.price_ticks, amend.size_lots)
            answers = [(OrderEvent.AMENDED, {"price_ticks": amend.price_ticks, "size_lots": amend.size_lots})]
        for event, more in answers if tell else ():
            self.tell(key, event, **more)

    def tell(self, key: str, event: OrderEvent, **more: Any) -> None:
        """Send an order update."""
        self.inbox.put(OrderUpdate(self.leg, key, event, **more))

    def _cancel(self, key: str) -> None:
        order = self.open_orders.get(key)
        if order is not None and self.script.before_cancel:
            self.script.before_cancel(order)
        rested = self.open_orders.pop(key, None) is not None
        event = OrderEvent.CANCELED if rested else OrderEvent.CANCEL_REJECTED
        told = {"filled_lots": self.filled.get(key, 0)} if rested and self.script.tells_filled else {}
        if self.script.cancel == ANSWER:
            self.tell(key, event, **told)

    def fill(self, key: str, lots: int, stream: bool = True, price_ticks: int | None = None) -> Fill:
        """Execute a part of an order, resting or not any more; `stream`: and tell it."""
        order = self.open_orders.get(key) or next(o for o in self.submitted if o.client_order_id == key)
        price = order.price_ticks if price_ticks is None else price_ticks
        made = Fill(
            trade_id=f"t{next(self._serial)}",
            client_order_id=key,
            leg=self.leg,
            side=order.side,
            price_ticks=price,
            size_lots=lots,
            liquidity="maker",
            fee=Decimal("0.01"),
            fee_asset="USDC",
            venue_ns=next(self._serial),
        )
        self.fills.append(made)
        base = self.instrument.to_size(lots) * order.side.sign
        self.balances["SOL"] += base
        self.balances["USDC"] -= self.instrument.to_price(price) * base + made.fee
        self.filled[key] = self.filled.get(key, 0) + lots
        if key in self.open_orders:
            self.open_orders[key] = replace(self.open_orders[key], filled_lots=self.filled[key])
            if self.filled[key] >= self.open_orders[key].size_lots:
                del self.open_orders[key]
        if stream:
            self.inbox.put(FillEvent(self.leg, made))
        return made

    def book(self, bid_ticks: int, ask_ticks: int, lots: int = 1000) -> None:
        """Send a book."""
        self.inbox.put(BookUpdate(self.leg, OrderBook((Level(bid_ticks, lots),), (Level(ask_ticks, lots),))))

    def link_down(self) -> None:
        """Break the connection."""
        self.inbox.put(LinkDown(self.leg, "cable"))

    def link_up(self) -> None:
        """Restore the connection."""
        self.inbox.put(LinkUp(self.leg))
