"""Thalex's order methods: insert, amend, cancel. Rules: exchanges/thalex.md, section 6."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from api.simulator import thalex_errors as codes
from api.simulator.exchange_types import SimOrder, SimRefused
from api.simulator.thalex_errors import RpcError, refusal
from api.simulator.thalex_params import (
    Params,
    amount_of,
    client_order_id_of,
    flag_of,
    lots_of,
    needed_amount,
    text_of,
    ticks_of,
    unknown_names,
)
from api.simulator.thalex_shapes import Json, OrderNote, order_id_digits
from core.market.instrument import CEIL, FLOOR
from core.market.order import POST_ONLY_WOULD_CROSS, OrderState, Side

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange, SimMarket
    from api.simulator.thalex_market import Markets, MarketState
    from api.simulator.thalex_records import Records
    from api.simulator.thalex_session import Session


_TIMES = {"good_till_cancelled": "GTC", "immediate_or_cancel": "IOC"}
_DIRECTIONS = frozenset(side.value for side in Side)
_TYPES = frozenset({"limit", "market"})
_COLLARS = frozenset({"ignore", "reject", "clamp"})
_STP_LEVELS = frozenset({"customer", "account", "disabled"})
_STP_ACTIONS = frozenset({"cancel_aggressive_partial_fill", "cancel_aggressive_no_fill"})
_INSERT = frozenset(
    {
        "instrument_name",
        "amount",
        "price",
        "order_type",
        "time_in_force",
        "client_order_id",
        "label",
        "post_only",
        "reject_post_only",
        "reduce_only",
        "collar",
        "stp_level",
        "stp_action",
        "direction",
    }
)
_AMEND = frozenset({"order_id", "client_order_id", "price", "amount", "collar"})
_CANCEL = frozenset({"order_id", "client_order_id"})


@dataclass(slots=True)
class Wish:
    """An order as it is asked for, checked and in ticks and lots."""

    side: Side
    price_ticks: int
    size_lots: int
    time_in_force: str
    post_only: bool
    reduce_only: bool
    label: str | None


class OrderDesk:
    """Takes orders of sessions to the exchange."""

    def __init__(self, exchange: SimExchange, markets: Markets, records: Records, violations: Counter[str]) -> None:
        self._exchange, self._markets, self._records, self._violations = exchange, markets, records, violations

    def market_of(self, params: Params) -> MarketState:
        """Return the market that a request names. Raises RpcError."""
        name = text_of(params, "instrument_name")
        if name is None:
            raise RpcError(codes.INVALID_REQUEST, "instrument_name is missing")
        if name not in self._markets:
            raise RpcError(codes.UNKNOWN_INSTRUMENT)
        return self._markets[name]

    # -- insert -----------------------------------------------------------------------------------------------------
    def insert(self, session: Session, params: Params) -> Json:
        """Do private/insert."""
        direction = text_of(params, "direction", _DIRECTIONS)
        if direction is None:
            raise RpcError(codes.INVALID_REQUEST, "direction is missing")
        return self._insert(session, params, Side(direction))

    def buy(self, session: Session, params: Params) -> Json:
        """Do private/buy."""
        return self._insert(session, params, Side.BUY)

    def sell(self, session: Session, params: Params) -> Json:
        """Do private/sell."""
        return self._insert(session, params, Side.SELL)

    def _insert(self, session: Session, params: Params, side: Side) -> Json:
        self._count_unknown(params, _INSERT)
        state = self.market_of(params)
        note, wish = self._wish(state, params, side)
        note.client_order_id = client_order_id_of(params)
        if wish.post_only and not note.reject_post_only:
            wish.price_ticks = state.market.passive_ticks(side, wish.price_ticks)
        if wish.reduce_only:
            wish.size_lots = min(wish.size_lots, self._reducible_lots(session, state.market, side))
        order = self.submit(session, state.market, note, wish)
        fills = list(note.fills)
        return self._records.order_row(order, "insert" if order.is_open or order.filled_lots else "cancel", fills)

    def submit(self, session: Session, market: SimMarket, note: OrderNote, wish: Wish) -> SimOrder:
        """Send an order to the exchange. Raises RpcError when it is refused; would cross is not an error here."""
        assert session.account is not None
        self._records.arriving = note
        order = self._exchange.submit(
            session.account,
            market.symbol,
            side=wish.side,
            price_ticks=wish.price_ticks,
            size_lots=wish.size_lots,
            client_id=None if note.client_order_id is None else str(note.client_order_id),
            post_only=wish.post_only,
            reduce_only=wish.reduce_only,
            time_in_force=wish.time_in_force,
            label=wish.label,
            session=session,
            persistent=session.persistent and not note.product,
        )
        self._records.arriving = None
        if order.state is OrderState.REJECTED and order.reason != POST_ONLY_WOULD_CROSS:
            raise refusal(order.reason)
        return order

    def _wish(self, state: MarketState, params: Params, side: Side) -> tuple[OrderNote, Wish]:
        size_lots = lots_of(state.market, needed_amount(params, "amount"))
        order_type = text_of(params, "order_type", _TYPES) or "limit"
        post_only = flag_of(params, "post_only")
        text_of(params, "stp_level", _STP_LEVELS)  # self-trade prevention is always on here; the words are checked
        text_of(params, "stp_action", _STP_ACTIONS)
        note = OrderNote(order_type, reject_post_only=flag_of(params, "reject_post_only"))
        collar = text_of(params, "collar", _COLLARS) or ("clamp" if order_type == "market" else "reject")
        wish = Wish(
            side,
            self._price_ticks(state, side, order_type, amount_of(params, "price"), collar),
            size_lots,
            _time_in_force(params, order_type, post_only),
            post_only,
            flag_of(params, "reduce_only"),
            text_of(params, "label"),
        )
        return note, wish

    def _price_ticks(self, state: MarketState, side: Side, order_type: str, price: Decimal | None, collar: str) -> int:
        """Return the limit within the collar; a market order goes as far as the collar lets it."""
        low, high = state.collar()
        instrument = state.instrument
        bound = instrument.to_ticks(high, FLOOR) if side is Side.BUY else instrument.to_ticks(low, CEIL)
        if order_type == "market":
            if collar == "ignore":
                raise RpcError(codes.INVALID_REQUEST, "a market order cannot ignore the collar")
            return bound
        if price is None:
            raise RpcError(codes.PRICE, "a limit order needs a price")
        ticks = ticks_of(state.market, price)
        if collar == "ignore" or side.sign * (ticks - bound) <= 0:
            return ticks
        if collar == "reject":
            raise RpcError(codes.COLLAR)
        return bound

    def _reducible_lots(self, session: Session, market: SimMarket, side: Side) -> int:
        """Return how much an order of a side can take off the position. Raises RpcError when it is nothing."""
        assert session.account is not None
        lots, _ = self._exchange.position(session.account, market.symbol)
        if -side.sign * lots <= 0:
            raise RpcError(codes.REDUCE_ONLY)
        return abs(lots)

    # -- amend and cancel -------------------------------------------------------------------------------------------
    def amend(self, session: Session, params: Params) -> Json:
        """Do private/amend: price and total amount; at or below what is filled the order ends."""
        self._count_unknown(params, _AMEND)
        order = self._named(session, params, "unknown_amend")
        state = self._markets[order.symbol]
        collar = text_of(params, "collar", _COLLARS) or "reject"
        ticks = self._price_ticks(state, order.side, "limit", needed_amount(params, "price"), collar)
        lots = lots_of(state.market, needed_amount(params, "amount"))
        note = self._records.note(order)
        if order.post_only and state.market.crosses(order.side, ticks):
            if note.reject_post_only:
                return self._end(order, POST_ONLY_WOULD_CROSS)
            ticks = state.market.passive_ticks(order.side, ticks)
        if lots <= order.filled_lots:
            return self._end(order, "client_cancel")
        known = len(note.fills)
        try:
            self._exchange.amend(order.account, order.order_id, ticks, lots)
        except SimRefused as exc:
            raise refusal(exc.reason) from exc
        return self._records.order_row(order, "amend", note.fills[known:])

    def cancel(self, session: Session, params: Params) -> Json:
        """Do private/cancel."""
        self._count_unknown(params, _CANCEL)
        return self._end(self._named(session, params, "unknown_cancel"), "client_cancel")

    def cancel_all(self, session: Session, params: Params) -> int:
        """Do private/cancel_all: the whole account's orders."""
        assert session.account is not None
        return len(self._exchange.cancel_all(session.account, reason="client_bulk_cancel"))

    def _end(self, order: SimOrder, reason: str) -> Json:
        self._exchange.cancel(order.account, order.order_id, reason)
        return self._records.order_row(order, "cancel")

    def _named(self, session: Session, params: Params, violation: str) -> SimOrder:
        """Return the open order that a request names by one of the two ids. Raises RpcError."""
        assert session.account is not None
        client_order_id, text = client_order_id_of(params), text_of(params, "order_id")
        if (client_order_id is None) == (text is None):
            raise RpcError(codes.INVALID_REQUEST, "exactly one of order_id and client_order_id is needed")
        if text is not None:
            order_id = order_id_digits(text)
            if order_id is None:
                raise RpcError(codes.INVALID_ORDER_ID)
        else:
            order_id = session.client_order_ids.get(client_order_id or 0, "")
        order = self._exchange.order(session.account, order_id)
        if order is None or not order.is_open:
            # An order that has just ended is nobody's fault.
            raise RpcError(codes.NOT_FOUND, violation=violation if order is None and text is not None else "")
        return order

    def _count_unknown(self, params: Params, known: frozenset[str]) -> None:
        """Count parameters that the venue does not know; it overlooks them, so a misspelt one does nothing."""
        for _ in unknown_names(params, known):
            self._violations["unknown_param"] += 1


def _time_in_force(params: Params, order_type: str, post_only: bool) -> str:
    word = text_of(params, "time_in_force", frozenset(_TIMES))
    default = "good_till_cancelled" if order_type == "limit" else "immediate_or_cancel"
    time_in_force = _TIMES[word or default]
    if (order_type == "market" and time_in_force == "GTC") or (post_only and time_in_force == "IOC"):
        raise RpcError(codes.TIME_IN_FORCE)
    return time_in_force
