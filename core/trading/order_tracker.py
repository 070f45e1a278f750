"""The orders of one leg that may still fill, and what is awaited for each; no I/O, no clock of its own.

An order is here from before it is sent until the venue has closed it. What was closed is remembered for a while: a
fill may come after a cancel's acknowledgement, and a report may be older than the last update. An end may be heard
before its fills: until those are booked, what the venue says has filled still counts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.market.order import CLOSED, Amend, Fill, MissingFills, Order, OrderEvent, OrderState, Side
from core.trading.amending import Amending, after_answer, held_back, of_earlier_life
from core.trading.order_changes import after_cancel_sent, after_fill, after_update

if TYPE_CHECKING:
    from core.market.commands import Quote
    from core.market.events import OrderUpdate

_REMEMBERED = 2_000  # closed orders; the oldest are forgotten, the ledger has them
_AWAITED = frozenset({OrderState.PENDING_NEW, OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE})
_HERE = frozenset({OrderState.NEW, OrderState.PARTIALLY_FILLED})
_CANCELLABLE = _HERE | {OrderState.PENDING_REPLACE}
_RESTING = _CANCELLABLE | {OrderState.PENDING_CANCEL}
_RESTING_WORDS = frozenset({OrderEvent.ACCEPTED, OrderEvent.PARTIAL_FILL, OrderEvent.AMENDED})
_DOUBTS = frozenset({OrderEvent.OUTCOME_UNKNOWN, OrderEvent.CANCEL_REJECTED})
_ENDS = frozenset({OrderEvent.REJECTED, OrderEvent.CANCELED, OrderEvent.EXPIRED, OrderEvent.FULL_FILL})
IMMEDIATE = "IOC"


@dataclass(slots=True)
class Tracked:
    """An order with the monotonic times of our last request about it and of the venue's last word."""

    order: Order
    asked_ns: int
    heard_ns: int
    told_lots: int = 0  # the most that the venue said has filled; our fills may not be there yet
    inferred: bool = False  # closed because a report did not list it, not by the venue's word
    amending: Amending | None = None  # an amendment that is not answered
    is_resting: bool = False  # by all that is known since our last request; its state does not say so while `amending`
    is_fixed: bool = False  # the venue refused to amend it: it is replaced instead


