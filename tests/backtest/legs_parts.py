"""Bots with two legs for backtests of the tests, their markets, and the truth of what a market showed when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from api.event_file import CLEAR, LEVEL, ROW, TRADE, EventSpan, Rows
from core.backtest.result import BacktestResult
from core.backtest.run import Backtest
from core.bot_config import BotConfig, DaemonConfig, Leg
from core.market.book import LocalBook
from core.market.commands import Command, Quote, Quotes, Take
from core.market.events import Event, FillEvent, Timer
from core.market.order import Fill, Side
from strategies.base import Strategy, View
from tests.backtest.made_events import MARKET, START_NS, made_rows

MS = 1_000_000
FAR_TICKS = 500
SPOT = replace(
    MARKET, symbol="SYN-USDT", venue_symbol="SYNUSDT", kind="spot",
    initial_balances={"SYN": Decimal(1000), "USDT": Decimal(1_000_000)},
)  # fmt: skip
PERP = replace(MARKET, venue_symbol="SYNPERP")
EXCHANGE: dict[str, Any] = {"seed": 3, "latency_ms": 20, "book_interval_ms": 50, "touch_prob": 0.4}
HEDGED: dict[str, Any] = {
    "mode": "cross_venue",
    "order_size": 0.004,
    "reference_position": "zero",
    "interval_s": 0.2,
    "min_cycle_s": 0.05,
    "price_tolerance_pct": 0,
    "taker_slippage_bps": 500,
    "depth_factor_pct": 100,
    "hedge_slippage_bps": 100,
    "hedge_slippage_max_bps": 1000,
    "hedge_min_interval_s": 0.01,
    "max_unhedged_usd": 1000,
}


def config_of(
    exchange: Mapping[str, Any],
    strategy: Mapping[str, Any] | None = None,
    risk: Mapping[str, Any] | None = None,
    names: Sequence[str] = ("maker", "hedge"),
) -> BotConfig:
    """Return the config of a bot that makes on spot and hedges with a perpetual."""
    symbols = ("SYN-USDT", "SYN-PERP")
    return BotConfig(
        name="pair",
        exchange="paper:a",
        strategy="maker_taker_hedge",
        legs=tuple(Leg(name, f"paper:{name}", "acc", symbol) for name, symbol in zip(names, symbols, strict=False)),
        daemon=DaemonConfig(),
        metadata={"name": "pair"},
        exchange_config={**EXCHANGE, **exchange},
        strategy_config={**HEDGED, **(strategy or {})},
        risk_config={"max_position": 0.02, **(risk or {})},
        source_path="",
        digest="",
        hedge_exchange_config={**EXCHANGE, **exchange},
    )


def made_spans(seed: int, steps: int) -> tuple[EventSpan, EventSpan]:
    """Return two made-up markets, each with a walk of its own, over the time that both have."""
    return spans_of_rows(made_rows(seed, steps), made_rows(seed + 1000, steps))


def spans_of_rows(spot: Rows, perp: Rows) -> tuple[EventSpan, EventSpan]:
    """Return two markets that begin at the same moment, up to the end of the shorter one."""
    end_ns = min(int(rows["local_ns"][-1]) for rows in (spot, perp))
    spot, perp = (rows[rows["local_ns"] <= end_ns] for rows in (spot, perp))
    return EventSpan(SPOT, spot, 0, START_NS, end_ns), EventSpan(PERP, perp, 0, START_NS, end_ns)


def hedged(seed: int, exchange: Mapping[str, Any], steps: int = 2500, engine: str = "python") -> BacktestResult:
    """Return a backtest of the hedged maker."""
    return Backtest(config_of(exchange), made_spans(seed, steps), engine=engine).run()


class Mirror(Strategy):
    """Quotes the touch of its legs; what one of them makes it takes back at once on the other leg, far through it."""

    hears_prints = False

    def __init__(self, quoted: Sequence[str], sides: Sequence[Side] = tuple(Side)) -> None:
        super().__init__(None)
        self.quoted, self.sides = quoted, sides
        self.heard: list[tuple[int, Fill]] = []  # when (UTC) of which maker fill

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> None:
        """Return nothing."""

    def on_event(self, event: Event, view: View) -> list[Command]:
        if isinstance(event, FillEvent) and event.fill.liquidity == "maker":
            self.heard.append((view.utc_ns, event.fill))
            return self.taken_back(event.fill, view)
        if not isinstance(event, Timer):
            return []
        return [Quotes(self.touch(leg, view), leg) for leg in self.quoted]

    def touch(self, leg: str, view: View) -> tuple[Quote, ...]:
        book = view.books.get(leg)
        if book is None or not book.is_quotable:
            return ()
        prices = {Side.BUY: book.best_bid_ticks, Side.SELL: book.best_ask_ticks}
        return tuple(Quote(side, prices[side], 2, 0, leg) for side in self.sides)

    def taken_back(self, fill: Fill, view: View) -> list[Command]:
        side = fill.side.opposite
        (other,) = (leg for leg in view.instruments if leg != fill.leg)
        book = view.books[other]
        price = book.best_ask_ticks + FAR_TICKS if side is Side.BUY else book.best_bid_ticks - FAR_TICKS
        return [Take(side, price, fill.size_lots, other, is_hedge=True)]


class Truth:
    """What a market showed at a time, from its rows alone; times are asked for in their order."""

    def __init__(self, rows: Rows) -> None:
        self._rows, self._at, self._book = rows.tolist(), 0, LocalBook()

    def prices(self, at_ns: int) -> dict[Side, list[int]]:
        """Return the prices of each side, best first, after everything up to a time (UTC)."""
        while self._at < len(self._rows) and self._rows[self._at][0] <= at_ns:
            _, _, size, price, kind, side = self._rows[self._at]
            self._at += 1
            if kind == CLEAR:
                self._book.clear()
            elif kind == LEVEL:
                self._book.set_level(Side.BUY if side > 0 else Side.SELL, price, size)
        return {side: [level.price_ticks for level in self._book.top(side, 1000)] for side in Side}

    def half_ticks(self, at_ns: int) -> int:
        """Return the mid at a time, in half ticks."""
        prices = self.prices(at_ns)
        return prices[Side.BUY][0] + prices[Side.SELL][0]


def crafted(changes: Sequence[tuple[float, str, str, int, int]], bid: int, ask: int, end_ms: float = 4000) -> Rows:
    """Return a market with one large level a side, and `changes`: ms, level or trade, bid or ask (hit), ticks, lots."""
    sides = {"bid": 1, "ask": -1}
    rows = [(0.0, CLEAR, 0, 0, 0), (0.0, LEVEL, 1, bid, 1000), (0.0, LEVEL, -1, ask, 1000)]
    for at_ms, what, side, price, lots in changes:
        # The aggressor of a trade that hits the bid is a seller.
        rows.append((at_ms, *((LEVEL, sides[side]) if what == "level" else (TRADE, -sides[side])), price, lots))
    rows.append((end_ms, LEVEL, 1, bid - 100, 7))
    stamped = [
        (START_NS + round(at_ms * MS), START_NS + round(at_ms * MS), lots, price, kind, sign)
        for at_ms, kind, sign, price, lots in rows
    ]
    return np.array(stamped, dtype=ROW)
