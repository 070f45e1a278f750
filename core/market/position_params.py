"""The keys of a strategy that holds a position on margin: account, target, shedding, barriers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.account_needs import AccountNeeds
from core.market.barriers import BarrierParams
from core.market.expiry import ExpiryRules
from core.market.protection import ProtectionRules
from core.market.shedding import ShedRules

_SECOND_NS = 1_000_000_000
_DECIMALS = ("leverage", "target_position", "position_threshold", "stop_loss", "take_profit")
_NULLABLE = ("leverage", "margin_mode")  # null is "leave it as it is", and not the default


@dataclass(frozen=True)  # without slots: strategies have it beside another base
class MarginParams(BarrierParams):
    """Keys of every strategy on margin: the account, how far a close may reach, expiry, and the barriers."""

    leverage: Decimal | None = Decimal(1)
    margin_mode: str | None = "cross"
    one_way_check: bool = True
    reduce_slippage_bps: float = 20.0
    max_close_slippage_bps: float = 200.0
    liquidation_buffer_pct: float = 10.0
    roll_before_s: float = 86400.0
    stop_before_s: float = 3600.0

    def account_needs(self) -> AccountNeeds:
        """Return the leverage and the margin mode that the account must have."""
        return AccountNeeds(self.leverage, self.margin_mode, self.one_way_check)

    def protection_rules(self) -> ProtectionRules:
        """Return where a position ends. Raises ConfigError for barriers that contradict each other."""
        return ProtectionRules(
            barriers=self.barriers(),
            liquidation_buffer_pct=Decimal(str(self.liquidation_buffer_pct)),
            cooldown_ns=int(self.barrier_cooldown_s * _SECOND_NS),
        )

    def expiry_rules(self) -> ExpiryRules:
        """Return what is done before a dated future expires."""
        return ExpiryRules(int(self.roll_before_s * _SECOND_NS), int(self.stop_before_s * _SECOND_NS))


@dataclass(frozen=True)
class PositionParams(MarginParams):
    """Keys of `strategy_config` that are the same in every strategy that has them; told in its schema."""

    target_position: Decimal = Decimal(0)
    target_mode: str = "signed"
    position_threshold: Decimal | None = None
    reduce_mode: str = "maker_then_ioc"
    reduce_wait_s: float = 15.0

    def shed_rules(self) -> ShedRules:
        """Return how too much of a position is shed."""
        return ShedRules(self.reduce_mode, int(self.reduce_wait_s * _SECOND_NS), self.reduce_slippage_bps)


def position_values(values: Mapping[str, Any], strategy_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return own values of a section with the keys of this module in the types that they have here."""
    found = dict(values)
    found |= {key: Decimal(str(found[key])) for key in _DECIMALS if found.get(key) is not None}
    found |= {key: None for key in _NULLABLE if key in strategy_config and strategy_config[key] is None}
    return found
