"""Whether a simulated account is to be liquidated: its mark price against the price that follows from what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.market.sim_account import SimAccount


class MarginWatch:
    """Remembers what follows from an account, which is another one after each fill and payment."""

    def __init__(self) -> None:
        self._account: SimAccount | None = None
        self._at_ticks: float | None = None

    def liquidation_ticks(self, account: SimAccount) -> float | None:
        """Return the mark at which the account is to be liquidated, None where it never is."""
        if account is not self._account:
            price = account.liquidation_price()
            self._account = account
            self._at_ticks = None if price is None else float(price / account.instrument.tick_size)
        return self._at_ticks

    def is_due(self, account: SimAccount, mark_ticks: float) -> bool:
        """Tell whether the mark has reached the liquidation price; not while there is no mark (0)."""
        at_ticks = self.liquidation_ticks(account)
        if at_ticks is None or not mark_ticks:
            return False
        return mark_ticks <= at_ticks if account.position.size_lots > 0 else mark_ticks >= at_ticks
