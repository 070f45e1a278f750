"""What the matching engine of a simulated venue gives back of an arrival, of a picture or print, and its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.market.order import Fill, Order, OrderState
from utils.quick_values import quickly_made

if TYPE_CHECKING:
    from core.market.displayed import Taken
    from core.market.queue_desk import Place
    from core.market.sim_account import SimAccount


@quickly_made
@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of an order on arrival. `order` is its new state; `reason` says why it was rejected or ended."""

    order: Order
    fills: tuple[Fill, ...] = ()
    reason: str = ""
    ended: tuple[Order, ...] = ()  # reduce-only orders that its fills left nothing to reduce

    @property
    def accepted(self) -> bool:
        """Tell whether the venue took the order at all."""
        return self.order.state is not OrderState.REJECTED


@quickly_made
@dataclass(frozen=True, slots=True)
class Matched:
    """What a picture or a print did: fills, and reduce-only orders that had nothing left to reduce."""

    fills: tuple[Fill, ...] = ()
    ended: tuple[Order, ...] = ()


NOTHING = Matched()


@quickly_made
@dataclass(frozen=True, slots=True)
class EngineState:
    """All that changes in an engine but the book: taken before an uncertain step, given back when the step failed."""

    orders: dict[str, Order]
    account: SimAccount
    last_order: int
    last_trade: int
    taken: Taken
    places: dict[str, Place]
