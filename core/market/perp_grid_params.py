"""The keys of perp_grid_strategy, and what they are refused for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.barriers import BarrierParams
from core.market.grid_lines import GridLines, make_lines, range_around
from core.market.grid_params import GridLineParams, grid_values
from core.market.grid_range import TRAIL_BOTH, TRAIL_DOWN, TRAIL_UP
from core.market.grid_sizing import Sizing
from core.market.instrument import Instrument
from core.market.perp_grid import NEUTRAL
from core.market.perp_layout import GridTerms, PerpLayout
from core.market.risk_limits import RiskLimits
from utils.errors import ConfigError

_DECIMALS = ("neutral_center", "leverage", "stop_loss", "take_profit")
_SECOND_NS = 1_000_000_000
_WIDER = Decimal("1.5")  # each try to close may trade this much farther


@dataclass(frozen=True, slots=True)
class PerpGridParams(GridLineParams, BarrierParams):
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    grid_type: str = NEUTRAL
    neutral_center: Decimal | None = None
    initial_position: str = "none"
    leverage: Decimal = Decimal("1.0")
    margin_mode: str | None = "cross"
    margin_buffer_pct: float = 20.0
    close_market_after: int = 3
    position_sync_s: float = 60.0
    reduce_slippage_bps: float = 20.0
    max_close_slippage_bps: float = 200.0
    barrier_base: str = "equity"
    after_barrier: str = "stop"

    @property
    def sizing(self) -> Sizing:
        """Return how much a cell trades, an empty one when the margin decides."""
        return Sizing(self.quantity, self.quantity_quote)

    def pause_ns(self) -> int:
        """Return how long no grid is begun after a barrier."""
        return int(self.barrier_cooldown_s * _SECOND_NS) if self.after_barrier == "wait" else 0

    def terms(self, instrument: Instrument) -> GridTerms:
        """Return what every layout of this bot has in common."""
        rules = self.rules(instrument)
        stops = (rules.stop_lower_ticks, rules.stop_upper_ticks)
        return GridTerms(self.grid_type, self.leverage, self.min_profit_check, *stops)

    def layout(
        self, mid: Decimal, free_margin: Decimal | None, instrument: Instrument, limits: RiskLimits
    ) -> PerpLayout | None:
        """Return a grid whose cells are empty; an automatic range and the centre are those of a mid.

        None: the margin decides about the size, and is not known. Raises ConfigError.
        """
        lines = make_lines(self.grid_mode, *self.bounds(mid, instrument), self.grid_num)
        centre = instrument.to_ticks(mid if self.neutral_center is None else self.neutral_center)
        if self.grid_type == NEUTRAL and not lines.lower_ticks < centre < lines.upper_ticks:
            raise ConfigError("the centre of a neutral grid must be between its bounds; set neutral_center")
        sizing = self._sizing_for(lines, free_margin, instrument)
        if sizing is None:
            return None
        laid = PerpLayout.make(self.terms(instrument), lines, centre, sizing, instrument)
        laid.check(limits)
        return laid

    def lines_around(self, mid: Decimal, instrument: Instrument) -> GridLines:
        """Return the lines of an automatic range. Raises ConfigError."""
        return make_lines(self.grid_mode, *range_around(mid, self.range_pct, instrument), self.grid_num)

    def _sizing_for(self, lines: GridLines, free_margin: Decimal | None, instrument: Instrument) -> Sizing | None:
        """Return the configured size, or what the free margin carries; None while that is not known."""
        if self.sizing != Sizing():
            return self.sizing
        if free_margin is None:
            return None
        usable = free_margin * (1 - Decimal(str(self.margin_buffer_pct)) / 100) * self.leverage
        value = instrument.tick_size * instrument.contract_size * sum(lines.all())
        return Sizing(quantity=usable / value)

    def close_slippage_bps(self, tries: int) -> Decimal:
        """Return how far through the touch a closing order may trade after so many that left something."""
        most, first = Decimal(str(self.max_close_slippage_bps)), Decimal(str(self.reduce_slippage_bps))
        return min(most, first * _WIDER ** min(tries, 40))


def perp_grid_params(strategy_config: Mapping[str, Any]) -> PerpGridParams:
    """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
    values = grid_values(PerpGridParams, strategy_config, _DECIMALS)
    if "margin_mode" in strategy_config:  # null is "leave it as it is", and not the default
        values["margin_mode"] = strategy_config["margin_mode"]
    params = PerpGridParams(**values)
    params.check_lines()
    _check_kind(params)
    params.barriers()
    return params


def _check_kind(params: PerpGridParams) -> None:
    centre, lower, upper = params.neutral_center, params.lower, params.upper
    if centre is not None and lower is not None and upper is not None and not lower < centre < upper:
        raise ConfigError("neutral_center must be between lower and upper")
    if centre is not None and params.grid_type != NEUTRAL:
        raise ConfigError("neutral_center needs grid_type 'neutral'")
    if params.initial_position != "none" and params.grid_type == NEUTRAL:
        raise ConfigError("a neutral grid has no initial_position")
    if params.on_range_exit in (TRAIL_UP, TRAIL_DOWN, TRAIL_BOTH) and params.grid_type == NEUTRAL:
        raise ConfigError("a neutral grid does not trail: its centre is fixed; on_range_exit 'recenter' moves it")
    if params.quantity is not None and params.quantity_quote is not None:
        raise ConfigError("at most one of quantity and quantity_quote is given")
