"""The rule of the backtest benchmark as a strategy: two ticks around the mid, one order a side, moved every 100 ms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.market.commands import Command, Quote, Quotes
from core.market.events import Event, Timer
from core.market.order import Side
from strategies.base import Strategy, View

HALF_TICKS, SIZE_LOTS, MAX_LOTS, STEP_S = 2, 5, 50, 0.1
_LEG = "main"


class TouchMaker(Strategy):
    """Wants a bid at floor(mid - 2 ticks) and an ask at ceil(mid + 2 ticks), outside the opposite touch."""

    hears_prints = False

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> None:
        """Return nothing: the rule has no keys."""

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Return the wanted set when a decision is due."""
        if not isinstance(event, Timer):
            return []
        book = view.books.get(_LEG)
        if book is None or not book.is_quotable:
            return [Quotes((), _LEG)]
        bid, ask = book.best_bid_ticks, book.best_ask_ticks
        position = view.positions[_LEG].size_lots
        quotes = []
        if position < MAX_LOTS:
            price = min((bid + ask - 2 * HALF_TICKS) // 2, ask - 1)
            quotes.append(Quote(Side.BUY, price, SIZE_LOTS))
        if position > -MAX_LOTS:
            price = max(-(-(bid + ask + 2 * HALF_TICKS) // 2), bid + 1)
            quotes.append(Quote(Side.SELL, price, SIZE_LOTS))
        return [Quotes(tuple(quotes), _LEG)]


def config_of(queue_model: str = "risk_averse", latency_ms: float = 5.0) -> BotConfig:
    """Return the config of a bot that follows the rule on the made-up market."""
    exchange = {
        "fill_model": "queue", "queue_model": queue_model, "latency_ms": latency_ms, "maker_fee_bps": -0.5,
        "taker_fee_bps": 5.0, "book_interval_ms": 100, "seed": 1,
    }  # fmt: skip
    strategy = {"interval_s": STEP_S, "min_cycle_s": STEP_S, "requote_bps": 0, "price_tolerance_pct": 0.0}
    return BotConfig(
        name="bench",
        exchange="paper",
        strategy="market_maker",
        legs=(Leg(_LEG, "paper", "bench", "SYN-PERP"),),
        daemon=DaemonConfig(),
        metadata={"name": "bench"},
        exchange_config=exchange,
        strategy_config=strategy,
        risk_config={"max_position": 0.055, "max_open_orders": 10},
        source_path="",
        digest="",
    )
