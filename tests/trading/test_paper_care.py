"""Care for a position in the loop on the embedded venue: real fills, kills, sweeps, and what is remembered of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from api.base_client import ClientContext
from api.paper_client import PaperClient
from core.bot_config import Leg
from core.market.client_ids import ClientOrderIds
from core.trading.clock import seconds
from core.trading.ledger import Ledger
from core.trading.trading_loop import LegRuntime, LoopSettings, TradingLoop
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.base import Strategy
from tests.trading.test_paper_loop import PaperBot

EXCHANGE = {"synthetic_trades_per_s": 20, "touch_prob": 0.9, "seed": 7, "taker_fee_bps": 0}
MODEL: dict[str, Any] = {
    "symbol": "BTC-PERP", "interval_s": 1, "requote_bps": 0.2, "price_tolerance_pct": 0.002, "leverage": 5,
    "order_size": 0.002, "layers": 2, "layer_spacing_pct": 0.005, "gamma": 1, "kappa": 1e5, "sigma_method": "fixed",
    "sigma": 1e-6, "min_spread_bps": 0.1, "max_spread_bps": 50, "position_threshold": 0.02,
}  # fmt: skip


class CareBot(PaperBot):
    """An avellaneda_stoikov on the paper venue."""

    def make_strategy(self) -> Strategy:
        return AvellanedaStoikov(AvellanedaStoikov.params_from(self.config))

    def client(self) -> PaperClient:
        clock, folder = self.clock, str(self.folder)
        context = ClientContext("paper", "BTC-PERP", "acc", "bot", folder, (folder,), clock.now_ns, clock.utc_ns)
        return PaperClient(EXCHANGE, context)

    def begin(self) -> None:
        self.fence += 1
        self.ids = ClientOrderIds("home", "bot", self.fence)
        self.ledger = Ledger.open(self.folder / "ledger.db")
        legs = [LegRuntime(Leg("main", "paper", "acc", "BTC-PERP"), self.client(), self.ids)]
        settings = LoopSettings.from_config(self.config, {"max_position": 0.02})
        self.loop = TradingLoop(legs, self.make_strategy(), settings, self.ledger, self.clock, 20.0)
        self.loop.start()

    def told(self) -> dict[str, Any]:
        """Return the strategy's figures."""
        return self.loop._strategy.stats()


def lived(folder: Path, **config: Any) -> tuple[CareBot, list[dict[str, Any]]]:
    """Return a bot after three lives, and what it told each second; its limit is asserted at each step."""
    kind = type("Care", (CareBot,), {"config": MODEL | config})
    bot: CareBot = kind(folder)
    told = []
    for life in range(3):
        for _ in range(18):
            bot.run(1)
            live = bot.loop._bot.legs[0].tracker.live()
            assert max(Counter(order.slot for order in live if order.slot != "take").values(), default=0) <= 1
            told.append(bot.told())
        if life < 2:
            bot.die()
            bot.sweep()
            bot.clock.advance(seconds(1))
            bot.begin()
    assert bot.loop.finished is None
    assert bot.ledger.replay("main") == bot.ledger.position("main")
    return bot, told


def test_a_rescue_adds_to_what_loses_and_the_limit_is_never_passed(tmp_path: Path) -> None:
    keys = {"rescue_enabled": True, "rescue_trigger_pct": 0.002, "rescue_step_pct": 0.002, "entry_anchor": True}
    bot, told = lived(tmp_path, **keys)
    assert max(one["rescue_steps"] for one in told) >= 1
    assert any(slot.startswith("rescue") for _, slot in bot.ledger.fills_after(0))
    bot.loop.close()


def test_open_profits_are_taken_and_the_bot_goes_on(tmp_path: Path) -> None:
    bot, told = lived(tmp_path, upnl_take_profit_quote=0.01, tp_maker_wait_s=1, tuner_enabled=True)
    assert sum(one["profits_taken"] for one in told) >= 1
    assert bot.loop.snapshot()["phase"] in ("QUOTING", "CLOSING")
    bot.loop.close()


def test_stops_lead_to_a_pause_and_a_way_back(tmp_path: Path) -> None:
    keys = {"recovery_enabled": True, "recovery_cooldown_s": 2, "recovery_dwell_s": 2, "max_recoveries": 100}
    bot, told = lived(tmp_path, **keys, stop_loss=0.03, barrier_cooldown_s=0)
    states = {one["recovery"] for one in told}
    assert {"halted", "recovering"} <= states
    bot.loop.close()
