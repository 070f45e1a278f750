"""Amendments on Thalex: price and new total size of an order that rests, by the venue's id of it.

The venue does not say whether it holds a post-only order to its promise when it is amended, so the rooms above never
amend one towards the market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from api import thalex_wire as wire
from api.rate_budget import Lane
from api.thalex_calls import Calls, Reply
from api.thalex_errors import Verdict, meaning_of, reason_of
from api.thalex_order_view import read_order
from api.thalex_orders import INSERT_QUEUE_NS, OrderDesk, Tracked
from api.thalex_wire import Request, WireFault
from core.market.instrument import Instrument
from core.market.order import Amend, OrderEvent


class AmendDesk:
    """The amendments of one leg; what comes of them is told through the order desk."""

    def __init__(self, desk: OrderDesk, calls: Calls, instrument: Instrument, now_ns: Callable[[], int]) -> None:
        self._desk, self._calls, self._instrument, self._now_ns = desk, calls, instrument, now_ns

    def amend(self, amends: Iterable[Amend]) -> None:
        """Send amendments, as far as the venue could take them."""
        for amend in amends:
            key, tracked = amend.client_order_id, self._desk.live(amend.client_order_id)
            if self._desk.down_because:
                self._refuse(key, f"not sent: {self._desk.down_because}")
            elif tracked is None or (request := self._request(tracked, amend)) is None:
                self._refuse_unknown(key, "not sent: no such open order is known")
            elif reason := self._instrument.unplaceable_reason(amend.price_ticks, amend.size_lots):
                self._refuse(key, f"{reason}: below what the venue takes")
            else:
                self._send(tracked, amend, request)

    def _request(self, tracked: Tracked, amend: Amend) -> Request | None:
        size, price = self._instrument.to_size(amend.size_lots), self._instrument.to_price(amend.price_ticks)
        if tracked.order_id is not None:
            return wire.amend(size, price, order_id=tracked.order_id)
        if tracked.connection == self._desk.connection:
            return wire.amend(size, price, client_order_id=tracked.number)
        return None

    def _send(self, tracked: Tracked, amend: Amend, request: Request) -> None:
        def done(reply: Reply) -> None:
            if tracked.amend is amend:
                self._answered(tracked, amend, reply)
            elif tracked.amend is None and reply.code is not None and not self._desk.is_closed(tracked.key):
                # What the stream told was a picture of before, with the terms of now: a listing tells which ones hold.
                reason = reason_of(reply.code, reply.message)
                self._desk.say(tracked.key, OrderEvent.OUTCOME_UNKNOWN, reason, tracked)

        tracked.amend = amend
        self._calls.ask(request, Lane.CREATE, done, self._now_ns(), queue_ns=INSERT_QUEUE_NS, takes_late_answers=True)

    def _answered(self, tracked: Tracked, amend: Amend, reply: Reply) -> None:
        key = tracked.key
        if reply.lost and reply.sent:
            self._desk.say(key, OrderEvent.OUTCOME_UNKNOWN, reply.lost)
            return
        if reply.lost:
            tracked.amend = None
            self._refuse(key, f"not sent: {reply.lost}")
        elif reply.code is None:
            self._carried_out(tracked, amend, reply)
        else:
            self._refused(tracked, reply.code, reason_of(reply.code, reply.message))

    def _refused(self, tracked: Tracked, code: int, reason: str) -> None:
        verdict = meaning_of(code).verdict
        if verdict is Verdict.UNKNOWN:
            self._desk.say(tracked.key, OrderEvent.OUTCOME_UNKNOWN, reason)
            return
        tracked.amend = None
        if verdict is Verdict.NOT_FOUND:
            self._refuse_unknown(tracked.key, reason)
        else:
            self._refuse(tracked.key, reason)

    def _carried_out(self, tracked: Tracked, amend: Amend, reply: Reply) -> None:
        try:
            view = read_order(reply.result)
        except WireFault as exc:
            self._desk.say(tracked.key, OrderEvent.OUTCOME_UNKNOWN, f"an answer that cannot be read: {exc}")
            return
        if self._desk.is_closed(tracked.key):  # the stream was faster
            return
        self._desk.apply(tracked, view)
        if tracked.amend is amend and view.is_live:  # on other terms than those that were asked for
            self._desk.tell_amended(tracked, view)

    def _refuse(self, key: str, reason: str) -> None:
        self._desk.say(key, OrderEvent.AMEND_REJECTED, reason)

    def _refuse_unknown(self, key: str, reason: str) -> None:
        """Tell that nothing was amended, and that the order may be gone; not when its end was told."""
        self._refuse(key, reason)
        if not self._desk.is_closed(key):
            self._desk.say(key, OrderEvent.OUTCOME_UNKNOWN, reason)
