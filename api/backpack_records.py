"""Our orders as the client remembers them, and the one place from which the loop hears of them: each fact once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from api.base_client import InboxItem
from core.market.client_ids import NumberIds
from core.market.events import FillEvent, OrderUpdate
from core.market.order import Fill, OrderEvent

_REMEMBERED = 5_000  # orders; of those that have ended the oldest are forgotten first
_SEEN_FILLS = 10_000


@dataclass(slots=True)
class SentOrder:
    """What is known of one order of ours; `size_lots` is None for one that an earlier life of the bot sent."""

    key: str  # our client order id
    wire: int  # what the venue knows it by
    size_lots: int | None = None
    is_immediate: bool = False
    venue_id: str | None = None
    is_creating: bool = False  # its create has no answer yet
    is_accepted: bool = False  # the loop was told
    is_ended: bool = False  # the loop was told
    is_heard: bool = False  # the stream has spoken of it
    cancel_held: bool = False  # a cancel waits for the answer to its create


class OrderRecords:
    """The orders of one leg, by our id and by the venue's."""

    def __init__(self, leg: str, ids: NumberIds | None, put: Callable[[InboxItem], None]) -> None:
        self._leg, self._ids, self._put = leg, ids, put
        self._by_key: OrderedDict[str, SentOrder] = OrderedDict()
        self._by_venue_id: dict[str, SentOrder] = {}
        self._seen_fills: OrderedDict[str, None] = OrderedDict()

    # Finding

    def unanswered(self) -> list[SentOrder]:
        """Return the orders whose create has no answer yet."""
        return [sent for sent in self._by_key.values() if sent.is_creating]

    def find(self, key: str) -> SentOrder | None:
        """Return what is remembered of an order."""
        return self._by_key.get(key)

    def known(self, key: str) -> SentOrder:
        """Return an order of ours, remembered or not. Raises ValueError for an id that is not ours."""
        found = self._by_key.get(key)
        if found is not None:
            return found
        if self._ids is None:
            raise ValueError(f"{key!r} is not an id of this bot")
        return self.add(SentOrder(key, self._ids.to_wire(key)))

    def add(self, sent: SentOrder) -> SentOrder:
        """Remember an order."""
        self._by_key[sent.key] = sent
        if len(self._by_key) > _REMEMBERED:
            self._forget_one()
        return sent

    def _forget_one(self) -> None:
        oldest = next((each for each in self._by_key.values() if each.is_ended), None)
        oldest = oldest or next(iter(self._by_key.values()))
        del self._by_key[oldest.key]
        if oldest.venue_id is not None:
            self._by_venue_id.pop(oldest.venue_id, None)

    def name_of(self, order_id: str, client_id: int | None) -> str:
        """Return our id of an order of the venue; for a foreign one a text that is never ours, maybe an empty one."""
        found = self._by_venue_id.get(order_id)
        if found is not None:
            return found.key
        if client_id is None:
            return ""
        return f"x{client_id}" if self._ids is None else self._ids.from_wire(client_id)

    def match(self, order_id: str, client_id: int | None) -> SentOrder | None:
        """Return the order of ours that the venue speaks of, None for a foreign one; its venue id is known from now."""
        key = self.name_of(order_id, client_id)
        if self._ids is None or not self._ids.owns(key):
            return None
        sent = self.known(key)
        self.learn(sent, order_id)
        return sent

    def learn(self, sent: SentOrder, venue_id: str) -> None:
        """Note the venue's id of an order."""
        if sent.venue_id == venue_id:
            return
        if sent.venue_id is not None:
            self._by_venue_id.pop(sent.venue_id, None)
        sent.venue_id = venue_id
        self._by_venue_id[venue_id] = sent

    # Telling

    def accepted(self, sent: SentOrder, filled_lots: int | None = None) -> None:
        """Tell once that the venue took an order."""
        if sent.is_accepted or sent.is_ended:
            return
        sent.is_accepted = True
        self._tell(sent, OrderEvent.ACCEPTED, "", filled_lots)

    def ended(self, sent: SentOrder, event: OrderEvent, reason: str = "", filled_lots: int | None = None) -> None:
        """Tell once how an order ended."""
        if sent.is_ended:
            return
        sent.is_ended, sent.cancel_held = True, False
        self._tell(sent, event, reason, filled_lots)

    def doubtful(self, sent: SentOrder, reason: str) -> None:
        """Tell that it is not known what became of an order."""
        if not sent.is_ended:
            self._tell(sent, OrderEvent.OUTCOME_UNKNOWN, reason, None)

    def not_cancelled(self, key: str, reason: str) -> None:
        """Tell that there was nothing to cancel, or not now."""
        sent = self._by_key.get(key)
        venue_id = None if sent is None else sent.venue_id
        self._put(OrderUpdate(self._leg, key, OrderEvent.CANCEL_REJECTED, venue_id, reason))

    def refused(self, key: str, reason: str) -> None:
        """Tell that an order was not sent at all."""
        self._put(OrderUpdate(self._leg, key, OrderEvent.REJECTED, None, reason))

    def filled(self, fill: Fill) -> None:
        """Tell of a fill once, as far as memory goes; the ledger remembers for ever."""
        if fill.trade_id in self._seen_fills:
            return
        self._seen_fills[fill.trade_id] = None
        if len(self._seen_fills) > _SEEN_FILLS:
            self._seen_fills.popitem(last=False)
        self._put(FillEvent(self._leg, fill))

    def _tell(self, sent: SentOrder, event: OrderEvent, reason: str, filled_lots: int | None) -> None:
        self._put(OrderUpdate(self._leg, sent.key, event, sent.venue_id, reason, filled_lots))
