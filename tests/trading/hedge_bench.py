"""A hedged maker on two scripted venues with a simulated clock; the hedge venue answers immediate orders by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.bot_config import Leg
from core.market.client_ids import ClientOrderIds
from core.market.events import FillEvent
from core.market.instrument import Instrument
from core.market.order import Order, OrderEvent, Side
from core.trading.clock import SimulatedClock, seconds
from core.trading.ledger import Ledger
from core.trading.trading_loop import LegRuntime, LoopExit, LoopSettings, TradingLoop
from strategies.maker_taker_hedge import MakerTakerHedge
from tests.trading.scripted_venue import LOSE, PERP, SPOT, ScriptedVenue

MAKER_MARKET = replace(SPOT, lot_size=Decimal("0.001"))
HEDGE_MARKET = replace(PERP, lot_size=Decimal("0.01"))
FILL, NOTHING, HANG = "fill", "nothing", "hang"  # how an immediate order ends; HANG: the venue says nothing at all


class TakerVenue(ScriptedVenue):
    """Immediate orders end at once, as `takes` says of each in turn, then as `take` says; quotes rest."""

    def __init__(self, instrument: Instrument, journal: list[tuple[str, str]]) -> None:
        super().__init__(instrument)
        self.take: str | int = FILL  # or the lots that fill, the rest is cancelled; or "reject: WHY"
        self.takes: deque[str | int] = deque()
        self.journal = journal  # (leg, what) of everything that both venues were asked to do

    def submit(self, orders: Sequence[Order]) -> None:
        for order in orders:
            self.journal.append((self.leg, f"{'take' if order.time_in_force == 'IOC' else 'quote'} {order.side.value}"))
        quotes = [order for order in orders if order.time_in_force != "IOC"]
        super().submit(quotes)
        for order in orders:
            if order.time_in_force == "IOC":
                self._take(order)

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        self.journal += [(self.leg, "cancel")] * len(client_order_ids)
        super().cancel(client_order_ids)

    def _take(self, order: Order) -> None:
        if self.script.submit == LOSE:
            self.submitted.append(order)
            self.unsent.append(order)
            return
        how = self.takes.popleft() if self.takes else self.take
        self.submitted.append(order)
        key = order.client_order_id
        if isinstance(how, str) and how.startswith("reject"):
            self.tell(key, OrderEvent.REJECTED, reason=how)
            return
        self.rest(order, tell=how != HANG)
        if how == HANG:
            return
        lots = order.size_lots if how == FILL else 0 if how == NOTHING else min(int(how), order.size_lots)
        if lots:
            self.fill(key, lots)
        if self.open_orders.pop(key, None) is not None:
            self.tell(key, OrderEvent.CANCELED)

    @property
    def sent(self) -> list[Order]:
        """Return the immediate orders."""
        return [order for order in self.submitted if order.time_in_force == "IOC"]

    @property
    def resting(self) -> dict[str, Order]:
        """Return the quotes that rest, by slot."""
        return {order.slot: order for order in self.open_orders.values() if order.time_in_force != "IOC"}

    def hit(self, side: Side, lots: int, stream: bool = True) -> None:
        """Fill a resting quote of ours."""
        self.fill(self.resting[f"{side.value}.0"].client_order_id, lots, stream)

    def held(self) -> Decimal:
        """Return what all fills together come to, in base."""
        return self.instrument.to_size(sum(fill.side.sign * fill.size_lots for fill in self.fills))


class HedgeBench:
    """One bot with two legs, or with one; `restart` begins its next incarnation on the same ledger and venues."""

    def __init__(
        self,
        folder: Path,
        maker: Instrument = MAKER_MARKET,
        hedge: Instrument | None = HEDGE_MARKET,
        risk: dict[str, Any] | None = None,
        duration_s: float = 0,
        **keys: Any,
    ) -> None:
        self.folder, self.clock = folder, SimulatedClock()
        self.journal: list[tuple[str, str]] = []
        self.venues = {"maker": TakerVenue(maker, self.journal)}
        if hedge is not None:
            self.venues["hedge"] = TakerVenue(hedge, self.journal)
        mode = "same_venue" if hedge is None else "cross_venue"
        self.config = {"mode": mode, "order_size": 0.1, "reference_position": "zero", **keys}
        loop_keys = {"interval_s": 10.0, "ack_timeout_s": 2.0, "price_tolerance_pct": 0, "duration_s": duration_s}
        self.settings = LoopSettings.from_config(loop_keys, risk or {})
        self.fence = 0
        self.silent: set[str] = set()  # legs that show no books
        self.begin()

    def begin(self, fresh: bool = False) -> None:
        """Build and start an incarnation."""
        self.fence += 1
        self.ledger = Ledger.open(self.folder / "ledger.db")
        ids = ClientOrderIds("home", "pair", self.fence)
        symbols = {"maker": "SOL-USDC", "hedge": "SOL-PERP"}
        legs = [LegRuntime(Leg(name, name, "acc", symbols[name]), venue, ids) for name, venue in self.venues.items()]
        self.strategy = MakerTakerHedge(MakerTakerHedge.params_from(self.config))
        self.loop = TradingLoop(legs, self.strategy, self.settings, self.ledger, self.clock, 8.0)
        self.loop.start(fresh=fresh)

    def restart(self, fresh: bool = False) -> None:
        """Let this incarnation die without a word, sweep, and begin the next one."""
        self.loop.close()
        self.ledger.close()
        for venue in self.venues.values():
            venue.open_orders.clear()
        self.begin(fresh)

    @property
    def maker(self) -> TakerVenue:
        return self.venues["maker"]

    @property
    def hedge(self) -> TakerVenue:
        return self.venues.get("hedge", self.venues["maker"])

    def run(self, duration_s: float, until: Callable[[], bool] | None = None) -> None:
        """Let time pass, a book on each leg every 0.1 s."""
        for _ in range(round(duration_s / 0.1)):
            if until is not None and until():
                return
            for name, venue in self.venues.items():
                if name not in self.silent:
                    venue.book(*((9_999, 10_001) if name == "maker" else (9_998, 10_002)), lots=1_000_000)
            end_ns = self.clock.now_ns() + seconds(0.1)
            while self.clock.now_ns() < end_ns and self.loop.finished is None:
                self.clock.wait(min(self.loop.step(), end_ns), ())

    def stopped(self, reason: str = "test") -> LoopExit:
        """Ask for a stop and return how it ended."""
        self.loop.begin_stop(reason)
        self.run(15, lambda: self.loop.finished is not None)
        assert self.loop.finished is not None
        return self.loop.finished

    @property
    def gates(self) -> list[str]:
        return list(self.loop.snapshot()["gates"])

    @property
    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = self.loop.snapshot()["stats"]["strategy"]
        return found

    def exposure(self) -> Decimal:
        """Return what the venues' own fills leave unhedged."""
        return sum((venue.held() for venue in self.venues.values()), Decimal(0))

    def tell_again(self, leg: str) -> None:
        """Repeat the newest fill of a leg."""
        venue = self.venues[leg]
        venue.inbox.put(FillEvent(leg, venue.fills[-1]))
