"""The keys that grids have in common, and what of them contradicts each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.grid_lines import bounds_ticks, range_around
from core.market.grid_range import HOLD, RangeRules
from core.market.instrument import Instrument
from utils.errors import ConfigError

_SECOND_NS = 1_000_000_000
_PRICES = ("lower", "upper", "trigger_price", "stop_lower", "stop_upper", "trail_floor")
_DECIMALS = (*_PRICES, "range_pct", "quantity", "quantity_quote")


@dataclass(frozen=True)  # without slots: strategies have it beside another base
class GridLineParams:
    """Keys of `strategy_config` that are the same in every grid; units and ranges are told in its schema."""

    lower: Decimal | None = None
    upper: Decimal | None = None
    auto_range: bool = False
    range_pct: Decimal = Decimal("5.0")
    grid_num: int = 10
    grid_mode: str = "arithmetic"
    quantity: Decimal | None = None
    quantity_quote: Decimal | None = None
    initial_max_slippage_bps: float = 30.0
    min_profit_check: bool = True
    trigger_price: Decimal | None = None
    stop_lower: Decimal | None = None
    stop_upper: Decimal | None = None
    on_range_exit: str = HOLD
    range_exit_confirm_s: float = 10.0
    trail_limit: int = 0
    trail_floor: Decimal | None = None
    max_recenters: int = 3
    max_active_orders: int = 0
    activation_pct: float | None = None
    batch_size: int | None = None

    def rules(self, instrument: Instrument) -> RangeRules:
        """Return what happens outside the range, in ticks."""
        return RangeRules(
            mode=self.on_range_exit,
            confirm_ns=int(self.range_exit_confirm_s * _SECOND_NS),
            stop_lower_ticks=_ticks_of(self.stop_lower, instrument),
            stop_upper_ticks=_ticks_of(self.stop_upper, instrument),
            trail_limit=self.trail_limit,
            trail_floor_ticks=_ticks_of(self.trail_floor, instrument),
            max_recenters=self.max_recenters,
        )

    def bounds(self, mid: Decimal, instrument: Instrument) -> tuple[int, int]:
        """Return the bounds in ticks, those of an automatic range around a mid. Raises ConfigError."""
        if self.lower is not None and self.upper is not None:
            return bounds_ticks(self.lower, self.upper, instrument)
        return range_around(mid, self.range_pct, instrument)

    def check_lines(self) -> None:
        """Refuse bounds and stops that contradict each other. Raises ConfigError."""
        _check_range(self)
        _check_stops(self)


def _ticks_of(price: Decimal | None, instrument: Instrument) -> int | None:
    return None if price is None else instrument.to_ticks(price)


def grid_values(kind: type[GridLineParams], config: Mapping[str, Any], decimals: Sequence[str]) -> dict[str, Any]:
    """Return the keys of a section that are fields of `kind`, those of prices and sizes as Decimal."""
    own = {field.name for field in dataclasses.fields(kind)}
    values = {key: value for key, value in config.items() if key in own and value is not None}
    return values | {key: Decimal(str(values[key])) for key in (*_DECIMALS, *decimals) if key in values}


def _check_range(params: GridLineParams) -> None:
    given = [bound for bound in (params.lower, params.upper) if bound is not None]
    if params.auto_range and given:
        raise ConfigError("lower and upper are not given with auto_range")
    if not params.auto_range and len(given) != 2:
        raise ConfigError("lower and upper are needed, or auto_range")
    if len(given) == 2 and given[0] >= given[1]:
        raise ConfigError("lower must be below upper")


def _check_stops(params: GridLineParams) -> None:
    lower, upper, below, above = params.lower, params.upper, params.stop_lower, params.stop_upper
    if below is not None and lower is not None and below >= lower:
        raise ConfigError("stop_lower must be below lower")
    if above is not None and upper is not None and above <= upper:
        raise ConfigError("stop_upper must be above upper")
    if below is not None and above is not None and below >= above:
        raise ConfigError("stop_lower must be below stop_upper")
    if params.trail_floor is not None and lower is not None and params.trail_floor > lower:
        raise ConfigError("trail_floor must not be above lower")
