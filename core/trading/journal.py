"""The loop's way to the ledger: one transaction for all that happened, kept and tried again when the disk is full."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.market.order import Fill, Order, OrderState
from core.trading.ledger import Ledger, LedgerBatch, Memory, Session
from core.trading.ledger_series import Sample
from core.trading.log_fields import fields
from utils.errors import LedgerError

if TYPE_CHECKING:
    from core.market.funding import FundingPayment
    from core.market.position import Position

_log = logging.getLogger("makerd.process")


class Journal:
    """What is not in the ledger yet. While `healthy` is false nothing new may be sent to a venue.

    Bound: while the ledger cannot be written no order is placed, so what can be kept here is limited by the orders
    that are live and the fills they can have.
    """

    def __init__(self, ledger: Ledger, retry_ns: int) -> None:
        self.ledger = ledger
        self.healthy = True
        self.reason = ""
        self._retry_ns = retry_ns
        self._next_try_ns = 0
        self._pending = LedgerBatch()
        self.is_settled = True  # all is in the ledger: asked several times in each step
        self._pending_fills: set[tuple[str, str]] = set()
        self._marks: dict[str, str | None] = {}

    def note_order(self, order: Order) -> None:
        """Keep an order's state for the next flush."""
        self.is_settled = False
        self._pending.orders[order.client_order_id] = order

    def note_fill(self, fill: Fill, position_after: Position, order: Order | None) -> None:
        """Keep a fill with the position and the order after it for the next flush."""
        self.is_settled = False
        self._pending.fills.append((fill, position_after))
        self._pending.positions[fill.leg] = position_after
        self._pending_fills.add((fill.leg, fill.trade_id))
        if order is not None:
            self.note_order(order)

    def note_funding(self, payment: FundingPayment, position_after: Position) -> None:
        """Keep a funding payment with the position after it for the next flush."""
        self.is_settled = False
        self._pending.funding.append(payment)
        self._pending.positions[payment.leg] = position_after

    def note_mark(self, leg: str, mark: str) -> None:
        """Advance the fill mark together with the fills noted so far."""
        self.is_settled = False
        self._pending.marks[leg] = mark

    def note_session(self, session: Session) -> None:
        """Keep the session for the next flush."""
        self.is_settled = False
        self._pending.session = session

    def note_counters(self, counters: dict[str, int]) -> None:
        """Keep the counters for the next flush."""
        self.is_settled = False
        self._pending.counters = counters

    def note_memory(self, memory: Memory) -> None:
        """Keep what the strategy remembers for the next flush, together with the fills noted so far."""
        self.is_settled = False
        self._pending.memory = memory

    def note_samples(self, samples: Sequence[Sample]) -> None:
        """Keep the newest rows of the series for the next flush; while the ledger fails the older ones are let go."""
        self.is_settled = False
        self._pending.samples = samples

    def has_fill(self, leg: str, trade_id: str) -> bool:
        """Tell whether a fill is booked, in the ledger or here. Raises LedgerError."""
        return (leg, trade_id) in self._pending_fills or self.ledger.has_fill(leg, trade_id)

    def has_funding(self, leg: str, payment_id: str) -> bool:
        """Tell whether a funding payment is booked, in the ledger or here. Raises LedgerError."""
        pending = any((one.leg, one.payment_id) == (leg, payment_id) for one in self._pending.funding)
        return pending or self.ledger.has_funding(leg, payment_id)

    def filled_lots(self, leg: str, client_order_id: str) -> int:
        """Return the sum of an order's fills, in the ledger or here. Raises LedgerError."""
        pending = (f.size_lots for f, _ in self._pending.fills if (f.leg, f.client_order_id) == (leg, client_order_id))
        return self.ledger.filled_lots(leg, client_order_id) + sum(pending)

    def mark(self, leg: str) -> str | None:
        """Return the fill mark that is safely in the ledger."""
        if leg not in self._marks:
            self._marks[leg] = self.ledger.mark(leg)
        return self._marks[leg]

    def due_ns(self) -> int | None:
        """Return when to flush again, None when nothing failed."""
        return None if self.healthy else self._next_try_ns

    def flush(self, now_ns: int) -> bool:
        """Write what is pending; return False while it cannot be written. Tries again once per `retry_ns`."""
        if not self.healthy and now_ns < self._next_try_ns:
            return False
        if self.is_settled:
            return True
        try:
            self.ledger.write(self._pending)
        except LedgerError as exc:
            self.fail(now_ns, exc)
            return False
        self._written()
        return True

    def record_new(self, orders: Sequence[Order], now_ns: int) -> bool:
        """Write new orders, with all that is pending, before they are sent; False when that is not possible."""
        if not self.healthy:
            return False
        for order in orders:
            self.note_order(order)
        if self.flush(now_ns):
            return True
        for order in orders:  # writing these tells when the ledger has room for orders again
            self.note_order(replace(order, state=OrderState.REJECTED, reason="never sent: the ledger failed"))
        return False

    def record_amending(self, before: Sequence[Order], worst: Sequence[Order], now_ns: int) -> bool:
        """Write orders as they are while amended, with all that is pending, before it is sent; False: not possible."""
        if not self.healthy:
            return False
        for order in worst:
            self.note_order(order)
        if self.flush(now_ns):
            return True
        for order in before:
            self.note_order(order)
        return False

    def fail(self, now_ns: int, error: LedgerError) -> None:
        """Note that the ledger does not work."""
        self.is_settled = False
        self._next_try_ns = now_ns + self._retry_ns
        self.reason = str(error)
        if self.healthy:
            self.healthy = False
            _log.error("ledger_failed", extra=fields(reason=self.reason))

    def _written(self) -> None:
        if self._pending.marks:
            self._marks.update(self._pending.marks)
        if self._pending_fills:
            self._pending_fills.clear()
        self._pending = LedgerBatch()
        self.is_settled = True
        if not self.healthy:
            self.healthy, self.reason = True, ""
            _log.info("ledger_recovered", extra=fields())
