"""The ledger of a backtest forgets old closed orders, whatever was amended before them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.backtest.memory_ledger import MemoryLedger
from core.market.order import Order, OrderState, Side
from core.trading.ledger import LedgerBatch


def order(key: str, sent_ns: int, state: OrderState) -> Order:
    return Order(key, "main", Side.BUY, 100, 10, state=state, sent_ns=sent_ns)


def test_an_order_that_is_amended_again_and_again_keeps_none_from_being_forgotten(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    ledger.write(LedgerBatch(orders={"old": order("old", 1, OrderState.NEW)}))
    ledger.write(LedgerBatch(orders={"closed": order("closed", 2, OrderState.CANCELED)}))
    amended = order("old", 900, OrderState.PENDING_REPLACE)
    ledger.write(LedgerBatch(orders={"old": amended}))
    ledger.write(LedgerBatch(orders={"old": replace(amended, state=OrderState.NEW)}))
    ledger.prune(500)
    assert ledger.order("closed") is None and ledger.order("old") is not None
    ledger.close()
