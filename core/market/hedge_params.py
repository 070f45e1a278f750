"""The keys of maker_taker_hedge, as its schema has them, and what contradicts itself in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from utils.errors import ConfigError

SAME_VENUE, CROSS_VENUE = "same_venue", "cross_venue"
_NS = 1_000_000_000
_DECIMALS = (
    "order_size",
    "order_size_quote",
    "hedge_ratio",
    "conversion",
    "residue_max_usd",
    "max_unhedged_usd",
)


@dataclass(frozen=True, slots=True)
class HedgeParams:
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    mode: str = SAME_VENUE
    hedge_venue: str | None = None
    hedge_symbol: str | None = None
    hedge_account: str | None = None
    hedge_ratio: Decimal | float = 1.0
    order_size: Decimal | None = None
    order_size_quote: Decimal | None = None
    order_size_pct: float | None = None
    quote_mode: str = "touch"
    spread_pct: float = 0.2
    max_improve_ticks: int = 1
    min_profit_bps: float = 2.0
    target_profit_bps: float = 5.0
    max_profit_bps: float = 50.0
    taker_slippage_bps: float = 5.0
    depth_factor_pct: float = 25.0
    balance_factor_pct: float = 99.5
    conversion: Decimal | float = 1.0
    anti_hysteresis_s: float = 0.0
    hedge_order: str = "ioc_limit"
    hedge_slippage_bps: float = 10.0
    hedge_slippage_step: float = 1.5
    hedge_slippage_max_bps: float = 100.0
    hedge_timeout_s: float = 2.0
    hedge_retries: int = 5
    hedge_min_interval_s: float = 0.1
    residue_policy: str = "accumulate"
    residue_max_usd: Decimal | None = None
    residue_max_age_s: float = 600.0
    max_unhedged_usd: Decimal | None = None
    max_unhedged_s: float = 10.0
    on_hedge_failure: str = "unwind_maker"
    failure_pause_s: float = 300.0
    max_failures: int = 3
    reference_position: str | float = "startup"

    @property
    def is_cross(self) -> bool:
        """Tell whether the hedge leg is another market than the maker's."""
        return self.mode == CROSS_VENUE

    @property
    def ratio(self) -> Decimal:
        """Return the hedge base per maker base; a position that is flattened where it was taken is its own hedge."""
        return Decimal(self.hedge_ratio) if self.is_cross else Decimal(1)

    @property
    def rate(self) -> Decimal:
        """Return what one unit of the hedge leg's quote asset is worth in the maker's."""
        return Decimal(self.conversion) if self.is_cross else Decimal(1)


def params_of(strategy_config: Mapping[str, Any]) -> HedgeParams:
    """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
    own = {field.name for field in dataclasses.fields(HedgeParams)}
    values = {key: value for key, value in strategy_config.items() if key in own and value is not None}
    for key in _DECIMALS:
        if key in values:
            values[key] = Decimal(str(values[key]))
    params = HedgeParams(**values)
    _check(params)
    return params


def _check(params: HedgeParams) -> None:
    if sum(size is not None for size in (params.order_size, params.order_size_quote, params.order_size_pct)) != 1:
        raise ConfigError("exactly one of order_size, order_size_quote and order_size_pct is needed")
    if not params.min_profit_bps <= params.target_profit_bps <= params.max_profit_bps:
        raise ConfigError("min_profit_bps, target_profit_bps and max_profit_bps must not decrease")
    if params.hedge_slippage_bps > params.hedge_slippage_max_bps:
        raise ConfigError("hedge_slippage_bps must not exceed hedge_slippage_max_bps")
    if params.quote_mode == "profit" and not params.is_cross:
        raise ConfigError("quote_mode 'profit' needs mode 'cross_venue': its prices are those of the hedge leg's book")
    if not params.is_cross and any((params.hedge_venue, params.hedge_symbol, params.hedge_account)):
        raise ConfigError("hedge_venue, hedge_symbol and hedge_account need mode 'cross_venue'")


def nanoseconds(duration_s: float) -> int:
    """Return seconds as whole nanoseconds."""
    return round(duration_s * _NS)
