"""A grid in the loop, on a scripted venue whose price goes where a test says."""

from __future__ import annotations

from typing import Any, ClassVar

from strategies.grid_base import GridBase
from tests.trading.workbench import Bench


class AnyGridBench(Bench):
    """What is done with every grid; `check` is each kind's own."""

    kind: ClassVar[type[GridBase]]
    config: dict[str, Any]

    def again(self, run_s: float = 2.0) -> None:
        """Begin another life."""
        self.strategy = self.kind(self.kind.params_from(self.config))  # type: ignore[assignment]
        self.begin()
        self.run(run_s)

    def go(self, price: int, stream: bool = True, run_s: float = 1.5) -> None:
        """Take the price somewhere; what rests and is reached fills whole, at its own price."""
        self.feed = (price - 1, price + 1)
        for key, order in list(self.venue.open_orders.items()):
            if (order.price_ticks - price) * order.side.sign >= 0:
                self.venue.fill(key, order.remaining_lots, stream)
        self.run(run_s)
        self.check()

    def check(self) -> None:
        """Assert what must hold of the resting orders at any time."""
        raise NotImplementedError
