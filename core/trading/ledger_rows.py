"""The ledger's tables, and orders and fills as rows: decimal strings, since a venue may change its tick or lot."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

from core.market.client_ids import fence_of
from core.market.funding import FundingPayment
from core.market.instrument import Instrument
from core.market.order import Fill, Order, OrderState, Side
from core.trading import ledger_series as series
from utils.errors import LedgerError

SCHEMA_VERSION = 4
_FUNDING = """CREATE TABLE IF NOT EXISTS funding (
    number INTEGER PRIMARY KEY, leg TEXT NOT NULL, payment_id TEXT NOT NULL, amount TEXT NOT NULL, rate TEXT NOT NULL,
    mark_price TEXT NOT NULL, size TEXT NOT NULL, venue_ns INTEGER NOT NULL, UNIQUE (leg, payment_id)
);"""
_MEMORY = """CREATE TABLE IF NOT EXISTS memory (
    id INTEGER PRIMARY KEY CHECK (id = 1), kind TEXT NOT NULL, saved TEXT NOT NULL, heard INTEGER NOT NULL
);"""
SCHEMA = f"""
CREATE TABLE orders (
    client_order_id TEXT PRIMARY KEY, leg TEXT NOT NULL, fence INTEGER NOT NULL, slot TEXT NOT NULL,
    side TEXT NOT NULL, price TEXT NOT NULL, size TEXT NOT NULL, filled TEXT NOT NULL, state TEXT NOT NULL,
    closed INTEGER NOT NULL, post_only INTEGER NOT NULL, reduce_only INTEGER NOT NULL, time_in_force TEXT NOT NULL,
    venue_order_id TEXT, sent_ns INTEGER NOT NULL, acked_ns INTEGER, reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX orders_open ON orders (leg) WHERE closed = 0;
CREATE INDEX orders_closed ON orders (sent_ns) WHERE closed = 1;
CREATE INDEX orders_venue ON orders (leg, venue_order_id) WHERE venue_order_id IS NOT NULL;
CREATE TABLE fills (
    number INTEGER PRIMARY KEY, leg TEXT NOT NULL, trade_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
    venue_order_id TEXT, side TEXT NOT NULL, price TEXT NOT NULL, size TEXT NOT NULL, liquidity TEXT NOT NULL,
    fee TEXT NOT NULL, fee_asset TEXT NOT NULL, venue_ns INTEGER NOT NULL, UNIQUE (leg, trade_id)
);
CREATE INDEX fills_order ON fills (client_order_id);
CREATE TABLE positions (leg TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE marks (leg TEXT PRIMARY KEY, mark TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE session (
    id INTEGER PRIMARY KEY CHECK (id = 1), began_utc_ns INTEGER NOT NULL, start_net TEXT NOT NULL,
    start_equity TEXT, peak_net TEXT NOT NULL
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
{_FUNDING}
{_MEMORY}
{series.SCHEMA}
"""
MIGRATIONS = {  # what makes the next version of a version
    1: "CREATE INDEX IF NOT EXISTS orders_venue ON orders (leg, venue_order_id) WHERE venue_order_id IS NOT NULL;",
    2: _FUNDING + _MEMORY,
    3: series.SCHEMA,
}
ORDER_COLUMNS = (
    "client_order_id, leg, fence, slot, side, price, size, filled, state, closed, post_only, reduce_only, "
    "time_in_force, venue_order_id, sent_ns, acked_ns, reason"
)
UPSERT_ORDER = f"""INSERT INTO orders ({ORDER_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
    ON CONFLICT (client_order_id) DO UPDATE SET price = excluded.price, size = excluded.size, filled = excluded.filled,
    state = excluded.state, closed = excluded.closed, venue_order_id = excluded.venue_order_id,
    sent_ns = excluded.sent_ns, acked_ns = excluded.acked_ns, reason = excluded.reason"""
FILL_COLUMNS = "leg, trade_id, client_order_id, venue_order_id, side, price, size, liquidity, fee, fee_asset, venue_ns"
INSERT_FILL = f"INSERT OR IGNORE INTO fills ({FILL_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"

FUNDING_COLUMNS = "leg, payment_id, amount, rate, mark_price, size, venue_ns"
INSERT_FUNDING = f"INSERT OR IGNORE INTO funding ({FUNDING_COLUMNS}) VALUES (?,?,?,?,?,?,?)"


def text(number: Decimal) -> str:
    """Return a decimal without an exponent."""
    return format(number, "f")


def _fence(client_order_id: str) -> int:
    try:
        return fence_of(client_order_id)
    except ValueError:
        return 0


def order_row(order: Order, instrument: Instrument) -> tuple[Any, ...]:
    """Return the values of ORDER_COLUMNS.

    An order that is being amended is written as one of unknown outcome: to who reads it in another life it is nothing
    else, and code from before there were amendments must be able to read it, too.
    """
    is_amended = order.state is OrderState.PENDING_REPLACE
    return (
        order.client_order_id,
        order.leg,
        _fence(order.client_order_id),
        order.slot,
        order.side.value,
        text(instrument.to_price(order.price_ticks)),
        text(instrument.to_size(order.size_lots)),
        text(instrument.to_size(order.filled_lots)),
        (OrderState.UNKNOWN if is_amended else order.state).value,
        order.is_closed,
        order.post_only,
        order.reduce_only,
        order.time_in_force,
        order.venue_order_id,
        order.sent_ns,
        order.acked_ns,
        order.reason,
    )


def order_from(row: tuple[Any, ...], instrument: Instrument) -> Order:
    """Return the order of a row; `row` follows ORDER_COLUMNS."""
    return Order(
        client_order_id=row[0],
        leg=row[1],
        slot=row[3],
        side=Side(row[4]),
        price_ticks=instrument.to_ticks(Decimal(row[5])),
        size_lots=_whole(row[6], instrument.lot_size),
        filled_lots=_whole(row[7], instrument.lot_size),
        state=OrderState(row[8]),
        post_only=bool(row[10]),
        reduce_only=bool(row[11]),
        time_in_force=row[12],
        venue_order_id=row[13],
        sent_ns=row[14],
        acked_ns=row[15],
        reason=row[16],
    )


def fill_row(fill: Fill, instrument: Instrument) -> tuple[Any, ...]:
    """Return the values of FILL_COLUMNS."""
    return (
        fill.leg,
        fill.trade_id,
        fill.client_order_id,
        fill.venue_order_id,
        fill.side.value,
        text(instrument.to_price(fill.price_ticks)),
        text(instrument.to_size(fill.size_lots)),
        fill.liquidity,
        text(fill.fee),
        fill.fee_asset,
        fill.venue_ns,
    )


def fill_from(row: tuple[Any, ...], instrument: Instrument) -> Fill:
    """Return the fill of a row; `row` follows FILL_COLUMNS. Raises LedgerError when it is off today's grid."""
    return Fill(
        leg=row[0],
        trade_id=row[1],
        client_order_id=row[2],
        venue_order_id=row[3],
        side=Side(row[4]),
        price_ticks=_whole(row[5], instrument.tick_size),
        size_lots=_whole(row[6], instrument.lot_size),
        liquidity=row[7],
        fee=Decimal(row[8]),
        fee_asset=row[9],
        venue_ns=row[10],
    )


def funding_row(payment: FundingPayment, instrument: Instrument) -> tuple[Any, ...]:
    """Return the values of FUNDING_COLUMNS."""
    size = text(instrument.to_size(payment.size_lots))
    amounts = (text(payment.amount), text(payment.rate), text(payment.mark_price))
    return (payment.leg, payment.payment_id, *amounts, size, payment.venue_ns)


def funding_from(row: tuple[Any, ...], instrument: Instrument) -> FundingPayment:
    """Return the payment of a row; `row` follows FUNDING_COLUMNS. Raises LedgerError when it is off today's grid."""
    leg, payment_id, amount, rate, mark_price, size, venue_ns = row
    lots = _whole(size, instrument.lot_size)
    return FundingPayment(payment_id, leg, Decimal(amount), Decimal(rate), Decimal(mark_price), lots, venue_ns)


def _whole(recorded: str, increment: Decimal) -> int:
    with localcontext(prec=60):
        steps = Decimal(recorded) / increment
    if steps != steps.to_integral_value():
        raise LedgerError(f"a recorded {recorded} is not a whole number of {increment}: did the venue change its grid?")
    return int(steps)
