"""Parts that the tests of the pure market room share: a few instruments, builders, hypothesis strategies."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import strategies as st

from core.market.book import Level, OrderBook
from core.market.commands import Quote
from core.market.instrument import Instrument
from core.market.order import Fill, Order, OrderState, Side
from core.market.position import Position
from core.market.risk_state import RiskState

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
LIVE_STATES = (
    OrderState.PENDING_NEW,
    OrderState.NEW,
    OrderState.PARTIALLY_FILLED,
    OrderState.PENDING_CANCEL,
    OrderState.PENDING_REPLACE,
    OrderState.UNKNOWN,
)
SLOTS = ("", "buy.0", "buy.1", "buy.2", "sell.0", "sell.1", "sell.2")
_serial = count(1)


def instrument(**changes: Any) -> Instrument:
    """Return a spot instrument with tick 0.1, lot 0.001 and a least notional of 5 quote."""
    values: dict[str, Any] = {
        "symbol": "SOL-USDC",
        "venue_symbol": "SOLUSDC",
        "kind": "spot",
        "base": "SOL",
        "quote": "USDC",
        "tick_size": Decimal("0.1"),
        "lot_size": Decimal("0.001"),
        "min_notional": Decimal(5),
    }
    return Instrument(**(values | changes))


def book(bid_ticks: int, ask_ticks: int, bid_lots: int = 1000, ask_lots: int = 1000) -> OrderBook:
    """Return a book of one level a side."""
    return OrderBook((Level(bid_ticks, bid_lots),), (Level(ask_ticks, ask_lots),))


def quote(side: Side, price_ticks: int, size_lots: int, level: int = 0, **changes: Any) -> Quote:
    """Return a wanted order."""
    return Quote(side, price_ticks, size_lots, level, **changes)


def order(side: Side, price_ticks: int, size_lots: int, slot: str = "", **changes: Any) -> Order:
    """Return an acknowledged order, a minute old."""
    values: dict[str, Any] = {
        "client_order_id": f"id{next(_serial)}",
        "leg": "main",
        "state": OrderState.NEW,
        "sent_ns": NOW - 60 * SECOND,
    }
    return Order(side=side, price_ticks=price_ticks, size_lots=size_lots, slot=slot, **(values | changes))


def fill(side: Side, price_ticks: int, size_lots: int, **changes: Any) -> Fill:
    """Return an execution of ours without a fee."""
    values: dict[str, Any] = {
        "trade_id": f"t{next(_serial)}",
        "client_order_id": "id",
        "leg": "main",
        "liquidity": "maker",
        "fee": Decimal(0),
        "fee_asset": "USDC",
        "venue_ns": NOW,
    }
    return Fill(side=side, price_ticks=price_ticks, size_lots=size_lots, **(values | changes))


def risk_state(**changes: Any) -> RiskState:
    """Return the state of a flat spot bot at 150.0 that lacks nothing."""
    values: dict[str, Any] = {
        "now_ns": NOW,
        "position": Position("main"),
        "live_orders": (),
        "book": book(1500, 1501),
        "book_age_ns": 0,
        "position_age_ns": 0,
        "session_net_quote": Decimal(0),
        "session_peak_quote": Decimal(0),
        "start_equity_quote": Decimal(1000),
        "available": {"SOL": Decimal(1000), "USDC": Decimal(1_000_000)},
        "instrument": instrument(),
    }
    return RiskState(**(values | changes))


sides = st.sampled_from(Side)


@st.composite
def live_orders(draw: st.DrawFn, slots: tuple[str, ...] = SLOTS) -> list[Order]:
    """Draw orders that may still fill, in any state, of any of the slots, some doubled."""
    found = []
    for _ in range(draw(st.integers(0, 10))):
        size = draw(st.integers(1, 500))
        slot = draw(st.sampled_from(slots))
        side = draw(sides) if not slot else Side(slot.partition(".")[0])
        found.append(
            order(
                side,
                draw(st.integers(1400, 1600)),
                size,
                slot,
                state=draw(st.sampled_from(LIVE_STATES)),
                filled_lots=draw(st.integers(0, size - 1)),
                sent_ns=NOW - draw(st.integers(0, 4000)) * SECOND,
            )
        )
    return found
