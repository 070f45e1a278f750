"""Our orders on Thalex: what was sent, what the venue said of it, each fact told once.

The label is our client order id; it survives a reconnect, but nothing can be cancelled by it. The number that goes with
it can name an order until the venue's own id is known, on the connection that placed it. A fill is told with its fee,
which only the trades channel has; what closes an order waits a moment for its fills, so that it is not told before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from api import thalex_wire as wire
from api.base_client import InboxItem
from api.rate_budget import Lane
from api.thalex_account import Trade
from api.thalex_calls import SECOND, Calls, Reply
from api.thalex_errors import Verdict, meaning_of, reason_of
from api.thalex_fills import ToldTrades, fill_of
from api.thalex_order_view import OrderView, ended_event, has_ended, read_order
from api.thalex_wire import WireFault
from core.market.events import FillEvent, OrderUpdate
from core.market.instrument import Instrument
from core.market.order import POST_ONLY_WOULD_CROSS, Amend, Order, OrderEvent

INSERT_QUEUE_NS = 2 * SECOND  # a quote that waited longer is not worth sending
_FEE_NS = SECOND  # how long a fill waits for its fee
_YOUNG_NS = 60 * SECOND
_MAX_CLOSED = 4_096


@dataclass(slots=True)
class Tracked:
    """One order of ours, as far as we know it. States: sent, unknown, open, closed."""

    key: str
    number: int  # its client_order_id on the connection it was placed on
    connection: int
    post_only: bool = False
    order_id: str | None = None
    state: str = "sent"
    sent_ns: int = 0
    amend: Amend | None = None  # asked for and not told yet
    feeless: set[str] = field(default_factory=set)  # fills heard of whose fees are awaited
    feeless_ns: int = 0  # since when
    ending: OrderUpdate | None = None  # told after its fills

    @classmethod
    def adopted(cls, key: str, order_id: str) -> Tracked:
        """Return an order of ours that we did not place on this connection."""
        return cls(key, 0, -1, order_id=order_id, state="open")


class OrderDesk:
    """The orders of one leg. `put` takes what the loop is to hear; `owns` knows the ids of this bot."""

    def __init__(
        self,
        leg: str,
        instrument: Instrument,
        calls: Calls,
        put: Callable[[InboxItem], None],
        owns: Callable[[str], bool],
        now_ns: Callable[[], int],
    ) -> None:
        self._leg, self._instrument, self._calls = leg, instrument, calls
        self._put, self._owns, self._now_ns = put, owns, now_ns
        self._live: dict[str, Tracked] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, Tracked] = {}  # orders with feeless fills
        self.told = ToldTrades()
        self.connection = 0  # the number of the connection that orders are placed on
        self.down_because = "not connected"  # nothing can be sent while this says why

    # What goes out

    def submit(self, orders: Sequence[Order]) -> None:
        """Send new orders, as far as the venue could take them."""
        for order in orders:
            if self.down_because:
                self.say(order.client_order_id, OrderEvent.REJECTED, f"not sent: {self.down_because}")
            elif order.client_order_id in self._live:
                self.say(order.client_order_id, OrderEvent.REJECTED, "duplicate_client_id: that order is open")
            elif reason := self._instrument.unplaceable_reason(order.price_ticks, order.size_lots):
                self.say(order.client_order_id, OrderEvent.REJECTED, f"{reason}: below what the venue takes")
            else:
                self._insert(order)

    def _insert(self, order: Order) -> None:
        number = self._calls.next_number()
        tracked = Tracked(order.client_order_id, number, self.connection, order.post_only, sent_ns=self._now_ns())
        self._live[tracked.key] = tracked
        self._closed.pop(tracked.key, None)
        request = wire.insert(
            order.side,
            self._instrument.venue_symbol,
            self._instrument.to_size(order.size_lots),
            self._instrument.to_price(order.price_ticks),
            time_in_force=order.time_in_force,
            client_order_id=number,
            label=order.client_order_id,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
        )
        self._calls.ask(
            request,
            Lane.CREATE,
            lambda reply: self._inserted(tracked, reply),
            self._now_ns(),
            number=number,
            queue_ns=INSERT_QUEUE_NS,
            takes_late_answers=True,
        )

    def _inserted(self, tracked: Tracked, reply: Reply) -> None:
        if tracked.state not in ("sent", "unknown"):
            return  # the stream was faster, it has told everything
        if reply.lost:
            if reply.sent:
                self._doubt(tracked, reply.lost)
            else:
                self.end(tracked, OrderEvent.REJECTED, f"not sent: {reply.lost}")
        elif reply.code is not None:
            reason = reason_of(reply.code, reply.message)
            if meaning_of(reply.code).verdict is Verdict.UNKNOWN:
                self._doubt(tracked, reason)
            else:
                self.end(tracked, OrderEvent.REJECTED, reason)
        else:
            self._answered(tracked, reply)

    def _answered(self, tracked: Tracked, reply: Reply) -> None:
        try:
            self.apply(tracked, read_order(reply.result))
        except WireFault as exc:
            self._doubt(tracked, f"an answer that cannot be read: {exc}")

    # What comes in

    def on_order(self, view: OrderView) -> None:
        """Take in what the venue says of an order; of others' orders nothing is taken."""
        label = self.label_of(view.label, view.order_id)
        if view.instrument != self._instrument.venue_symbol or label in self._closed:
            return
        tracked = self._live.get(label) or self._adopt(view)
        if tracked is not None:
            self.apply(tracked, view)

    def label_of(self, label: str, order_id: str) -> str:
        """Return a label as told, or, where the venue leaves it out, that of the live order of ours with this id."""
        return label or next((key for key, each in self._live.items() if each.order_id == order_id), "")

    def _adopt(self, view: OrderView) -> Tracked | None:
        if not view.label or not self._owns(view.label):
            return None
        # It may be from an earlier life: the loop knows it by its report, or asks for one when it hears of it.
        return Tracked.adopted(view.label, view.order_id)

    def apply(self, tracked: Tracked, view: OrderView) -> None:
        """Take in the venue's picture of an order; what is not news is not told."""
        tracked.order_id = view.order_id
        if not view.is_existing:
            self._await_fees(tracked, view)
        if has_ended(view):
            event, reason = ended_event(view)
            if reason == POST_ONLY_WOULD_CROSS and tracked.number and not tracked.post_only:
                event, reason = OrderEvent.CANCELED, view.delete_reason
            self.end(tracked, event, reason, self._instrument.to_lots(view.filled))
        elif view.is_live:
            self._live[tracked.key] = tracked
            if tracked.state in ("sent", "unknown"):
                tracked.state = "open"
                self.say(tracked.key, OrderEvent.ACCEPTED, "", tracked, self._instrument.to_lots(view.filled))
            if tracked.amend is not None and self._terms(view) == (tracked.amend.price_ticks, tracked.amend.size_lots):
                self.tell_amended(tracked, view)
        else:
            self._doubt(tracked, f"the venue calls it {view.status[:40]!r}")

    def _terms(self, view: OrderView) -> tuple[int, int] | None:
        if view.price is None:
            return None
        return self._instrument.to_ticks(view.price), self._instrument.to_lots(view.amount)

    def tell_amended(self, tracked: Tracked, view: OrderView) -> None:
        """Tell that the amendment under way has made of an order what the venue shows; once."""
        tracked.amend, terms = None, self._terms(view) or (None, None)
        filled = self._instrument.to_lots(view.filled)
        self._put(
            OrderUpdate(self._leg, tracked.key, OrderEvent.AMENDED, tracked.order_id, "", filled, "", False, *terms)
        )

    def _await_fees(self, tracked: Tracked, view: OrderView) -> None:
        new = {fill.trade_id for fill in view.fills if fill.trade_id not in self.told}
        if new and not tracked.feeless:
            tracked.feeless_ns = self._now_ns()
            self._waiting[tracked.key] = tracked
        tracked.feeless |= new

    def on_trade(self, trade: Trade) -> None:
        """Take in an execution of the account; ours are told once."""
        label = self.label_of(trade.label, trade.order_id)
        if trade.instrument != self._instrument.venue_symbol or not label:
            return
        mine = label in self._live or label in self._closed or self._owns(label)
        if not mine or not self.told.add(trade.trade_id):
            return
        self._put(FillEvent(self._leg, fill_of(replace(trade, label=label), self._leg, self._instrument)))
        tracked = self._waiting.get(label)
        if tracked is not None:
            tracked.feeless.discard(trade.trade_id)
            self._release(tracked)

    def _release(self, tracked: Tracked) -> None:
        if tracked.feeless:
            return
        self._waiting.pop(tracked.key, None)
        ending, tracked.ending = tracked.ending, None
        if ending is not None:
            self._put(ending)

    def tick(self, now_ns: int) -> int | None:
        """Give up waiting for fees: the loop is made to ask for a report, which has them. Returns the next time."""
        due_ns: int | None = None
        for tracked in list(self._waiting.values()):
            end_ns = tracked.feeless_ns + _FEE_NS
            if now_ns < end_ns:
                due_ns = end_ns if due_ns is None else min(due_ns, end_ns)
                continue
            tracked.feeless.clear()
            if tracked.ending is None:
                self.say(tracked.key, OrderEvent.OUTCOME_UNKNOWN, "it traded, and the fill did not come", tracked)
                tracked.state = "unknown"
            self._release(tracked)
        return due_ns

    # What is remembered

    def say(
        self, key: str, event: OrderEvent, reason: str, tracked: Tracked | None = None, filled: int | None = None
    ) -> None:
        """Tell the loop of an order."""
        order_id = tracked.order_id if tracked is not None else None
        self._put(OrderUpdate(self._leg, key, event, order_id, reason, filled))

    def _doubt(self, tracked: Tracked, why: str) -> None:
        if tracked.state == "closed":
            return
        tracked.state = "unknown"
        self._live[tracked.key] = tracked
        self.say(tracked.key, OrderEvent.OUTCOME_UNKNOWN, why, tracked)

    def end(self, tracked: Tracked, event: OrderEvent, reason: str, filled: int | None = None) -> None:
        """Tell that an order has ended, after its fills; once."""
        if tracked.state == "closed":
            return
        tracked.ending = OrderUpdate(self._leg, tracked.key, event, tracked.order_id, reason, filled)
        self._forget(tracked)
        self._release(tracked)

    def _forget(self, tracked: Tracked) -> None:
        tracked.state = "closed"
        self._live.pop(tracked.key, None)
        self._closed[tracked.key] = None
        while len(self._closed) > _MAX_CLOSED:
            self._closed.popitem(last=False)

    def learn(self, views: Iterable[OrderView]) -> None:
        """Take the venue's ids of our orders from a listing of all that are open, and forget what is not in it.

        Not what was placed on this connection a moment ago: it may be younger than the listing.
        """
        listed = {label: view for view in views if (label := self.label_of(view.label, view.order_id))}
        for key, view in listed.items():
            tracked = self._live.get(key)
            if tracked is not None:
                tracked.order_id = view.order_id
            elif key not in self._closed and self._owns(key):
                self._live[key] = Tracked.adopted(key, view.order_id)
        before_ns = self._now_ns() - _YOUNG_NS
        for tracked in list(self._live.values()):
            is_old = tracked.connection != self.connection or tracked.sent_ns < before_ns
            if is_old and tracked.key not in listed:
                del self._live[tracked.key]  # not called closed: it could still be on its way

    def live(self, key: str) -> Tracked | None:
        """Return an order that we hold for open or in doubt."""
        return self._live.get(key)

    def live_keys(self) -> list[str]:
        """Return the ids of the orders that we hold for open or in doubt."""
        return list(self._live)

    def is_closed(self, key: str) -> bool:
        """Tell whether an order has ended, as far back as we remember."""
        return key in self._closed
