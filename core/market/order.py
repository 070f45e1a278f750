"""Orders and fills: the nouns, and the one table that says which order state follows which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from utils.quick_values import quickly_made


class Side(str, Enum):
    """Which way an order trades; `buy` rests as a bid."""

    BUY = "buy"
    SELL = "sell"

    # Books and orders are looked up by these enumerations for each level and each state; that of Enum is Python code.
    __hash__ = str.__hash__

    sign: int  # +1 for buy, -1 for sell

    def __init__(self, value: str) -> None:
        self.sign = 1 if value == "buy" else -1

    @property
    def opposite(self) -> Side:
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderState(str, Enum):
    """Order states in FIX words, plus UNKNOWN (sent, outcome not known)."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    PENDING_REPLACE = "PENDING_REPLACE"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"

    __hash__ = str.__hash__


class OrderEvent(str, Enum):
    """What can happen to an order, as told by the venue or by ourselves."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PARTIAL_FILL = "partial_fill"
    FULL_FILL = "full_fill"
    CANCEL_SENT = "cancel_sent"
    CANCELED = "canceled"
    CANCEL_REJECTED = "cancel_rejected"
    AMEND_SENT = "amend_sent"
    AMENDED = "amended"
    AMEND_REJECTED = "amend_rejected"
    EXPIRED = "expired"
    OUTCOME_UNKNOWN = "outcome_unknown"

    __hash__ = str.__hash__


# The one reject reason that every client spells alike: the market moved, nothing is wrong with us or the venue.
POST_ONLY_WOULD_CROSS = "post_only_would_cross"

CLOSED = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED})

_S, _E = OrderState, OrderEvent
# A late event never reopens a closed order: a fill after a cancel acknowledgement is booked as a fill, the order
# stays closed. CANCEL_REJECTED means "the venue says there is nothing to cancel or not now": the order's true
# state is unknown until it is looked up. AMEND_REJECTED means "the order is as it was": a doubt about it stays.
_ENDINGS = {
    _E.REJECTED: _S.REJECTED,
    _E.FULL_FILL: _S.FILLED,
    _E.CANCELED: _S.CANCELED,
    _E.EXPIRED: _S.EXPIRED,
}
TRANSITIONS: dict[OrderState, dict[OrderEvent, OrderState]] = {
    _S.PENDING_NEW: {
        **_ENDINGS,
        _E.ACCEPTED: _S.NEW,
        _E.PARTIAL_FILL: _S.PARTIALLY_FILLED,
        _E.CANCEL_SENT: _S.PENDING_CANCEL,
        _E.OUTCOME_UNKNOWN: _S.UNKNOWN,
    },
    _S.NEW: {
        **_ENDINGS,
        _E.ACCEPTED: _S.NEW,
        _E.AMEND_SENT: _S.PENDING_REPLACE,
        _E.AMENDED: _S.NEW,
        _E.AMEND_REJECTED: _S.NEW,
        _E.PARTIAL_FILL: _S.PARTIALLY_FILLED,
        _E.CANCEL_SENT: _S.PENDING_CANCEL,
        _E.OUTCOME_UNKNOWN: _S.UNKNOWN,
    },
    _S.PARTIALLY_FILLED: {
        **_ENDINGS,
        _E.ACCEPTED: _S.PARTIALLY_FILLED,
        _E.AMEND_SENT: _S.PENDING_REPLACE,
        _E.AMENDED: _S.PARTIALLY_FILLED,
        _E.AMEND_REJECTED: _S.PARTIALLY_FILLED,
        _E.PARTIAL_FILL: _S.PARTIALLY_FILLED,
        _E.CANCEL_SENT: _S.PENDING_CANCEL,
        _E.OUTCOME_UNKNOWN: _S.UNKNOWN,
    },
    _S.PENDING_CANCEL: {
        **_ENDINGS,
        _E.ACCEPTED: _S.PENDING_CANCEL,
        _E.AMENDED: _S.PENDING_CANCEL,
        _E.AMEND_REJECTED: _S.PENDING_CANCEL,
        _E.PARTIAL_FILL: _S.PENDING_CANCEL,
        _E.CANCEL_SENT: _S.PENDING_CANCEL,
        _E.CANCEL_REJECTED: _S.UNKNOWN,
        _E.OUTCOME_UNKNOWN: _S.UNKNOWN,
    },
    _S.PENDING_REPLACE: {
        **_ENDINGS,
        _E.ACCEPTED: _S.PENDING_REPLACE,
        _E.PARTIAL_FILL: _S.PENDING_REPLACE,
        _E.CANCEL_SENT: _S.PENDING_CANCEL,
        _E.AMENDED: _S.NEW,
        _E.AMEND_REJECTED: _S.NEW,
        _E.OUTCOME_UNKNOWN: _S.UNKNOWN,
    },
    _S.UNKNOWN: {
        **_ENDINGS,
        _E.ACCEPTED: _S.NEW,
        _E.AMENDED: _S.NEW,
        _E.AMEND_REJECTED: _S.UNKNOWN,
        _E.PARTIAL_FILL: _S.PARTIALLY_FILLED,
        _E.CANCEL_SENT: _S.PENDING_CANCEL,
        _E.CANCEL_REJECTED: _S.UNKNOWN,
        _E.OUTCOME_UNKNOWN: _S.UNKNOWN,
    },
}


def next_state(state: OrderState, event: OrderEvent) -> OrderState:
    """Return the state after `event`; a closed order stays as it is. Raises KeyError for an impossible event."""
    if state in CLOSED:
        return state
    return TRANSITIONS[state][event]


@quickly_made
@dataclass(frozen=True, slots=True)
class Order:
    """One order of ours. `slot` is the strategy's name for its place (`buy.0`); sizes are in lots."""

    client_order_id: str
    leg: str
    side: Side
    price_ticks: int
    size_lots: int
    slot: str = ""
    venue_order_id: str | None = None
    filled_lots: int = 0
    state: OrderState = OrderState.PENDING_NEW
    post_only: bool = True
    reduce_only: bool = False
    time_in_force: str = "GTC"  # GTC | IOC
    sent_ns: int = 0  # UTC
    acked_ns: int | None = None
    reason: str = ""

    def moved(
        self, state: OrderState, venue_order_id: str | None, filled_lots: int, acked_ns: int | None, reason: str
    ) -> Order:
        """Return the order at another point of its life; what was sent stays. `dataclasses.replace` takes thrice."""
        return Order(
            self.client_order_id, self.leg, self.side, self.price_ticks, self.size_lots, self.slot, venue_order_id,
            filled_lots, state, self.post_only, self.reduce_only, self.time_in_force, self.sent_ns, acked_ns, reason,
        )  # fmt: skip

    def while_amending(self, amend: Amend) -> Order:
        """Return the order at the worse price and with the larger size of its own and of other terms.

        What limits and balances make of it holds whichever terms the venue has.
        """
        worse = max if self.side is Side.BUY else min
        price_ticks, size_lots = worse(self.price_ticks, amend.price_ticks), max(self.size_lots, amend.size_lots)
        return replace(self, price_ticks=price_ticks, size_lots=size_lots)

    def on_terms(self, price_ticks: int, size_lots: int) -> Order:
        """Return the order at another price and total size; one that has filled as much is filled."""
        is_filled = self.filled_lots >= size_lots and self.state not in CLOSED
        state = OrderState.FILLED if is_filled else self.state
        return replace(self, price_ticks=price_ticks, size_lots=size_lots, state=state)

    @property
    def remaining_lots(self) -> int:
        """Return what is not filled yet."""
        return self.size_lots - self.filled_lots

    @property
    def is_closed(self) -> bool:
        """Tell whether nothing more can happen to it but a late fill."""
        return self.state in CLOSED

    @property
    def was_answered(self) -> bool:
        """Tell whether the venue has ever said anything of it: it cannot arrive late any more."""
        return self.acked_ns is not None or self.venue_order_id is not None or self.filled_lots > 0


@dataclass(frozen=True, slots=True)
class Amend:
    """Other terms for an order that rests. `size_lots` is the new total, what has filled included.

    So nothing that fills on the way is doubled.
    """

    client_order_id: str
    price_ticks: int
    size_lots: int


@dataclass(frozen=True, slots=True)
class MissingFills:
    """What has filled of an order that is closed, by the venue's word, and whose fills are not booked yet."""

    side: Side
    price_ticks: int
    size_lots: int


@quickly_made
@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of ours; `fee` is a cost in `fee_asset`, negative is a rebate."""

    trade_id: str
    client_order_id: str
    leg: str
    side: Side
    price_ticks: int
    size_lots: int
    liquidity: str  # maker | taker
    fee: Decimal
    fee_asset: str
    venue_ns: int
    venue_order_id: str | None = None
