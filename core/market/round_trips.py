"""Round trips of a position: from nothing to nothing, or to the other side; with what each has earned. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from core.market.position import Position


class RoundTrips:
    """Looks at a position now and then; several trips between two looks are one."""

    def __init__(self) -> None:
        self._side = 0
        self._net_before = Decimal(0)

    def see(self, position: Position) -> Decimal | None:
        """Return what the round trip has earned after fees that is over with this look, None when none is; in quote."""
        side = (position.size_lots > 0) - (position.size_lots < 0)
        if side == self._side:
            return None
        net = position.realised_pnl - position.fees_paid
        earned = net - self._net_before if self._side else None
        self._side, self._net_before = side, net
        return earned

    @property
    def state(self) -> tuple[int, Decimal]:
        """Return what it remembers."""
        return self._side, self._net_before

    def to_plain(self) -> tuple[Any, ...]:
        """Return a JSON-able record."""
        return self._side, f"{self._net_before:f}"

    def take_up(self, plain: Sequence[Any]) -> None:
        """Take up what `to_plain` recorded."""
        self._side, self._net_before = plain[0], Decimal(plain[1])
