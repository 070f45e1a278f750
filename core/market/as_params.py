"""The keys of avellaneda_stoikov, and what they are refused for; units and ranges are told in its schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.auto_gamma import AutoGammaSettings
from core.market.capital_sizing import CAPITAL, CapitalRules
from core.market.capital_sizing import FIXED as FIXED_SIZE
from core.market.care_params import CareParams
from core.market.horizon import Horizon
from core.market.intensity import IntensitySettings
from core.market.layers import LayerParams
from core.market.live_intensity import LiveIntensitySettings
from core.market.model_params import AUTO, ModelParams
from core.market.model_units import base_spread_complaint
from core.market.position_params import PositionParams, position_values
from core.market.quote_habits import HabitParams
from core.market.regime_params import RegimeParams
from core.market.sigma_sampler import SigmaSettings
from core.market.tape_params import TapeParams
from core.market.trend import TrendParams
from utils.errors import ConfigError

FIXED = "fixed"
_FAR_TICKS = 1e12  # a mid at which a spread is no large share of it, and a share of it no small spread
_SIZES = ("order_size", "order_size_quote", "volume_candle_size", "optimization_depth")


@dataclass(frozen=True, slots=True)
class AvellanedaStoikovParams(
    ModelParams, TrendParams, RegimeParams, TapeParams, CareParams, HabitParams, PositionParams
):
    """Model, estimators, bounds of the spread, layers; the position's keys are those of every perpetual's strategy."""

    horizon: str = "infinite"
    tau_min_s: float = 60.0
    session_start: str = "00:00"
    session_end: str = "00:00"
    flatten_at_end: bool = False
    q_unit: str = "max_position"
    min_spread_ticks: float | None = None
    max_spread_ticks: float | None = None
    min_profit_check: bool = False
    order_size_pct: float | None = None
    sizing: str = FIXED_SIZE
    capital_usage_pct: float = 99.0
    safety_margin_pct: float = 1.0
    capital_refresh_s: float = 60.0
    trending_skew_mult: float = 2.0
    volatile_gamma_mult: float = 1.5
    volatile_sigma_mult: float = 1.5
    boost_orders: int = 2
    boost_step_pct: float = 0.05
    minimum_spread_pct: float = 0.0
    params_file: str | None = None
    params_refresh_s: float = 900.0
    params_max_age_s: float = 14400.0
    require_params: bool = False

    @property
    def is_auto(self) -> bool:
        """Tell whether gamma is worked out."""
        return self.gamma == AUTO

    @property
    def fixed_gamma(self) -> float | None:
        """Return the risk aversion that is given, per unit of price."""
        return None if isinstance(self.gamma, str) else self.gamma

    @property
    def watches_tape(self) -> bool:
        """Tell whether kappa or A come from the trades."""
        return self.kappa is None or (self.model == "glft" and self.order_intensity is None)

    @property
    def sizes_by_worth(self) -> bool:
        """Tell whether the sizes follow from what the account is worth."""
        return self.sizing == CAPITAL or self.order_size_pct is not None

    def horizon_rule(self) -> Horizon:
        """Return how much time is left. Raises ValueError."""
        start, end = (_seconds_of_day(text) for text in (self.session_start, self.session_end))
        return Horizon(self.horizon, self.horizon_s, self.tau_min_s, start, end)

    def gamma_settings(self) -> AutoGammaSettings:
        """Return how gamma is worked out."""
        return AutoGammaSettings(self.full_inventory_shift, self.gamma_refresh_s)

    def sigma_settings(self) -> SigmaSettings:
        """Return how sigma is measured. Raises ValueError."""
        return SigmaSettings(
            method="returns" if self.sigma_method == FIXED else self.sigma_method,
            step_s=self.sigma_step_s,
            window=self.sigma_window,
            min_samples=self.sigma_min_samples,
            halflife_s=self.sigma_halflife_s,
            floor=self.sigma_floor,
            cap=self.sigma_cap,
        )

    def intensity_settings(self) -> LiveIntensitySettings:
        """Return how A and kappa are measured."""
        return LiveIntensitySettings(
            self.intensity_refresh_s,
            self.burst_interval_s,
            self.no_trade_timeout_s,
            IntensitySettings(window_s=self.intensity_window_s, min_bursts=self.intensity_min_bursts),
        )

    def layer_params(self) -> LayerParams:
        """Return what the sizes of the layers follow from; their prices follow from the model.

        With sizes by what the account is worth they are those of an order of one quote.
        """
        return LayerParams(
            layers=self.layers,
            order_size=self.order_size,
            order_size_quote=Decimal(1) if self.sizes_by_worth else self.order_size_quote,
            size_ratio=self.size_ratio,
            price_source=self.price_source,
        )

    def capital_rules(self) -> CapitalRules:
        """Return how the size of an order follows from what the account is worth."""
        return CapitalRules(
            self.capital_usage_pct,
            self.safety_margin_pct,
            float(self.leverage or 1),
            self.layers,
            self.sigma_ref,
            int(self.capital_refresh_s * 1_000_000_000),
        )

    def complaint(self, mid_ticks: float, tick_size: float) -> str | None:
        """Return why the spread of gamma and kappa cannot be meant at a mid; None is well, or kappa is measured."""
        kappas = self.each_of("kappa", self.kappa)
        if not kappas:
            return None
        gammas = self.each_of("gamma", self.fixed_gamma or 0.0)  # one that is worked out narrows the widest, 2 / kappa
        for gamma, kappa in {(min(gammas), min(kappas)), (max(gammas), max(kappas))}:  # widest and narrowest
            complaint = base_spread_complaint(self.unit, gamma, kappa, mid_ticks, tick_size)
            if complaint is not None:
                return complaint
        return None

    def complaint_at_any_price(self, tick_size: float) -> str | None:
        """Return the same as far as it does not depend on the price."""
        return self.complaint(_FAR_TICKS, tick_size)


def params_of(strategy_config: Mapping[str, Any]) -> AvellanedaStoikovParams:
    """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
    own = {field.name for field in dataclasses.fields(AvellanedaStoikovParams)}
    given = {key: value for key, value in strategy_config.items() if key in own}
    values = {key: value for key, value in given.items() if value is not None}
    values |= {key: Decimal(str(values[key])) for key in _SIZES if key in values}
    if "kappa" in given and given["kappa"] is None:  # null is "measure it", and not the default
        values["kappa"] = None
    params = AvellanedaStoikovParams(**position_values(values, strategy_config))
    _check(params)
    return params


