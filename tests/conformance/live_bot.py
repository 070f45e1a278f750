"""A whole bot in this process: trading loop, ledger and live client against a simulator, in real time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.market.client_ids import ClientOrderIds, NumberIds, OrderIds
from core.process.build import Bot, build_bot
from core.registry.schema import load_schema, with_defaults
from core.trading.clock import SystemClock
from tests.conformance.live_venues import LiveUnderTest
from tests.conformance.venues import grant_all

STRATEGY = {
    "interval_s": 0.2,
    "min_cycle_s": 0.05,
    "requote_bps": 1,
    "price_tolerance_pct": 0.01,
    "spread_pct": 0.1,
    "layers": 2,
    "layer_mode": "linear",
    "ack_timeout_s": 2,
    "inventory_skew_enabled": False,
}


def bot_config(
    venue: LiveUnderTest, order_size: str, strategy: Mapping[str, Any], risk: Mapping[str, Any]
) -> BotConfig:
    """Return the config of a market maker on the account of a venue under test."""
    section = {**STRATEGY, "symbol": venue.symbol, "order_size": float(order_size), **strategy}
    return BotConfig(
        name="livebot",
        exchange=venue.venue,
        strategy="market_maker",
        legs=(Leg("main", venue.venue, venue.account, venue.symbol),),
        daemon=DaemonConfig(stop_timeout_s=15),
        metadata={},
        exchange_config=with_defaults(load_schema(f"exchanges/{venue.venue}"), venue.config),
        strategy_config=with_defaults(load_schema("strategies/market_maker"), section),
        risk_config=with_defaults(load_schema("risk"), {"max_position": 1.0, **risk}),
        source_path="",
        digest="",
    )


class LiveBot:
    """One incarnation; `again` is the next one on the same state folder."""

    def __init__(
        self,
        venue: LiveUnderTest,
        folder: Path,
        order_size: str,
        strategy: Mapping[str, Any] | None = None,
        risk: Mapping[str, Any] | None = None,
        fence: int = 1,
        ids: OrderIds | None = None,
    ) -> None:
        self.venue, self.folder, self.order_size = venue, folder, order_size
        self.strategy, self.risk, self.fence = strategy or {}, risk or {}, fence
        self.ids = ids or self._new_ids()
        config = bot_config(venue, order_size, self.strategy, self.risk)
        self.clock = SystemClock()
        self.bot: Bot = build_bot(config, folder, (), {"main": self.ids}, self.clock)
        self.loop = self.bot.loop

    def _new_ids(self) -> OrderIds:
        if self.venue.ids() is not None:
            return NumberIds(17, 0, 0, lambda _until: None)
        return ClientOrderIds("home", "livebot", self.fence)

    def start(self) -> LiveBot:
        """Open and begin."""
        self.loop.start()
        for client in self.bot.clients:
            grant_all(client)
        return self

    def run(self, until: Callable[[], Any], timeout_s: float = 20.0) -> None:
        """Turn the loop until something holds; fail when it does not. It is looked at twenty times a second at most."""
        end = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < end, f"nothing came of it: {self.loop.phase} {self.loop.snapshot()}"
            assert self.loop.finished is None, self.loop.finished
            self.run_for(0.05)

    def run_for(self, seconds: float) -> None:
        """Turn the loop for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.loop.finished is None:
            self._step(end)

    def _step(self, end: float) -> None:
        due_ns = self.loop.step()
        self.clock.wait(min(due_ns, time.monotonic_ns() + 20_000_000), self.loop.filenos())

    def quoting(self) -> bool:
        """Tell whether orders rest on both sides, by the venue's word."""
        sides = {order["side"] for order in self.open_at_venue()}
        return self.loop.phase == "QUOTING" and len(sides) == 2

    def stop(self) -> Any:
        """Stop as a worker does; return how it ended."""
        self.loop.begin_stop("test")
        end = time.monotonic() + 20
        while self.loop.finished is None and time.monotonic() < end:
            self._step(end)
        assert self.loop.finished is not None
        return self.loop.finished

    def kill(self) -> None:
        """End without a word to the venue: what a worker killed by the kernel leaves."""
        self.bot.close()

    def again(self) -> LiveBot:
        """Return the next incarnation."""
        next_ids = self.ids if isinstance(self.ids, NumberIds) else None
        return LiveBot(self.venue, self.folder, self.order_size, self.strategy, self.risk, self.fence + 1, next_ids)

    # What is true

    def account_at_venue(self) -> Any:
        """Return the simulator's own record of the account."""
        return self.venue.sim.state(self.venue.account)["accounts"][self.venue.account]

    def open_at_venue(self) -> list[Any]:
        """Return the open orders by the simulator's own record."""
        found: list[Any] = self.account_at_venue()["open_orders"]
        return found

    def assert_books_agree(self) -> None:
        """Check that the ledger holds every fill of the venue exactly once, with price, size and fee."""
        leg, instrument = "main", self.bot.clients[0].instrument
        booked = {
            fill.trade_id: (instrument.to_price(fill.price_ticks), instrument.to_size(fill.size_lots), fill.fee)
            for fill in self.bot.ledger.fills(leg)
        }
        true = {
            fill["trade_id"]: (Decimal(fill["price"]), Decimal(fill["size"]), Decimal(fill["fee"]))
            for fill in self.account_at_venue()["fills"]
        }
        assert booked == true
        assert len(self.bot.ledger.fills(leg)) == len(true)
