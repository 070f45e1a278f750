"""The loop on the embedded venue, as it is shipped: quoting, dying, coming back, ending."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from api.base_client import ClientContext, Inbox
from api.paper_client import PaperClient
from core.bot_config import Leg
from core.market.client_ids import ClientOrderIds
from core.market.reports import VenueReport
from core.trading.clock import SimulatedClock, seconds
from core.trading.ledger import Ledger
from core.trading.order_sweep import OrderSweep
from core.trading.trading_loop import LegRuntime, LoopSettings, TradingLoop
from strategies.base import Strategy
from strategies.market_maker import MarketMaker

EXCHANGE = {"synthetic_trades_per_s": 10, "touch_prob": 0.5, "seed": 7}
STRATEGY = {"spread_pct": 0.01, "layers": 3, "order_size": 0.002, "interval_s": 1.0, "price_tolerance_pct": 0.002}
RISK = {"max_position": 0.02}


def venue_report(bot: PaperBot) -> VenueReport:
    """Return all that the venue itself has on record."""
    bot.loop.close()
    client, inbox = bot.client(), Inbox()
    client.open(inbox, "main")
    client.request_report(1, None)
    try:
        while True:
            due = client.poll(bot.clock.now_ns())
            for item in inbox.drain():
                if isinstance(item, VenueReport):
                    return item
            bot.clock.wait(due or 0, ())
    finally:
        client.close()
        inbox.close()


class PaperBot:
    """One bot of the shipped parts in a folder, with a simulated clock."""

    config: ClassVar[dict[str, Any]] = STRATEGY

    def __init__(self, folder: Path, risk: dict[str, Any] | None = None) -> None:
        self.folder, self.risk = folder, RISK if risk is None else risk
        self.clock = SimulatedClock()
        self.fence = 0
        self.begin()

    def make_strategy(self) -> Strategy:
        return MarketMaker(MarketMaker.params_from(self.config))

    def client(self) -> PaperClient:
        context = ClientContext(
            "paper", "BTC-USDT", "acc", "bot", str(self.folder), (str(self.folder),), self.clock.now_ns,
            self.clock.utc_ns,
        )  # fmt: skip
        return PaperClient(EXCHANGE, context)

    def begin(self) -> None:
        self.fence += 1
        self.ids = ClientOrderIds("home", "bot", self.fence)
        self.ledger = Ledger.open(self.folder / "ledger.db")
        legs = [LegRuntime(Leg("main", "paper", "acc", "BTC-USDT"), self.client(), self.ids)]
        settings = LoopSettings.from_config(self.config, self.risk)
        self.loop = TradingLoop(legs, self.make_strategy(), settings, self.ledger, self.clock, 20.0)
        self.loop.start()

    def die(self) -> None:
        """Leave as a kill does: orders stay, nothing is saved."""
        self.loop.close()
        self.ledger.close()

    def run(self, duration_s: float) -> None:
        end_ns = self.clock.now_ns() + seconds(duration_s)
        while self.clock.now_ns() < end_ns and self.loop.finished is None:
            self.clock.wait(min(self.loop.step(), end_ns), ())
            position = self.ledger.position("main").size_lots
            assert abs(self.loop._bot.legs[0].instrument.to_size(position)) <= Decimal("0.02")

    def sweep(self) -> None:
        """Do what the sweeper does between two lives."""
        self.fence += 1
        client, inbox = self.client(), Inbox()
        client.open(inbox, "main")
        ledger = Ledger.open(self.folder / "ledger.db")
        ledger.use_instrument("main", client.instrument)
        ids = ClientOrderIds("home", "bot", self.fence)
        deadline_ns = self.clock.now_ns() + seconds(10)
        late_s = client.capabilities.late_arrival_s
        job = OrderSweep(client, inbox, ids, ledger.open_orders("main"), self.clock, late_s, deadline_ns)
        while job.done is None:
            self.clock.wait(job.step(), ())
        assert job.done.confirmed
        client.close()
        inbox.close()
        ledger.close()


def test_it_quotes_both_sides_fills_and_stays_inside_its_limit(tmp_path: Path) -> None:
    bot = PaperBot(tmp_path)
    bot.run(60)
    shot = bot.loop.snapshot()
    assert shot["phase"] == "QUOTING"
    assert shot["fills"] > 10
    assert shot["quote_uptime_pct"] > 20
    assert bot.ledger.replay("main") == bot.ledger.position("main")


def test_a_clean_stop_leaves_nothing_at_the_venue(tmp_path: Path) -> None:
    bot = PaperBot(tmp_path)
    bot.run(20)
    bot.loop.begin_stop("test")
    bot.run(20)
    assert bot.loop.finished is not None
    assert bot.loop.finished.clean
    assert bot.ledger.open_orders() == []
    assert venue_report(bot).open_orders == ()


def test_a_killed_bot_comes_back_with_the_books_of_the_venue(tmp_path: Path) -> None:
    bot = PaperBot(tmp_path)
    for _ in range(4):
        bot.run(15)
        bot.die()
        bot.sweep()
        bot.clock.advance(seconds(2))
        bot.begin()
    bot.run(5)
    bot.loop.begin_stop("test")
    bot.run(20)
    assert bot.loop.finished is not None
    assert bot.loop.finished.clean
    position = bot.ledger.position("main")
    assert position.fills > 10
    assert bot.ledger.replay("main") == position
    told = venue_report(bot)
    assert [fill.trade_id for fill in bot.ledger.fills("main")] == [fill.trade_id for fill in told.fills]


def test_the_same_seed_gives_the_same_fills(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        bot = PaperBot(tmp_path / name)
        bot.run(30)
        runs.append([(f.trade_id, f.price_ticks, f.size_lots, f.venue_ns) for f in bot.ledger.fills("main")])
        bot.die()
    assert runs[0] == runs[1]
    assert runs[0]
