"""Strategies with a view of their own, for playbooks: what happens is said line by line, and what they want is read."""

from __future__ import annotations

from typing import Any, Self

from core.market.book import OrderBook
from core.market.commands import Command, Flatten, Quote, Quotes
from core.market.events import BookUpdate, Event, FillEvent, Timer
from core.market.instrument import Instrument
from core.market.order import Fill, Side
from core.market.position import Position
from strategies.base import Strategy, View
from tests.market_parts import NOW, SECOND, book, fill


class Scripted:
    """A strategy that hears what the test says, and what it answers."""

    strategy: Strategy
    view: View

    def hear(self, event: Event) -> list[Command]:
        """Return what it answers to an event."""
        return self.strategy.on_event(event, self.view)

    def due(self) -> list[Command]:
        """Return what it decides now."""
        return self.hear(Timer(self.view.now_ns))

    def quotes(self) -> tuple[Quote, ...]:
        """Return what it wants to rest now, and it wants nothing else."""
        (command,) = self.due()
        assert isinstance(command, Quotes)
        return command.quotes


class PerpScript(Scripted):
    """What playbooks of strategies for perpetuals have in common."""

    def __init__(self, strategy: Strategy, traded: Instrument, picture: OrderBook, limit: int | None) -> None:
        self.strategy, self.instrument = strategy, traded
        self.view = View(now_ns=NOW, utc_ns=NOW, instruments={"main": traded}, books={"main": picture})
        self.view.position_limits["main"] = limit

    def hold(self, lots: int, entry_ticks: int) -> Self:
        """Hold a position that was entered at one price."""
        self.view.positions["main"] = Position("main")
        if lots:
            self._book(fill(Side.BUY if lots > 0 else Side.SELL, entry_ticks, abs(lots)))
        return self

    def move(self, mid_ticks: int) -> Self:
        """Let the market go to a price, and the strategy hear of it."""
        self.view.books["main"] = book(mid_ticks - 1, mid_ticks + 1)
        assert self.hear(BookUpdate("main", self.view.books["main"])) == []
        return self

    def wait(self, duration_s: float) -> Self:
        """Let time pass on both clocks."""
        self.view.now_ns += int(duration_s * SECOND)
        self.view.utc_ns += int(duration_s * SECOND)
        return self

    def burst(self, *made: Fill, slot: str = "") -> Self:
        """Let orders of ours fill; as in the loop, the position is that after all of them when the first is heard."""
        for one in made:
            self._book(one)
        assert [self.hear(FillEvent("main", one, slot)) for one in made] == [[]] * len(made)
        return self

    def _book(self, made: Fill) -> None:
        before = self.view.positions.get("main") or Position("main")
        self.view.positions["main"] = before.after_fill(made, self.instrument)

    def prices(self, side: Side | None = None) -> list[int]:
        """Return the prices of the quotes, or of those of one side."""
        return [one.price_ticks for one in self.quotes() if side in (None, one.side)]

    def rows(self) -> list[tuple[str, int, int]]:
        """Return slot, price and size of each quote."""
        return [(one.slot_name, one.price_ticks, one.size_lots) for one in self.quotes()]

    def slots(self) -> set[str]:
        """Return the slots of the quotes."""
        return {one.slot_name for one in self.quotes()}

    def closes(self) -> str:
        """Return why the position must be closed now, nothing when it need not."""
        return next((one.reason for one in self.due() if isinstance(one, Flatten)), "")

    def stats(self) -> dict[str, Any]:
        """Return what it tells of itself."""
        return self.strategy.stats()