def with_file(params: AvellanedaStoikovParams, values: Mapping[str, float]) -> AvellanedaStoikovParams:
    """Return the parameters with those of a file in their place. Raises ConfigError when they do not go together."""
    changed: dict[str, Any] = dict(values)
    if "sigma" in values:
        changed["sigma_method"] = FIXED
    merged = dataclasses.replace(params, **changed)
    _check(merged)
    return merged


def _check(params: AvellanedaStoikovParams) -> None:
    given = sum(size is not None for size in (params.order_size, params.order_size_quote, params.order_size_pct))
    if params.sizing == CAPITAL and given:
        raise ConfigError("with sizing 'capital' neither order_size nor order_size_quote nor order_size_pct is given")
    if params.sizing != CAPITAL and given != 1:
        raise ConfigError("exactly one of order_size, order_size_quote and order_size_pct is needed")
    params.check_care()
    params.check_habits()
    if isinstance(params.gamma, str) and params.gamma != AUTO:
        raise ConfigError(f'gamma was {params.gamma!r}; it is a number or "auto"')
    if not params.min_spread_bps < params.max_spread_bps:
        raise ConfigError("min_spread_bps must be below max_spread_bps")
    if (params.min_spread_ticks is None) != (params.max_spread_ticks is None):
        raise ConfigError("min_spread_ticks and max_spread_ticks need each other")
    if not (params.min_spread_ticks or 0.0) <= (params.max_spread_ticks or 0.0):
        raise ConfigError("min_spread_ticks must not be above max_spread_ticks")
    if (params.sigma_method == FIXED) != (params.sigma is not None):
        raise ConfigError("sigma and sigma_method 'fixed' need each other")
    if params.regime_params and params.regime_model_file is None:
        raise ConfigError("regime_params needs regime_model_file")
    if not (params.rsi_low < params.rsi_high and params.chop_low < params.chop_high):
        raise ConfigError("rsi_low and chop_low must be below rsi_high and chop_high")
    try:
        params.horizon_rule()
        params.sigma_settings()
        params.make_filter()
    except ValueError as exc:
        raise ConfigError(str(exc)) from exc
    params.protection_rules()


def _seconds_of_day(text: str) -> int:
    """Return the seconds after midnight of HH:MM. Raises ValueError."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 3600 + int(minutes) * 60
