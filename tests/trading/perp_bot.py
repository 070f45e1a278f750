"""A perp_market_maker on the paper venue, all of it as shipped, with a simulated clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api.base_client import ClientContext
from api.paper_client import PaperClient
from core.bot_config import Leg
from core.market.client_ids import ClientOrderIds
from core.market.funding import next_funding_ns
from core.trading.clock import SimulatedClock, seconds
from core.trading.ledger import Ledger
from core.trading.trading_loop import LegRuntime, LoopSettings, TradingLoop
from strategies.perp_market_maker import PerpMarketMaker

HOUR_NS = seconds(3_600)
STRATEGY = {"symbol": "BTC-PERP", "spread_pct": 0.01, "order_size": 0.002, "interval_s": 1, "requote_bps": 0.2,
            "price_tolerance_pct": 0.002, "leverage": 5}  # fmt: skip


class PerpBot:
    """One bot; it begins 40 s before a funding payment."""

    def __init__(self, folder: Path, **keys: Any) -> None:
        self.strategy_config = STRATEGY | keys
        self.folder, self.clock = folder, SimulatedClock()
        before_s = (next_funding_ns(self.clock.utc_ns(), 8 * HOUR_NS) - self.clock.utc_ns()) // 10**9 - 40
        self.clock.advance(seconds(before_s))
        exchange = {"synthetic_trades_per_s": 20, "touch_prob": 0.9, "seed": 7, "funding_rate_bps": 10}
        context = ClientContext(
            "paper", "BTC-PERP", "acc", "bot", str(folder), (str(folder),), self.clock.now_ns, self.clock.utc_ns
        )
        self.client = PaperClient(exchange, context)
        self.begin()

    def begin(self) -> None:
        self.ledger = Ledger.open(self.folder / "ledger.db")
        legs = [LegRuntime(Leg("main", "paper", "acc", "BTC-PERP"), self.client, ClientOrderIds("home", "bot", 1))]
        strategy = PerpMarketMaker(PerpMarketMaker.params_from(self.strategy_config))
        settings = LoopSettings.from_config(self.strategy_config, {"max_position": 0.02})
        self.loop = TradingLoop(legs, strategy, settings, self.ledger, self.clock, 20.0)
        self.loop.start()

    def run(self, duration_s: float) -> None:
        end_ns = self.clock.now_ns() + seconds(duration_s)
        while self.clock.now_ns() < end_ns and self.loop.finished is None:
            self.clock.wait(min(self.loop.step(), end_ns), ())
