"""The rule of the backtest benchmark on nautilus_trader; run by `run.py` in an environment that has it."""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from typing import Any

import nautilus_trader
import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import FillModel, LatencyModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.core.nautilus_pyo3 import FIXED_SCALAR
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import OrderBookDelta, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    RecordFlag,
    TimeInForce,
)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

HALF_TICKS, SIZE_LOTS, MAX_LOTS, STEP_NS, LATENCY_NS = 2, 5, 50, 100_000_000, 5_000_000
TRADE = 1
VENUE = Venue("SYN")
KEY = InstrumentId(Symbol("SYN-PERP"), VENUE)
TICK, LOT = int(FIXED_SCALAR) // 10, int(FIXED_SCALAR) // 1000  # in the engine's fixed-point numbers


def instrument() -> CryptoPerpetual:
    """Return the market of the feed."""
    return CryptoPerpetual(
        KEY, KEY.symbol, BTC, USDT, USDT, False, 1, 3, Price(0.1, 1), Quantity(0.001, 3), 0, 0,
        margin_init=Decimal("0.05"), margin_maint=Decimal("0.025"), maker_fee=Decimal("-0.00005"),
        taker_fee=Decimal("0.0005"),
    )  # fmt: skip


class Rule(Strategy):  # type: ignore[misc]
    """One order a side, two ticks from the mid, looked at every 100 ms."""

    def on_start(self) -> None:
        """Hear the book."""
        self.due_ns, self.decisions, self.sent, self.fills, self.lots = 0, 0, 0, 0, 0
        self.resting: dict[Any, tuple[Any, int]] = {}  # side -> order and its price
        self.size = Quantity(SIZE_LOTS / 1000, 3)
        self.subscribe_order_book_deltas(KEY, book_type=BookType.L2_MBP)

    def on_order_book_deltas(self, deltas: Any) -> None:
        """Decide when it is time."""
        if deltas.ts_init < self.due_ns:
            return
        self.due_ns = deltas.ts_init // STEP_NS * STEP_NS + STEP_NS
        self.decisions += 1
        book = self.cache.order_book(KEY)
        best = book.best_bid_price(), book.best_ask_price()
        if None in best:
            return
        bid, ask = (round(float(price) * 10) for price in best)
        if bid < ask:
            buy = min((bid + ask) // 2 - HALF_TICKS, ask - 1)
            sell = max(-(-(bid + ask) // 2) + HALF_TICKS, bid + 1)
            self.follow(OrderSide.BUY, buy if self.lots < MAX_LOTS else None)
            self.follow(OrderSide.SELL, sell if self.lots > -MAX_LOTS else None)

    def follow(self, side: Any, ticks: int | None) -> None:
        """Cancel what is elsewhere; place where nothing is."""
        order, at = self.resting.get(side, (None, 0))
        if order is not None and not order.is_closed:
            if at != ticks and not order.is_inflight and not order.is_pending_cancel:
                self.cancel_order(order)
        elif ticks is not None:
            order = self.order_factory.limit(
                KEY, side, self.size, Price(ticks / 10, 1), time_in_force=TimeInForce.GTC, post_only=True
            )
            self.resting[side] = order, ticks
            self.sent += 1
            self.submit_order(order)

    def on_order_filled(self, event: Any) -> None:
        """Count."""
        self.fills += 1
        self.lots += round(float(event.last_qty) * 1000) * (1 if event.order_side == OrderSide.BUY else -1)


def data_of(rows: Any) -> list[Any]:
    """Return the feed as the engine's own objects."""
    made: list[Any] = []
    for number, (venue_ns, local_ns, kind, side, price, size) in enumerate(rows.tolist()):
        if kind == TRADE:
            aggressor = AggressorSide.BUYER if side > 0 else AggressorSide.SELLER
            key = TradeId(str(number))
            made.append(TradeTick.from_raw(KEY, price * TICK, 1, size * LOT, 3, aggressor, key, venue_ns, local_ns))
        else:
            action = BookAction.UPDATE if size else BookAction.DELETE
            of = OrderSide.BUY if side > 0 else OrderSide.SELL
            last = int(RecordFlag.F_LAST)
            made.append(
                OrderBookDelta.from_raw(
                    KEY, action, of, price * TICK, 1, size * LOT, 3, price, last, number, venue_ns, local_ns
                )
            )
    return made


def run(data: list[Any]) -> dict[str, Any]:
    """Play the feed once."""
    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(
        BacktestEngineConfig(logging=quiet, risk_engine=RiskEngineConfig(bypass=True), run_analysis=False)
    )
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USDT)], base_currency=USDT,
        book_type=BookType.L2_MBP, fill_model=FillModel(prob_fill_on_limit=1.0),
        latency_model=LatencyModel(base_latency_nanos=LATENCY_NS), trade_execution=True, bar_execution=False,
    )  # fmt: skip
    engine.add_instrument(instrument())
    for kind in (OrderBookDelta, TradeTick):
        engine.add_data([one for one in data if isinstance(one, kind)])
    rule = Rule()
    engine.add_strategy(rule)
    began, cpu = time.perf_counter(), time.process_time()
    engine.run()
    timing = {"elapsed_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    found = {"decisions": rule.decisions, "orders": rule.sent, "fills": rule.fills, "position": rule.lots}
    engine.dispose()
    return timing | found


if __name__ == "__main__":
    feed = data_of(np.load(sys.argv[1]))
    runs = [run(feed) for _ in range(int(sys.argv[2]))]
    print(json.dumps({"version": nautilus_trader.__version__, "runs": runs}))
