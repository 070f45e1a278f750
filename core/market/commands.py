"""What a strategy can say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from utils.quick_values import quickly_made

if TYPE_CHECKING:
    from core.market.order import Side


@lru_cache(maxsize=256)
def _default_slot(side: Side, level: int) -> str:
    return f"{side.value}.{level}"


@quickly_made
@dataclass(frozen=True, slots=True)
class Quote:
    """An order that the strategy wants to rest; `slot` names its place and is unique within a leg."""

    side: Side
    price_ticks: int
    size_lots: int
    level: int = 0  # 0 is the inside
    leg: str = "main"
    post_only: bool = True
    reduce_only: bool = False
    slot: str = ""

    @property
    def slot_name(self) -> str:
        """Return the slot, by default side and level: `buy.0`."""
        return self.slot or _default_slot(self.side, self.level)


@quickly_made
@dataclass(frozen=True, slots=True)
class Quotes:
    """The whole wanted set of a leg; an empty one cancels everything there."""

    quotes: tuple[Quote, ...]
    leg: str = "main"


@dataclass(frozen=True, slots=True)
class Take:
    """Take liquidity now: an immediate-or-cancel limit order.

    One that is `reduce_only` is cut to what is held, less what is on its way on that side; a shut gate does not hold it
    back. One that `is_hedge` brings what all legs hold together nearer to balance: a shut gate and an open breaker do
    not hold it back either, limits and balances do.
    """

    side: Side
    price_ticks: int
    size_lots: int
    leg: str = "main"
    reduce_only: bool = False
    is_hedge: bool = False


@dataclass(frozen=True, slots=True)
class Wake:
    """Make a decision due then at the latest, whatever the interval; the newest one counts."""

    at_ns: int  # on the clock of the view's `now_ns`


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask a leg's venue now what became of our orders and what the position is; the view tells when it has agreed."""

    leg: str = "main"


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancel every order of ours on all legs."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop for good: cancel, latch, leave with the risk status."""

    reason: str


@dataclass(frozen=True, slots=True)
class Flatten:
    """Take the quotes off and close a leg's position until the venue confirms it; then decisions go on.

    Each order trades up to a slippage through the touch. When one leaves something the next may trade half as far
    again, up to the widest.
    """

    reason: str
    slippage_bps: float
    max_slippage_bps: float
    leg: str = "main"


Command = Quotes | Take | CancelAll | Halt | Flatten | Wake | Confirm
