"""What a strategy asks of a margin account, and what the venue says that it is set to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class MarginTerms:
    """How an account trades a market on margin, by the venue's word; None is "it does not tell"."""

    leverage: Decimal | None = None
    margin_mode: str | None = None  # cross | isolated
    is_hedge_mode: bool = False  # long and short are two positions


@dataclass(frozen=True, slots=True)
class AccountNeeds:
    """What must be so before the first order; None is "leave it as it is"."""

    leverage: Decimal | None = None
    margin_mode: str | None = None
    one_way: bool = True

    def complaint(self, terms: MarginTerms) -> str:
        """Return what is not as it must be, empty when all is; what the venue does not tell is not complained of."""
        if self.one_way and terms.is_hedge_mode:
            return "the account keeps long and short apart (hedge mode), and one_way_check is on"
        if None not in (self.margin_mode, terms.margin_mode) and self.margin_mode != terms.margin_mode:
            return f"the margin mode is {terms.margin_mode}, not {self.margin_mode}"
        if None not in (self.leverage, terms.leverage) and self.leverage != terms.leverage:
            return f"the leverage is {terms.leverage:f}, not {self.leverage:f}"
        return ""
