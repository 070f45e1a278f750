"""What a strategy can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.market.order import Side


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
        return self.slot or f"{self.side.value}.{self.level}"


@dataclass(frozen=True, slots=True)
class Quotes:
    """The whole wanted set of a leg; an empty one cancels everything there."""

    quotes: tuple[Quote, ...]
    leg: str = "main"


@dataclass(frozen=True, slots=True)
class Take:
    """Take liquidity now: an immediate-or-cancel limit order."""

    side: Side
    price_ticks: int
    size_lots: int
    leg: str = "main"
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancel every order of ours on all legs."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop for good: cancel, latch, leave with the risk status."""

    reason: str


Command = Quotes | Take | CancelAll | Halt
