"""Orders and cancels on their way to Backpack, and what its answers to them mean."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from api.backpack_answers import VenueOrder, batch_of, order_of, orders_of
from api.backpack_calls import Calls, Reply
from api.backpack_errors import AUTH, NOT_FOUND, UNKNOWN, Problem, expiry_reason, problem_of, reject_reason
from api.backpack_records import OrderRecords, SentOrder
from api.backpack_wire import BackpackWire, order_params
from api.http_call import Lane
from core.market.instrument import Instrument
from core.market.order import POST_ONLY_WOULD_CROSS, Order, OrderEvent, OrderState
from utils.errors import VenueUnreachable

_log = logging.getLogger("makerd.orders")
MAX_BATCH = 20  # orders a request; the venue's own limit is not documented
CREATE_TIMEOUT_S = 4.0  # to leave this host, and again to be answered
_LOOK_AFTER_NS = 1_000_000_000  # at an order whose end was promised and is not told
_MAX_LOOKS = 3
_OFF_GRID = frozenset({"INVALID_PRICE", "INVALID_QUANTITY"})  # the increments may have changed
_RESTING = frozenset({OrderState.NEW, OrderState.PARTIALLY_FILLED})


class OrderDesk:
    """Sends orders and cancels; what the venue answers goes through the records to the loop."""

    def __init__(
        self,
        instrument: Instrument,
        records: OrderRecords,
        calls: Calls,
        wire: BackpackWire,
        now_ns: Callable[[], int],
        auto_lend_redeem: bool,
    ) -> None:
        self._instrument, self._records, self._calls, self._wire = instrument, records, calls, wire
        self._now_ns = now_ns
        self._auto_lend_redeem = auto_lend_redeem
        self._looks: dict[str, tuple[int, int]] = {}  # our id -> when to look at the order, and how many times we did
        self.on_new_id: Callable[[SentOrder], None] = lambda sent: None
        self.on_resting: Callable[[SentOrder], None] = lambda sent: None
        self.on_off_grid: Callable[[], None] = lambda: None

    # New orders

    def submit(self, orders: Sequence[Order]) -> None:
        """Send orders; those that cannot be are refused here."""
        ready = [order for order in orders if self._take_on(order)]
        for start in range(0, len(ready), MAX_BATCH):
            self._create(ready[start : start + MAX_BATCH])

    def _take_on(self, order: Order) -> bool:
        key = order.client_order_id
        found = self._records.find(key)
        if found is not None and not found.is_ended:
            self._records.refused(key, "duplicate_client_id: an order of this id is open; use a new id")
            return False
        if order.size_lots <= 0 or order.price_ticks <= 0:
            what = "min_size: the size" if order.size_lots <= 0 else "price: the price"
            self._records.refused(key, f"{what} is not above 0; look at the strategy's settings")
            return False
        try:
            sent = self._records.known(key)
        except ValueError as exc:
            self._records.refused(key, f"client_id: {exc}")
            return False
        fresh = SentOrder(key, sent.wire, order.size_lots, order.time_in_force != "GTC", is_creating=True)
        self._records.add(fresh)
        return True

    def _create(self, orders: Sequence[Order]) -> None:
        sent = [self._records.known(order.client_order_id) for order in orders]
        params = [
            order_params(order, each.wire, self._instrument, self._auto_lend_redeem)
            for order, each in zip(orders, sent, strict=True)
        ]
        self._calls.send(
            Lane.CREATE,
            partial(self._wire.place, params),
            partial(self._on_created, tuple(orders)),
            CREATE_TIMEOUT_S,
        )

    def _on_created(self, orders: Sequence[Order], reply: Reply) -> None:
        results = _results(reply, [self._records.known(order.client_order_id).wire for order in orders])
        for order, result in zip(orders, results, strict=True):
            sent = self._records.known(order.client_order_id)
            sent.is_creating = False
            if isinstance(result, VenueOrder):
                self._on_taken(sent, result)
            elif isinstance(result, Problem):
                self._on_refused(sent, order, result)
            elif isinstance(result, VenueUnreachable):
                self._records.ended(sent, OrderEvent.REJECTED, f"not_sent: {result}; it is tried again when quoting")
            elif not sent.is_accepted:
                self._records.doubtful(sent, str(result))
            if sent.cancel_held and not sent.is_ended:
                sent.cancel_held = False
                self._delete(sent)

    def _on_taken(self, sent: SentOrder, order: VenueOrder) -> None:
        self._records.learn(sent, order.order_id)
        filled = self._instrument.to_lots(order.filled)
        if order.state is OrderState.EXPIRED and expiry_reason(order.reason) == POST_ONLY_WOULD_CROSS:
            self._records.ended(sent, OrderEvent.REJECTED, POST_ONLY_WOULD_CROSS, filled)
            return
        self._records.accepted(sent, filled)
        self.on_new_id(sent)
        if order.state in _RESTING and not sent.is_immediate:
            self.on_resting(sent)
        else:
            self._on_state(sent, order)

    def _on_refused(self, sent: SentOrder, order: Order, problem: Problem) -> None:
        if problem.kind == AUTH:
            self._calls.refuse(problem)
        if problem.code in _OFF_GRID:
            self.on_off_grid()
        if problem.kind == UNKNOWN or sent.is_accepted:  # a refusal of what the stream has shown says nothing
            self._records.doubtful(sent, problem.text)
        else:
            self._records.ended(sent, OrderEvent.REJECTED, reject_reason(problem, order, self._instrument))

    def _on_state(self, sent: SentOrder, order: VenueOrder) -> bool:
        """Tell how an order ended, if its state says so; else look at it a little later."""
        filled = self._instrument.to_lots(order.filled)
        if order.state is OrderState.FILLED:
            self.end_filled(sent, filled)
        elif order.state is OrderState.CANCELED and not sent.is_immediate:
            self._records.ended(sent, OrderEvent.CANCELED, "", filled)
        elif order.state in (OrderState.CANCELED, OrderState.EXPIRED):
            self._records.ended(sent, OrderEvent.EXPIRED, expiry_reason(order.reason), filled)
        else:
            self._look_later(sent)
            return False
        return True

    def end_filled(self, sent: SentOrder, filled_lots: int) -> None:
        """Tell that an order is done by filling; one that the venue made smaller has a rest that will never fill."""
        if sent.size_lots is not None and filled_lots < sent.size_lots:
            self._records.ended(sent, OrderEvent.EXPIRED, "the venue reduced its size", filled_lots)
        else:
            self._records.ended(sent, OrderEvent.FULL_FILL, "", filled_lots)

    # Cancels

    def cancel(self, keys: Sequence[str]) -> None:
        """Send cancels; one whose create is unanswered waits for that, so that it cannot overtake it."""
        for key in keys:
            try:
                sent = self._records.known(key)
            except ValueError as exc:
                self._records.not_cancelled(key, str(exc))
                continue
            if sent.is_creating and not sent.is_accepted:
                sent.cancel_held = True
            else:
                self._delete(sent)

    def release(self, sent: SentOrder) -> None:
        """Send a held cancel: the stream has shown that the order is there."""
        if sent.cancel_held and not sent.is_ended:
            sent.cancel_held = False
            self._delete(sent)

    def _delete(self, sent: SentOrder) -> None:
        self._calls.send(
            Lane.CANCEL,
            lambda: self._wire.cancel(self._instrument.venue_symbol, sent.venue_id, sent.wire),
            partial(self._on_deleted, sent, sent.is_ended),
        )

    def _on_deleted(self, sent: SentOrder, had_ended: bool, reply: Reply) -> None:
        problem = reply.problem
        if sent.is_ended and not had_ended:
            return  # it ended while the cancel was on its way, and the loop knows how
        if isinstance(reply.error, VenueUnreachable):
            self._records.not_cancelled(sent.key, f"not sent: {reply.error}")
        elif reply.error is not None or (problem is not None and problem.kind == UNKNOWN):
            self._records.doubtful(sent, reply.trouble)
        elif problem is not None:
            self._records.not_cancelled(sent.key, problem.text)
        else:
            self._on_delete_taken(sent, reply)

    def _on_delete_taken(self, sent: SentOrder, reply: Reply) -> None:
        order = _order_in(reply)
        if order is None:  # 202: it will be cancelled, the stream tells when
            self._look_later(sent)
            return
        self._records.learn(sent, order.order_id)
        self._on_state(sent, order)

    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        """Ask what is open and cancel what is owned."""
        self.cancel([sent.key for sent in self._records.unanswered() if owns(sent.key)])
        build = partial(self._wire.open_orders, self._instrument.venue_symbol)
        self._calls.send(Lane.READ, build, partial(self._on_listed, owns))

    def _on_listed(self, owns: Callable[[str], bool], reply: Reply) -> None:
        try:
            found = [] if reply.trouble else orders_of(reply.payload)
        except ValueError as exc:
            _log.warning("cancel_all_failed", extra={"fields": {"reason": str(exc)}})
            return
        if reply.trouble:
            _log.warning("cancel_all_failed", extra={"fields": {"reason": reply.trouble}})
        for order in found:
            key = self._records.name_of(order.order_id, order.client_id)
            if owns(key) and self._records.match(order.order_id, order.client_id) is not None:
                self.cancel([key])

    # Looking at an order whose end is not told

    def _look_later(self, sent: SentOrder) -> None:
        if not sent.is_ended:
            self._looks.setdefault(sent.key, (self._now_ns() + _LOOK_AFTER_NS, 0))

    def step(self, now_ns: int) -> int | None:
        """Look at the orders that are due; return when to be called next."""
        for key, (due_ns, looks) in list(self._looks.items()):
            sent = self._records.find(key)
            if sent is None or sent.is_ended:
                del self._looks[key]
            elif now_ns >= due_ns:
                self._looks[key] = (now_ns + (_LOOK_AFTER_NS << looks + 1), looks + 1)
                self._look(sent, looks + 1)
        return min((due_ns for due_ns, _ in self._looks.values()), default=None)

    def _look(self, sent: SentOrder, looks: int) -> None:
        if looks > _MAX_LOOKS:
            self._give_up(sent, "the venue does not tell how it ended")
            return
        self._calls.send(
            Lane.READ,
            lambda: self._wire.order(self._instrument.venue_symbol, sent.venue_id, sent.wire),
            partial(self._on_looked, sent),
        )

    def _on_looked(self, sent: SentOrder, reply: Reply) -> None:
        if reply.problem is not None and reply.problem.kind == NOT_FOUND:
            self._give_up(sent, "it is not open any more")
        elif not reply.trouble:
            order = _order_in(reply)
            if order is not None and self._on_state(sent, order):
                self._looks.pop(sent.key, None)

    def _give_up(self, sent: SentOrder, reason: str) -> None:
        self._looks.pop(sent.key, None)
        self._records.doubtful(sent, reason)


def _order_in(reply: Reply) -> VenueOrder | None:
    try:
        return None if reply.payload is None else order_of(reply.payload)
    except ValueError:
        return None


def _results(reply: Reply, wires: Sequence[int]) -> list[VenueOrder | Problem | Exception]:
    """Return what became of each order of a request, named by our numbers; what is not said is unknown."""
    count = len(wires)
    if reply.error is not None:
        return [reply.error] * count
    if reply.problem is not None:
        return [reply.problem] * count
    try:
        payload = reply.payload if isinstance(reply.payload, list) else [reply.payload]
        found: list[VenueOrder | Problem | Exception] = [*batch_of(payload)]
    except ValueError as exc:
        found = [problem_of(None, {"code": "UNREADABLE", "message": str(exc)})]
    unsaid = problem_of(None, {"code": "NO_ANSWER", "message": "the answer does not name this order"})
    if len(found) != count:
        return [unsaid] * count
    named = {each.client_id: each for each in found if isinstance(each, VenueOrder) and each.client_id is not None}
    if all(_fits(result, wire) for result, wire in zip(found, wires, strict=True)):
        return found
    return [named.get(wire, unsaid) for wire in wires]  # not in the order of the request: only names tell


def _fits(result: VenueOrder | Problem | Exception, wire: int) -> bool:
    return not isinstance(result, VenueOrder) or result.client_id in (None, wire)
