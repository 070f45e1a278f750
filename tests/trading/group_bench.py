"""A bot with several legs of one account on scripted venues, with a simulated clock."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.bot_config import Leg
from core.market.client_ids import ClientOrderIds
from core.market.order import Order, OrderEvent, Side
from core.trading.clock import SimulatedClock, seconds
from core.trading.ledger import Ledger
from core.trading.trading_loop import LegRuntime, LoopSettings, TradingLoop
from strategies.avellaneda_stoikov_group import AvellanedaStoikovGroup
from strategies.base import Strategy
from tests.trading.hedge_bench import TakerVenue
from tests.trading.scripted_venue import PERP

SYMBOLS = {"main": "SOL-PERP", "leg2": "SOL-27DEC30", "leg3": "SOL-26MAR31"}
LOT = Decimal("0.01")
MARKET = replace(PERP, lot_size=LOT)  # ticks of 0.01
FUTURE = replace(MARKET, symbol="SOL-27DEC30", venue_symbol="SOL-27DEC30", kind="future")
MID = {"main": 10_000, "leg2": 10_050, "leg3": 10_100}
MODEL = {
    "kappa": 3000,
    "min_spread_bps": 1,
    "fallback_spread_bps": 10,
    "layers": 2,
    "order_size": 0.2,
    "leverage": None,
}


def group_config(legs: int = 2, rows: dict[str, dict[str, Any]] | None = None, **keys: Any) -> dict[str, Any]:
    """Return a section with so many legs; `rows` changes some of them by their leg."""
    instruments = [
        {"symbol": symbol, "max_position": 1.0, **(rows or {}).get(leg, {})}
        for leg, symbol in list(SYMBOLS.items())[:legs]
    ]
    return {"symbol": "SOL-PERP", "instruments": instruments, "group_max_position": 1.0, **MODEL, **keys}


class GroupVenue(TakerVenue):
    """With the end of an order it tells how much of it has filled; of the fills themselves it may be silent."""

    def tell(self, key: str, event: OrderEvent, **more: Any) -> None:
        if event is OrderEvent.CANCELED:
            more.setdefault("filled_lots", self.filled.get(key, 0))
        super().tell(key, event, **more)


class GroupBench:
    """One bot on two or three venues; `restart` begins its next incarnation on the same ledger and venues."""

    def __init__(
        self,
        folder: Path,
        legs: int = 2,
        strategy: type[Strategy] = AvellanedaStoikovGroup,
        lasts_s: float | None = None,
        **keys: Any,
    ) -> None:
        self.folder, self.clock, self.kind = folder, SimulatedClock(), strategy
        self.config = group_config(legs, **keys)
        self.journal: list[tuple[str, str]] = []
        ends_ns = None if lasts_s is None else self.clock.utc_ns() + seconds(lasts_s)
        markets = [MARKET, replace(FUTURE, expiry_utc_ns=ends_ns), replace(FUTURE, symbol="SOL-26MAR31")][:legs]
        self.venues = {leg: GroupVenue(one, self.journal) for leg, one in zip(SYMBOLS, markets, strict=False)}
        self.books = {leg: (MID[leg] - 1, MID[leg] + 1) for leg in self.venues}
        self.silent: set[str] = set()  # legs that show no books
        loop_keys = {"interval_s": 1.0, "ack_timeout_s": 2.0, "price_tolerance_pct": 0, **self.config}
        self.settings = LoopSettings.from_config(loop_keys, {"max_consecutive_rejects": 1000})
        self.fence = 0
        self.begin()

    def begin(self, fresh: bool = False) -> None:
        """Build and start an incarnation."""
        self.fence += 1
        self.ledger = Ledger.open(self.folder / "ledger.db")
        ids = ClientOrderIds("home", "group", self.fence)
        legs = [LegRuntime(Leg(leg, "v", "acc", SYMBOLS[leg]), venue, ids) for leg, venue in self.venues.items()]
        self.strategy = self.kind(self.kind.params_from(self.config))
        self.loop = TradingLoop(legs, self.strategy, self.settings, self.ledger, self.clock, 8.0)
        self.loop.start(fresh=fresh)

    def close(self) -> None:
        """Let go of loop and ledger."""
        self.loop.close()
        self.ledger.close()

    def restart(self, fresh: bool = False) -> None:
        """Let this incarnation die without a word, sweep, and begin the next one."""
        self.close()
        for venue in self.venues.values():
            venue.open_orders.clear()
        self.begin(fresh)

    def run(self, duration_s: float) -> None:
        """Let time pass, a book on each leg every 0.1 s."""
        for _ in range(round(duration_s / 0.1)):
            for leg, venue in self.venues.items():
                if leg not in self.silent:
                    venue.book(*self.books[leg], lots=1_000_000)
            end_ns = self.clock.now_ns() + seconds(0.1)
            while self.clock.now_ns() < end_ns and self.loop.finished is None:
                self.clock.wait(min(self.loop.step(), end_ns), ())

    def resting(self, leg: str, side: Side | None = None) -> list[Order]:
        """Return what rests on a leg, the innermost first."""
        found = [one for one in self.venues[leg].open_orders.values() if side is None or one.side is side]
        return sorted(found, key=lambda one: -one.side.sign * one.price_ticks)

    def hit(self, leg: str, place: int, lots: int, stream: bool = True) -> None:
        """Fill a resting order, in part or whole; nothing where none rests."""
        orders = self.resting(leg)
        if orders:
            one = orders[place % len(orders)]
            self.venues[leg].fill(one.client_order_id, min(lots, one.size_lots - one.filled_lots), stream)

    def held(self) -> dict[str, Decimal]:
        """Return what the venues' own fills come to, by leg."""
        return {leg: venue.held() for leg, venue in self.venues.items()}

    def worst(self, side: Side) -> dict[str, Decimal]:
        """Return what would be held when every open order of a side filled and none of the other."""
        found = self.held()
        for leg, venue in self.venues.items():
            lots = sum(o.size_lots - o.filled_lots for o in venue.open_orders.values() if o.side is side)
            found[leg] += side.sign * lots * LOT
        return found

    def stats(self) -> dict[str, Any]:
        """Return the strategy's figures."""
        found: dict[str, Any] = self.loop.snapshot()["stats"]["strategy"]
        return found
