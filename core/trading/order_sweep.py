"""Getting every order of a bot off a venue, and knowing that it is done; shared by a stop and by the sweep child.

Confirmed means: a complete listing names no order of ours, and each order that was in flight when the sweep began was
found (and is gone), or is absent from a listing asked for after the venue's acceptance window. An incomplete answer
means "wait", never "empty". Orders that are not ours are never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.market.events import FillEvent, OrderUpdate
from core.market.order import CLOSED, Order, OrderEvent
from core.market.reports import VenueReport
from core.trading.clock import seconds
from core.trading.report_desk import ReportDesk, ReportTiming
from utils.errors import VenueAuthError, VenueError

if TYPE_CHECKING:
    from api.base_client import ExchangeClient, Inbox, InboxItem
    from core.market.client_ids import OrderIds
    from core.trading.clock import Clock

# A cancel that did not show is sent again, each time after twice as long: on a small budget, repeated cancels would
# otherwise take all of it, and the listing that tells that nothing is left would never be sent.
_REPEAT_CANCEL_NS = seconds(1)
_TIMING = ReportTiming(
    timeout_ns=seconds(3), gap_ns=seconds(0.02), first_backoff_ns=seconds(0.1), max_backoff_ns=seconds(1)
)
# Words that can only be about an order that reached the venue, or that the venue has refused for good.
_UNSETTLING = {OrderEvent.CANCEL_SENT, OrderEvent.CANCEL_REJECTED, OrderEvent.AMEND_SENT, OrderEvent.AMEND_REJECTED}
_SETTLING = frozenset(OrderEvent) - _UNSETTLING - {OrderEvent.OUTCOME_UNKNOWN}
_GONE = frozenset({OrderEvent.CANCELED, OrderEvent.EXPIRED, OrderEvent.REJECTED, OrderEvent.FULL_FILL})


@dataclass(frozen=True, slots=True)
class SweepResult:
    """How a sweep ended. `left`: client order ids that may still rest at the venue. `auth`: the key is not accepted."""

    confirmed: bool
    cancelled: int
    left: tuple[str, ...]
    reason: str
    auth: bool = False


class OrderSweep:
    """One sweep of one leg. With an inbox it runs by itself; without one its owner passes items to `handle`.

    `in_flight` may be all orders that are not closed in the ledger: those that the venue has answered are cancelled
    like any other, only the rest is waited for. `since` is the ledger's fill mark, it keeps the reports short.
    """

    def __init__(
        self,
        client: ExchangeClient,
        inbox: Inbox | None,
        ids: OrderIds,
        in_flight: Sequence[Order],
        clock: Clock,
        late_arrival_s: float,
        deadline_ns: int,
        *,
        since: str | None = None,
        desk: ReportDesk | None = None,
    ) -> None:
        self._client, self._inbox, self._ids, self._clock = client, inbox, ids, clock
        self._known = {order.client_order_id: order for order in in_flight if not order.is_closed}
        self._by_venue_id: dict[str | None, str] = {
            order.venue_order_id: key for key, order in self._known.items() if order.venue_order_id
        }
        self._unsettled = {key for key, order in self._known.items() if not order.was_answered}
        self._open: set[str] = set(self._known) - self._unsettled
        self._cancelled: set[str] = set()
        self._cancel_sent_ns: dict[str, int] = {}
        self._repeats: dict[str, int] = {}
        self._deadline_ns = deadline_ns
        # Counted from now: whatever was sent, was sent before. The UTC time of sending could be off.
        self._absent_after_ns = clock.now_ns() + seconds(late_arrival_s)
        self._judge_after_ns = clock.now_ns() - 1  # a listing asked for until then proves nothing
        self._since = since
        self._desk = desk or ReportDesk(client)
        self._desk.use(_TIMING)
        self._began = self._window_over = False
        self._trouble = ""
        self.done: SweepResult | None = None

    def step(self) -> int:
        """Do what is due; return when to be called next at the latest (the clock's nanoseconds)."""
        now_ns = self._clock.now_ns()
        try:
            due_ns = self._advance(now_ns)
        except VenueAuthError as exc:
            self._finish(False, str(exc), auth=True)
            return now_ns
        if self.done is None and now_ns >= self._deadline_ns:
            self._finish(False, self._desk.reason or self._trouble or "the deadline passed")
        return now_ns if self.done else min(due_ns, self._deadline_ns)

    def _advance(self, now_ns: int) -> int:
        if not self._began:
            self._began = True
            self._cancel_known(now_ns)
        self._cancel(sorted(self._open), now_ns)
        due_ns = self._desk.step(now_ns, True, self._since)
        due_ns = min(due_ns, self._late_due_ns(now_ns))
        return due_ns if self._inbox is None else min(due_ns, self._pump(self._inbox, now_ns))

    def _late_due_ns(self, now_ns: int) -> int:
        """Return when the acceptance window ends; at that time ask without waiting for the backoff."""
        if not self._unsettled or self._window_over:
            return self._deadline_ns
        if now_ns >= self._absent_after_ns:
            self._window_over = True
            self._desk.hurry()
        return max(now_ns, self._absent_after_ns)

    def _pump(self, inbox: Inbox, now_ns: int) -> int:
        """Let the client do what is due and listen; return when to come back."""
        inbox.hush()
        polled_ns = self._client.poll(now_ns)
        items = inbox.drain()
        for item in items:
            self.handle(item)
        if items:
            return now_ns
        return self._deadline_ns if polled_ns is None else polled_ns

    def handle(self, item: InboxItem) -> None:
        """Take in what the venue said."""
        if self.done is not None:
            return
        if isinstance(item, OrderUpdate):
            self._on_update(item)
        elif isinstance(item, FillEvent):
            self._on_fill(item.fill.client_order_id)
        elif isinstance(item, VenueReport):
            self._on_report(item)

    def _on_update(self, update: OrderUpdate) -> None:
        key = update.client_order_id
        if update.event not in _SETTLING or not self._is_ours(key):
            return
        if update.event is OrderEvent.CANCELED:
            self._cancelled.add(key)
        if update.event not in _GONE:
            self._found(key)
            return
        self._unsettled.discard(key)
        self._open.discard(key)
        if not self._open:
            self._desk.hurry()

    def _on_fill(self, key: str) -> None:
        if key in self._unsettled:  # it did arrive, and what is left of it may rest
            self._found(key)

    def _found(self, key: str) -> None:
        """Note that an order has reached the venue: only a listing asked for from now on can say that it is gone."""
        self._unsettled.discard(key)
        self._open.add(key)
        self._judge_after_ns = self._clock.now_ns()

    def _is_ours(self, client_order_id: str) -> bool:
        return client_order_id in self._known or self._ids.owns(client_order_id)

    def _on_report(self, report: VenueReport) -> None:
        asked_ns = self._desk.take(report)
        if asked_ns is not None:
            self.judge(report, asked_ns)

    def judge(self, report: VenueReport, asked_ns: int) -> None:
        """Take in a report whose question was asked at `asked_ns`."""
        if self.done is not None:
            return
        listed = self._listed(report)
        self._unsettled -= listed
        self._open |= listed
        for fill in report.fills:  # a venue may read its orders before its fills: those need another listing
            self._on_fill(fill.client_order_id)
        if not report.complete or asked_ns <= self._judge_after_ns:
            return
        self._cancelled |= {key for key in self._open - listed if key in self._cancel_sent_ns}
        self._open = listed
        if not listed and (not self._unsettled or asked_ns >= self._absent_after_ns):
            self._unsettled.clear()
            self._finish(True, "")

    def _listed(self, report: VenueReport) -> set[str]:
        """Return our client order ids in a report, also where the venue tells its own order id only."""
        found = set()
        for order in report.open_orders:
            key = self._by_venue_id.get(order.venue_order_id, order.client_order_id)
            if order.state not in CLOSED and self._is_ours(key):
                found.add(key)
        return found

    def _cancel_known(self, now_ns: int) -> None:
        """Cancel first what we know of, before asking anything: the listing then finds what we do not know of."""
        if self._client.capabilities.cancel_all_at_once:
            self._send(lambda: self._client.cancel_all(self._ids.owns))
            self._cancel_sent_ns = dict.fromkeys(self._known, now_ns)
        else:
            self._cancel(sorted(self._known), now_ns)

    def _cancel(self, client_order_ids: list[str], now_ns: int) -> None:
        due = [key for key in client_order_ids if self._is_due(key, now_ns)]
        if due:
            self._repeats |= {key: self._repeats.get(key, -1) + 1 for key in due}
            self._cancel_sent_ns |= dict.fromkeys(due, now_ns)
            self._send(lambda: self._client.cancel(due))

    def _is_due(self, key: str, now_ns: int) -> bool:
        sent_ns = self._cancel_sent_ns.get(key)
        return sent_ns is None or now_ns - sent_ns >= _REPEAT_CANCEL_NS << self._repeats.get(key, 0)

    def _send(self, request: Callable[[], None]) -> None:
        try:
            request()
        except VenueAuthError:
            raise
        except VenueError as exc:
            self._trouble = str(exc)  # the listing will tell, and the cancel is repeated

    def _finish(self, confirmed: bool, reason: str, auth: bool = False) -> None:
        left = tuple(sorted(self._open | self._unsettled))
        self.done = SweepResult(confirmed, len(self._cancelled - self._open), left, reason, auth)
