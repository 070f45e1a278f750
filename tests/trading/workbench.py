"""A loop on a scripted venue with a simulated clock, and a strategy that wants what a test tells it to want."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.bot_config import Leg
from core.market.client_ids import ClientOrderIds
from core.market.commands import Command, Quote, Quotes
from core.market.events import BookUpdate, Event, Timer
from core.market.order import Side
from core.trading.clock import SimulatedClock, seconds
from core.trading.ledger import Ledger
from core.trading.trading_loop import LegRuntime, LoopExit, LoopSettings, SpotRule, TradingLoop
from strategies.base import Strategy, View
from tests.trading.scripted_venue import ScriptedVenue

BOTH = (Quote(Side.BUY, 9_990, 10), Quote(Side.SELL, 10_010, 10))
BOTH_SIX = tuple(Quote(side, 10_000 - side.sign * 10 * (level + 1), 10, level) for side in Side for level in range(3))


class Wisher(Strategy):
    """Wants `wanted` at each decision; `says` are commands for the next event of any kind."""

    def __init__(self, wanted: tuple[Quote, ...] = BOTH) -> None:
        super().__init__(None)
        self.wanted: tuple[Quote, ...] | None = wanted
        self.says: list[Command] = []
        self.heard: list[Event] = []
        self.decided: list[tuple[int, int, int | None]] = []  # Timer, view, and when the view says the venue agreed
        self.error: Exception | None = None

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> None:
        return None

    def on_event(self, event: Event, view: View) -> list[Command]:
        if not isinstance(event, BookUpdate):
            self.heard.append(event)
        if self.error and isinstance(event, Timer):
            raise self.error
        if isinstance(event, Timer):
            self.decided.append((event.now_ns, view.now_ns, view.confirmed_ns.get("main")))
        said, self.says = self.says, []
        if isinstance(event, Timer) and self.wanted is not None:
            said.append(Quotes(self.wanted))
        return said


class Bench:
    """One bot; `restart` begins its next incarnation on the same ledger and venue."""

    def __init__(
        self,
        folder: Path,
        venue: ScriptedVenue | None = None,
        *,
        risk: Mapping[str, Any] | None = None,
        stop_timeout_s: float = 5.0,
        **keys: Any,
    ) -> None:
        self.folder, self.venue = folder, venue or ScriptedVenue()
        self.clock = SimulatedClock()
        self.strategy = Wisher()
        self.settings = LoopSettings.from_config({"interval_s": 1.0, "ack_timeout_s": 2.0, **keys}, risk or {})
        self.stop_timeout_s = stop_timeout_s
        self.fence = 0
        self.feed: tuple[int, int] | None = (9_999, 10_001)  # a book of this arrives every 0.5 s
        self.begin()

    def begin(
        self, only_close: SpotRule | None = None, new_run: bool = False, swept: bool = False, fresh: bool = False
    ) -> None:
        """Build and start an incarnation; `swept`: as a worker does after a confirmed sweep."""
        self.fence += 1
        self.ledger = Ledger.open(self.folder / "ledger.db")
        self.ids = ClientOrderIds("home", "bot", self.fence)
        leg = Leg("main", "scripted", "acc", self.venue.listed_instrument.symbol)
        legs = [LegRuntime(leg, self.venue, self.ids)]
        self.loop = TradingLoop(legs, self.strategy, self.settings, self.ledger, self.clock, self.stop_timeout_s)
        self.loop.start(only_close, new_run, swept, fresh)

    def die(self) -> None:
        """End an incarnation as a kill does: nothing is cancelled or saved."""
        self.loop.close()
        self.ledger.close()

    def run(self, duration_s: float) -> None:
        """Let time pass; stops early when the loop is finished."""
        end_ns = self.clock.now_ns() + seconds(duration_s)
        next_book_ns = self.clock.now_ns()
        while self.clock.now_ns() < end_ns and self.loop.finished is None:
            if self.feed and self.clock.now_ns() >= next_book_ns:
                self.venue.book(*self.feed)
                next_book_ns += seconds(0.5)
            due_ns = self.loop.step()
            self.clock.wait(min(due_ns, end_ns, next_book_ns if self.feed else end_ns), ())

    def step(self, times: int = 3) -> None:
        """Step without letting time pass."""
        for _ in range(times):
            self.loop.step()

    def stop(self) -> None:
        """Stop and wait for the end."""
        self.loop.begin_stop("test")
        self.run(self.stop_timeout_s + 1)

    def end(self, duration_s: float = 20.0) -> LoopExit:
        """Let time pass until the loop has ended; fails the test when it does not."""
        self.run(duration_s)
        assert self.loop.finished is not None, self.loop.snapshot()
        return self.loop.finished

    @property
    def gates(self) -> list[str]:
        """Return the gates that are shut."""
        return list(self.loop.snapshot()["gates"])

    @property
    def phase(self) -> str:
        """Return the phase."""
        return str(self.loop.snapshot()["phase"])

    @property
    def resting(self) -> dict[str, int]:
        """Return what rests at the venue: slot -> price in ticks, of our orders."""
        return {o.slot: o.price_ticks for o in self.venue.open_orders.values() if self.ids.owns(o.client_order_id)}

    def order_id(self, slot: str) -> str:
        """Return the id of the order that rests in a slot."""
        return next(key for key, order in self.venue.open_orders.items() if order.slot == slot)

    def booked(self) -> int:
        """Return the number of fills in the ledger."""
        return len(self.ledger.fills("main"))
