"""A whole bot in this process against a venue's simulator: trading loop, ledger, live client, real time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from api.base_client import ExchangeClient
from benchmarks.wire_probe import Probe
from benchmarks.wire_venue import Venue
from core.bot_config import BotConfig, DaemonConfig, Leg
from core.market.client_ids import ClientOrderIds, NumberIds, OrderIds
from core.market.commands import Command, Quotes
from core.market.events import Event, Timer
from core.market.order import OrderState, Side
from core.process.legs import build_client
from core.registry.schema import load_schema, with_defaults
from core.trading.clock import SystemClock
from core.trading.cycle_timer import MOVE
from core.trading.ledger import Ledger, LedgerBatch
from core.trading.loop_settings import LoopSettings
from core.trading.trading_loop import LegRuntime, TradingLoop
from strategies.base import Strategy, View
from strategies.market_maker import MarketMaker

LEG = "main"
SIZES = {"backpack": 0.5, "thalex": 0.01}
STRATEGY = {
    "interval_s": 10,
    "min_cycle_s": 0,  # the schema's least is 0.01: a pause between two decisions is not what is measured
    "requote_bps": 0.001,  # every book that is another one
    "price_tolerance_pct": 100,
    "size_tolerance_pct": 100,
    "spread_pct": 2,
    "layers": 1,
    "inventory_skew_enabled": False,
    "ack_timeout_s": 5,
}
RISK = {"max_position": 100.0, "max_loss": 1_000_000}
_BEAT_NS = 1_000_000_000


class Flipper(MarketMaker):
    """Quotes both sides when nothing rests, and takes them away when both rest: one decision, one kind of request."""

    def __init__(self, config: Mapping[str, Any], pause_s: float) -> None:
        super().__init__(MarketMaker.params_from(config))
        self._pause_ns, self._next_ns = int(pause_s * 1e9), 0
        self._is_quoting = False

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Ask for the other thing as soon as the last one is done, and the pause is over."""
        if not isinstance(event, Timer):
            return []
        live = view.open_orders.get(LEG, ())
        done = all(order.state is OrderState.NEW for order in live) and bool(live) == self._is_quoting
        if done and event.reason == MOVE and event.now_ns >= self._next_ns:
            self._next_ns = event.now_ns + self._pause_ns
            self._is_quoting = not self._is_quoting
        if not self._is_quoting:
            return [Quotes((), LEG)]
        return super().on_event(event, view) if not live else []


