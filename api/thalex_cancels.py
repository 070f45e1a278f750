"""Cancels on Thalex: named as well as we can name the order, looked up when we cannot, never more than asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from api import thalex_wire as wire
from api.rate_budget import Lane
from api.thalex_calls import Calls, Reply
from api.thalex_errors import Verdict, meaning_of, reason_of
from api.thalex_order_view import OrderView, read_order, read_orders
from api.thalex_orders import OrderDesk, Tracked
from api.thalex_wire import Request, WireFault
from core.market.order import OrderEvent

_TRIES = 3  # of a cancel that the venue throttles
_log = logging.getLogger("makerd.orders")
_Listed = dict[str, OrderView]


class CancelDesk:
    """The cancels of one leg; what comes of them is told through the order desk."""

    def __init__(self, desk: OrderDesk, calls: Calls, venue_symbol: str, now_ns: Callable[[], int]) -> None:
        self._desk, self._calls, self._venue_symbol, self._now_ns = desk, calls, venue_symbol, now_ns

    def cancel(self, keys: Iterable[str]) -> None:
        """Send cancels; orders that we have no name for at the venue are looked up first."""
        desk, lookup = self._desk, list[str]()
        for key in keys:
            tracked = desk.live(key)
            if desk.down_because:
                self._refuse(key, f"not sent: {desk.down_because}")
            elif tracked is None and desk.is_closed(key):
                self._refuse(key, "it is closed already")
            elif tracked is not None and tracked.order_id is None and self._calls.withdraw(tracked.number):
                desk.end(tracked, OrderEvent.CANCELED, "taken back before it was sent")
            elif tracked is not None and (name := self._name_of(tracked)) is not None:
                self._send(key, name)
            else:
                lookup.append(key)
        if lookup:
            self._look_up(lambda listed: self._cancel_found(lookup, listed), lambda why: self._not_found(lookup, why))

    def _name_of(self, tracked: Tracked) -> Request | None:
        if tracked.order_id is not None:
            return wire.cancel(order_id=tracked.order_id)
        same_connection = tracked.connection == self._desk.connection
        return wire.cancel(client_order_id=tracked.number) if same_connection else None

    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        """Cancel what we know of at once, and what a listing shows beside it."""
        known = [key for key in self._desk.live_keys() if owns(key)]
        self.cancel(known)
        done = frozenset(known)

        def rest(listed: _Listed) -> None:
            for key, view in listed.items():
                if key not in done and owns(key):
                    self._send(key, wire.cancel(order_id=view.order_id))

        self._look_up(
            rest, lambda why: _log.warning("not_listed", extra={"fields": {"venue": "thalex", "reason": why}})
        )

    # One cancel

    def _send(self, key: str, request: Request, tries: int = _TRIES) -> None:
        def done(reply: Reply) -> None:
            self._answered(key, request, reply, tries)

        self._calls.ask(request, Lane.CANCEL, done, self._now_ns(), takes_late_answers=True)

    def _answered(self, key: str, request: Request, reply: Reply, tries: int) -> None:
        if reply.lost and reply.sent:
            self._desk.say(key, OrderEvent.OUTCOME_UNKNOWN, reply.lost)
        elif reply.lost:
            self._refuse(key, f"not sent: {reply.lost}")
        elif reply.code is None:
            self._carried_out(key, reply)
        elif meaning_of(reply.code).verdict is Verdict.THROTTLED and tries > 1:
            self._send(key, request, tries - 1)
        elif meaning_of(reply.code).verdict is Verdict.UNKNOWN:
            self._desk.say(key, OrderEvent.OUTCOME_UNKNOWN, reason_of(reply.code, reply.message))
        else:
            self._refuse(key, reason_of(reply.code, reply.message))

    def _carried_out(self, key: str, reply: Reply) -> None:
        try:
            view = read_order(reply.result)
        except WireFault as exc:
            self._desk.say(key, OrderEvent.OUTCOME_UNKNOWN, f"an answer that cannot be read: {exc}")
            return
        if not self._desk.is_closed(key):  # else the stream was faster
            self._desk.apply(self._desk.live(key) or Tracked.adopted(key, view.order_id), view)

    def _refuse(self, key: str, reason: str) -> None:
        self._desk.say(key, OrderEvent.CANCEL_REJECTED, reason)

    # Looking up

    def _look_up(self, found: Callable[[_Listed], None], failed: Callable[[str], None]) -> None:
        def done(reply: Reply) -> None:
            if reply.lost or reply.code is not None:
                failed(reply.lost or reason_of(reply.code or 0, reply.message))
                return
            try:
                views = read_orders(reply.result, self._venue_symbol)
            except WireFault as exc:
                failed(str(exc))
                return
            named = {self._desk.label_of(view.label, view.order_id): view for view in views}
            self._desk.learn(views)
            found({label: view for label, view in named.items() if label})

        self._calls.ask(Request("private/open_orders"), Lane.CANCEL, done, self._now_ns())

    def _cancel_found(self, keys: Sequence[str], listed: _Listed) -> None:
        for key in keys:
            if key in listed:
                self._send(key, wire.cancel(order_id=listed[key].order_id))
            else:
                self._refuse(key, "the venue lists no such order")

    def _not_found(self, keys: Sequence[str], why: str) -> None:
        for key in keys:
            self._refuse(key, f"it could not be looked up: {why}")
