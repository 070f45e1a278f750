"""Order sizes from what the account is worth, so that profits compound. Pure; money in quote."""

from __future__ import annotations

from dataclasses import dataclass

FIXED, CAPITAL = "fixed", "capital"


@dataclass(frozen=True, slots=True)
class CapitalRules:
    """The keys; `layers` a side, `usual_sigma` a share per root second (None: sizes do not follow the volatility)."""

    usage_pct: float = 99.0
    margin_pct: float = 1.0
    leverage: float = 1.0
    layers: int = 1
    usual_sigma: float | None = None
    refresh_ns: int = 60_000_000_000

    def value_of_order(self, equity: float, sigma: float | None) -> float:
        """Return the value of one order: the usable equity over both sides' layers, less in a market that is wilder."""
        usable = max(0.0, equity) * self.usage_pct / 100 * (1 - self.margin_pct / 100) * self.leverage
        calm = 1.0 if not sigma or self.usual_sigma is None else min(1.0, self.usual_sigma / sigma)
        return usable / (2 * self.layers) * calm


class CapitalSizing:
    """The value of one order, worked out when nothing is held, else once in a while."""

    def __init__(self, rules: CapitalRules) -> None:
        self.rules = rules
        self.value: float | None = None
        self._due_ns = 0

    def look(self, equity: float | None, is_flat: bool, sigma: float | None, now_ns: int) -> float | None:
        """Return the value of one order, None while the equity was never known."""
        if equity is not None and (self.value is None or is_flat or now_ns >= self._due_ns):
            self.value = self.rules.value_of_order(equity, sigma)
            self._due_ns = now_ns + self.rules.refresh_ns
        return self.value