class Watcher(MarketMaker):
    """Works out its quotes at every decision and wants none of them: the work of a bot that has nothing to change."""

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Decide for nothing."""
        return [Quotes((), LEG)] if super().on_event(event, view) else []


def flipper(pause_s: float) -> Callable[[Mapping[str, Any]], Strategy]:
    """Return what makes a Flipper of a section."""
    return lambda section: Flipper(section, pause_s)


def watcher(section: Mapping[str, Any]) -> Strategy:
    """Return a Watcher."""
    return Watcher(MarketMaker.params_from(section))


class Shipped(MarketMaker):
    """The market maker as it is; remembers what rests by the venue's word."""

    def __init__(self, section: Mapping[str, Any]) -> None:
        super().__init__(MarketMaker.params_from(section))
        self.resting: dict[str, Side] = {}

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Look at the orders, and decide."""
        live = view.open_orders.get(LEG, ())
        self.resting = {order.client_order_id: order.side for order in live if order.state is OrderState.NEW}
        return super().on_event(event, view)


class WireBot:
    """One bot on an account of its own; a context manager that leaves no order behind."""

    def __init__(self, venue: Venue, folder: Path, probe: Probe, make: Callable[[Mapping[str, Any]], Strategy]) -> None:
        self.venue, self.probe = venue, probe
        name = f"wire{time.monotonic_ns()}"
        config = _config(name, venue)
        self.clock = SystemClock()
        ids: OrderIds = ClientOrderIds("home", name, 1)
        if venue.name == "backpack":
            ids = NumberIds(17, 0, 0, lambda _until: None)
        (folder / name).mkdir(parents=True)
        self.ledger = Ledger.open(folder / name / "ledger.db")
        self.client = build_client(config, config.legs[0], folder, (), self.clock, ids)
        settings = LoopSettings.from_config(config.strategy_config, config.risk_config)
        legs = [LegRuntime(config.legs[0], self.client, ids)]
        self.strategy = make(config.strategy_config)
        self.loop = TradingLoop(legs, self.strategy, settings, self.ledger, self.clock, 15)
        self._watch()
        self._beat_ns = 0

    def _watch(self) -> None:
        """Put the probe around what the loop calls."""
        probe, poll, submit, cancel = self.probe, self.client.poll, self.client.submit, self.client.cancel
        write = self.ledger.write

        def watched_poll(now_ns: int) -> int | None:
            due_ns = poll(now_ns)
            probe.took()
            return due_ns

        def watched_write(batch: LedgerBatch) -> int:
            began_ns = time.monotonic_ns()
            new = write(batch)
            probe.wrote_ledger(time.monotonic_ns() - began_ns)
            return new

        def told(send: Callable[[Any], None]) -> Callable[[Any], None]:
            def watched(what: Any) -> None:
                probe.sends()
                send(what)

            return watched

        for owner, method, watched in (
            (self.client, "poll", watched_poll),
            (self.client, "submit", told(submit)),
            (self.client, "cancel", told(cancel)),
            (self.ledger, "write", watched_write),
        ):
            setattr(owner, method, watched)

    def __enter__(self) -> WireBot:
        try:
            self._start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._stop()
        finally:
            self._close()

    def _start(self) -> None:
        """Open, and take all that the venue allows, as a bot without neighbours is given it."""
        self.loop.start()
        _grant_all(self.client)
        self.run(lambda: self.loop.phase == "QUOTING", 20)

    def run(self, until: Callable[[], Any], timeout_s: float) -> None:
        """Turn the loop until something holds. Raises RuntimeError when it does not in time."""
        end_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        while not until():
            if time.monotonic_ns() > end_ns or self.loop.finished is not None:
                raise RuntimeError(f"it did not come to that: {self.loop.phase} {self.loop.snapshot()}")
            self.step(end_ns)

    def run_for(self, seconds: float) -> None:
        """Turn the loop for a while."""
        end_ns = time.monotonic_ns() + int(seconds * 1e9)
        while time.monotonic_ns() < end_ns and self.loop.finished is None:
            self.step(end_ns)

    def step(self, end_ns: int) -> None:
        """Do what a worker does in one turn, the picture for its heartbeat included."""
        self.probe.step_begins()
        due_ns = self.loop.step()
        now_ns = self.clock.now_ns()
        if now_ns >= self._beat_ns:
            self._beat_ns = now_ns + _BEAT_NS
            self.loop.snapshot()
        self.clock.wait(min(due_ns, self._beat_ns, end_ns), self.loop.filenos())

    def _stop(self) -> None:
        """Cancel what rests, as a worker does."""
        if self.loop.finished is not None:
            return
        self.loop.begin_stop("measured")
        end_ns = time.monotonic_ns() + 15 * 10**9
        while self.loop.finished is None and time.monotonic_ns() < end_ns:
            self.step(end_ns)

    def _close(self) -> None:
        """Give everything back."""
        self.loop.close()
        self.ledger.close()


def _config(name: str, venue: Venue) -> BotConfig:
    exchange = venue.exchange_config()
    strategy = {**STRATEGY, "order_size": SIZES[venue.name], "symbol": venue.symbol}
    return BotConfig(
        name=name,
        exchange=venue.name,
        strategy="market_maker",
        legs=(Leg(LEG, venue.name, "bench", venue.symbol),),
        daemon=DaemonConfig(),
        metadata={},
        exchange_config=with_defaults(load_schema(f"exchanges/{venue.name}"), exchange),
        strategy_config=with_defaults(load_schema("strategies/market_maker"), strategy),
        risk_config=with_defaults(load_schema("risk"), RISK),
        source_path="",
        digest="",
    )


def _grant_all(client: ExchangeClient) -> None:
    for scope in client.rate_scopes():
        client.lease(scope.key, scope.per_s * 0.8, scope.burst * 0.8, 2**62)
