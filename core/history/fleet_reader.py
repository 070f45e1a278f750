"""What the fleet's history adds to a ledger: orders that the ledger has forgotten. Read-only, like the ledgers."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from core.history import ledger_reader
from core.history.fleet_store import FILE_NAME
from core.history.ledger_file import reading
from core.history.records import OrderRow

__all__ = ["FILE_NAME", "orders_between"]

_COLUMNS = ", ".join(f"orders.{field.name}" for field in fields(OrderRow))
_ORDERS = f"""SELECT {_COLUMNS} FROM orders JOIN ledgers USING (ledger)
    WHERE bot = ? AND sent_utc_ns >= ? AND sent_utc_ns < ?"""


def orders_between(fleet: Path, bot: str, ledger: Path, from_utc_ns: int, to_utc_ns: int) -> list[OrderRow]:
    """Return a bot's orders sent in a span, oldest first: from the history, and the ledger's newer word over it.

    Either file may be missing. Raises LedgerError when one is there and cannot be read.
    """
    with reading(fleet) as opened:
        rows = [] if opened is None else opened.rows("orders", _ORDERS, (bot, from_utc_ns, to_utc_ns))
    found = {row[0]: OrderRow(*row[:8], *map(bool, row[8:11]), *row[11:]) for row in rows}
    found |= {one.client_order_id: one for one in ledger_reader.orders_between(ledger, from_utc_ns, to_utc_ns)}
    return sorted(found.values(), key=lambda order: (order.sent_utc_ns, order.client_order_id))