class OrderTracker:
    """The live orders of one leg. `revision` grows with each change."""

    def __init__(self, leg: str) -> None:
        self.leg = leg
        self.revision = 0
        self._live: dict[str, Tracked] = {}
        self._closed: OrderedDict[str, Tracked] = OrderedDict()
        self._by_venue_id: dict[str, str] = {}
        self.suspects: dict[str, int] = {}  # whose fills do not add up: id -> complete reports that did not help
        self._snapshot: tuple[Order, ...] = ()
        self._snapshot_revision = 0

    # What goes out

    def compose(self, quote: Quote, client_order_id: str, utc_ns: int, immediate: bool = False) -> Order:
        """Return the order that a quote becomes; it is not tracked before `add`."""
        return Order(
            client_order_id=client_order_id,
            leg=self.leg,
            side=quote.side,
            price_ticks=quote.price_ticks,
            size_lots=quote.size_lots,
            slot=quote.slot_name,
            post_only=quote.post_only and not immediate,
            reduce_only=quote.reduce_only,
            time_in_force=IMMEDIATE if immediate else "GTC",
            sent_ns=utc_ns,
        )

    def add(self, order: Order, now_ns: int, heard_ns: int = -1) -> None:
        """Track an order: ours just recorded, one from the ledger, or one found at the venue."""
        self._closed.pop(order.client_order_id, None)
        amending = of_earlier_life(order)
        tracked = Tracked(order, now_ns, heard_ns, amending=amending, is_resting=amending is not None)
        self._live[order.client_order_id] = tracked
        self._put(tracked, order)

    def mark_cancel_sent(self, client_order_id: str, now_ns: int) -> Order | None:
        """Note that a cancel goes out; return the order after it, None when it is not live."""
        tracked = self._live.get(client_order_id)
        if tracked is None:
            return None
        tracked.asked_ns, tracked.is_resting = now_ns, False
        return self._put(tracked, after_cancel_sent(tracked.order))

    def mark_amend_sent(self, amend: Amend, worst: Order, now_ns: int) -> None:
        """Note that an amendment of a live order goes out; `worst` is the order until it is answered."""
        tracked = self._live[amend.client_order_id]
        tracked.asked_ns, tracked.is_resting = now_ns, False
        tracked.amending = Amending(amend, tracked.order)
        self._put(tracked, worst)

    # What comes in

    def apply_update(self, update: OrderUpdate, now_ns: int, utc_ns: int, inferred: bool = False) -> Order | None:
        """Apply what the venue says; return the order after it, None when we know no such order.

        `inferred`: concluded from a report. The venue's own word that such an order rests brings it back.
        """
        tracked = self._find(update.client_order_id)
        if tracked is None:
            return None
        if update.event in _RESTING_WORDS:
            self._reopen(tracked)
        tracked.heard_ns = now_ns
        changed = after_update(tracked.order, update, utc_ns)
        tracked.is_resting = changed.state in _HERE or (tracked.is_resting and update.event not in _DOUBTS)
        if tracked.amending is not None or update.event is OrderEvent.AMENDED:
            changed, tracked.amending = after_answer(changed, update, tracked.amending)
            tracked.is_fixed = tracked.is_fixed or update.event is OrderEvent.AMEND_REJECTED
            changed = tracked.order if changed == tracked.order else changed  # it is no news that it still rests
        order = self._put(tracked, changed)
        if update.event in _ENDS:
            tracked.inferred = inferred
        told_lots = update.filled_lots
        if told_lots is None and update.event is OrderEvent.FULL_FILL and tracked.amending is None:
            told_lots = order.size_lots
        tracked.told_lots = max(tracked.told_lots, told_lots or 0)
        self._weigh(tracked)
        return order

    def apply_fill(self, fill: Fill, now_ns: int) -> Order | None:
        """Apply a fill that is not booked yet; return the order after it, None when we know no such order."""
        tracked = self._find(fill.client_order_id)
        if tracked is None:
            return None
        self._reopen(tracked)
        tracked.heard_ns = now_ns
        changed = after_fill(tracked.order, fill)
        tracked.is_resting = tracked.is_resting or changed.state in _HERE
        order = self._put(tracked, held_back(changed, tracked.amending))
        self._weigh(tracked)
        return order

    def _reopen(self, tracked: Tracked) -> None:
        """Bring an order back that only a report's silence had closed."""
        order = tracked.order
        if not tracked.inferred or order.remaining_lots <= 0:
            return
        tracked.inferred = False
        self._closed.pop(order.client_order_id, None)
        self._live[order.client_order_id] = tracked
        tracked.order = replace(order, state=OrderState.UNKNOWN, reason="")

    def _weigh(self, tracked: Tracked) -> None:
        """Suspect an order whose fills do not add up; a live one may have them on their way, its rest counts anyhow."""
        order = tracked.order
        short = order.filled_lots < tracked.told_lots
        if order.filled_lots > order.size_lots or (short and order.is_closed):
            self.suspects.setdefault(order.client_order_id, 0)
        elif not short:
            self.suspects.pop(order.client_order_id, None)

    def _find(self, client_order_id: str) -> Tracked | None:
        return self._live.get(client_order_id) or self._closed.get(client_order_id)

    def _put(self, tracked: Tracked, order: Order) -> Order:
        tracked.order = order
        self.revision += 1
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = order.client_order_id
        if order.state in CLOSED and self._live.pop(order.client_order_id, None) is not None:
            self._closed[order.client_order_id] = tracked
            self._forget()
        return order

    def _forget(self) -> None:
        """Forget the oldest closed orders, but none whose fills are missing."""
        while len(self._closed) - len(self.suspects) > _REMEMBERED:
            oldest = next(key for key in self._closed if key not in self.suspects)
            venue_order_id = self._closed.pop(oldest).order.venue_order_id
            if venue_order_id is not None:
                self._by_venue_id.pop(venue_order_id, None)

    # Questions

    def get(self, client_order_id: str) -> Order | None:
        """Return a live or recently closed order."""
        tracked = self._find(client_order_id)
        return tracked.order if tracked else None

    def live(self) -> tuple[Order, ...]:
        """Return every order that may still fill."""
        if self._snapshot_revision != self.revision:
            self._snapshot = tuple([tracked.order for tracked in self._live.values()])
            self._snapshot_revision = self.revision
        return self._snapshot

    def quotes(self) -> tuple[Order, ...]:
        """Return the live orders that hold a slot: all but the immediate ones."""
        return tuple(order for order in self.live() if order.time_in_force != IMMEDIATE)

    def cancellable(self) -> list[str]:
        """Return the ids of orders that rest, on whichever terms, and have no cancel on its way."""
        return [
            key
            for key, tracked in self._live.items()
            if tracked.order.state in _CANCELLABLE or (tracked.is_resting and tracked.order.state is OrderState.UNKNOWN)
        ]

    def is_amendable(self, client_order_id: str) -> bool:
        """Tell whether a live order may be amended now: no amendment is on its way, and none was refused."""
        tracked = self._live[client_order_id]
        return not tracked.is_fixed and tracked.amending is None

    def asked_terms(self, client_order_id: str) -> Amend | None:
        """Return the amendment of an order that is not answered, None when there is none."""
        tracked = self._find(client_order_id)
        return None if tracked is None or tracked.amending is None else tracked.amending.amend

    def may_be_amended(self, client_order_id: str) -> bool:
        """Tell whether an amendment of an order is not answered, of this life or, as far as is known, of another."""
        tracked = self._find(client_order_id)
        return tracked is not None and tracked.amending is not None

    def immediate(self) -> list[Order]:
        """Return the immediate orders that are not settled."""
        return [order for order in self.live() if order.time_in_force == IMMEDIATE]

    def standing(self) -> tuple[bool, int | None, bool]:
        """Return what follows from all live orders, in one pass.

        Whether the outcome of a request is not known for one; when the oldest unanswered request about one was sent,
        None when nothing is awaited; whether at least one quote rests on each side.
        """
        has_unknown, bids, asks, oldest_ns = False, False, False, None
        for tracked in self._live.values():
            order = tracked.order
            state = order.state
            if state in _AWAITED and (oldest_ns is None or tracked.asked_ns < oldest_ns):
                oldest_ns = tracked.asked_ns
            if state in _RESTING and order.time_in_force != IMMEDIATE:
                if order.side is Side.BUY:
                    bids = True
                else:
                    asks = True
            elif state is OrderState.UNKNOWN:
                has_unknown = True
        return has_unknown, oldest_ns, bids and asks

    def overdue(self, before_ns: int) -> list[Order]:
        """Return orders about which something was sent before `before_ns` and never answered."""
        return [
            tracked.order
            for tracked in self._live.values()
            if tracked.order.state in _AWAITED and tracked.asked_ns <= before_ns
        ]

    def settled_before(self, asked_ns: int) -> list[Order]:
        """Return live orders that nothing was sent or heard about since: a report asked for then can judge them.

        What was heard in the same instant was heard before: a step listens first, then asks, then sends.
        """
        return [kept.order for kept in self._live.values() if kept.asked_ns < asked_ns and kept.heard_ns <= asked_ns]

    def closed_since(self, client_order_id: str, asked_ns: int) -> bool:
        """Tell whether an order was closed after `asked_ns`: a report asked for then may still list it."""
        kept = self._closed.get(client_order_id)
        return kept is not None and kept.heard_ns > asked_ns

    def suspect(self, client_order_id: str, told_lots: int) -> None:
        """Note that a report has more filled of an order than the fills that we know of."""
        self.revision += 1
        self.suspects.setdefault(client_order_id, 0)
        if tracked := self._find(client_order_id):
            tracked.told_lots = max(tracked.told_lots, told_lots)

    def missing(self) -> tuple[MissingFills, ...]:
        """Return what has filled of closed orders by the venue's word, and is not booked."""
        if not self.suspects:
            return ()
        kept = [(each.order, each.told_lots) for key in self.suspects if (each := self._closed.get(key))]
        return tuple(
            MissingFills(order.side, order.price_ticks, told_lots - order.filled_lots)
            for order, told_lots in kept
            if told_lots > order.filled_lots
        )

    def unbooked(self) -> tuple[Order, ...]:
        """Return the closed orders that have filled by the venue's word, and whose fills are not booked."""
        if not self.suspects:
            return ()
        kept = [each for key in self.suspects if (each := self._closed.get(key))]
        return tuple(each.order for each in kept if each.told_lots > each.order.filled_lots)

    def count_report(self, patience: int, asked_ns: int) -> list[str]:
        """Note a complete report; return the orders that `patience` of them did not help, they are given up."""
        for key in self.suspects:
            tracked = self._find(key)
            if tracked is None or tracked.heard_ns <= asked_ns:
                self.suspects[key] += 1
        given_up = [key for key, reports in self.suspects.items() if reports >= patience]
        for key in given_up:
            del self.suspects[key]
            self.revision += 1
        return given_up

    def restore(self, order: Order, now_ns: int) -> Order:
        """Track an order of ours found open at the venue."""
        restored = replace(order, leg=self.leg)
        self.add(restored, now_ns, now_ns)
        return restored

    def is_live(self, client_order_id: str) -> bool:
        """Tell whether an order may still fill."""
        return client_order_id in self._live

    def by_venue_id(self, venue_order_id: str | None) -> Order | None:
        """Return the order with the venue's own id, None when there is none or no id."""
        key = None if venue_order_id is None else self._by_venue_id.get(venue_order_id)
        return None if key is None else self.get(key)

    def without_venue_id(self) -> frozenset[str]:
        """Return the live orders that a fill under a venue's order id that we do not know could be of."""
        return frozenset(key for key, tracked in self._live.items() if tracked.order.venue_order_id is None)

    def may_arrive(self, client_order_id: str, asked_ns: int, late_arrival_ns: int) -> bool:
        """Tell whether an order may have reached the venue after a report was asked for; it was never answered."""
        tracked = self._live.get(client_order_id)
        return tracked is not None and asked_ns - tracked.asked_ns < late_arrival_ns
