"""The keys of grid_strategy, and what they are refused for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.grid_lines import GridLines, make_lines
from core.market.grid_params import GridLineParams, grid_values
from core.market.grid_sizing import Sizing
from core.market.instrument import Instrument
from core.market.spot_grid import check_spot_grid
from utils.errors import ConfigError

_DECIMALS = ("total_investment",)


@dataclass(frozen=True, slots=True)
class GridParams(GridLineParams):
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    total_investment: Decimal | None = None
    initial_inventory: str = "use_balance"
    profit_mode: str = "quote"

    @property
    def sizing(self) -> Sizing:
        """Return how much a cell trades."""
        return Sizing(self.quantity, self.quantity_quote, self.total_investment)

    @property
    def keeps_base(self) -> bool:
        """Tell whether what is earned stays in base."""
        return self.profit_mode == "base"

    def lines(self, bounds: tuple[int, int], instrument: Instrument) -> GridLines:
        """Return the lines between two bounds in ticks. Raises ConfigError for a grid that cannot be."""
        lines = make_lines(self.grid_mode, *bounds, self.grid_num)
        check_spot_grid(lines, self.sizing, instrument, self.min_profit_check)
        return lines


def spot_grid_params(strategy_config: Mapping[str, Any]) -> GridParams:
    """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
    params = GridParams(**grid_values(GridParams, strategy_config, _DECIMALS))
    params.check_lines()
    sizes = (params.quantity, params.quantity_quote, params.total_investment)
    if sum(size is not None for size in sizes) != 1:
        raise ConfigError("exactly one of quantity, quantity_quote and total_investment is needed")
    return params
