"""The keys of the model that one instrument and a group of them share; units and ranges are told in their schemas."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

AUTO = "auto"


@dataclass(frozen=True)  # without slots: strategies' parameters have it beside another base
class ModelParams:
    """Model, estimators, bounds of the spread, sizes and layers."""

    model: str = "as"
    unit: str = "relative"
    gamma: float | str = AUTO
    full_inventory_shift: float = 1.0
    gamma_refresh_s: float = 60.0
    kappa: float | None = 1000.0
    order_intensity: float | None = None
    horizon_s: float = 3600.0
    min_spread_bps: float = 10.0
    max_spread_bps: float = 200.0
    fee_floor_mult: float = 1.2
    profit_margin_bps: float = 0.0
    fallback_spread_bps: float = 3.5
    sigma_method: str = "returns"
    sigma: float | None = None
    sigma_step_s: float = 1.0
    sigma_window: int = 200
    sigma_min_samples: int = 20
    sigma_halflife_s: float = 60.0
    sigma_floor: float = 1e-6
    sigma_cap: float = 0.01
    sigma_refresh_s: float = 10.0
    intensity_window_s: float = 1800.0
    intensity_refresh_s: float = 60.0
    intensity_min_bursts: int = 200
    burst_interval_s: float = 1.0
    no_trade_timeout_s: float = 600.0
    order_size: Decimal | None = None
    order_size_quote: Decimal | None = None
    size_ratio: float = 1.0
    order_amount_shape: float = 0.0
    layers: int = 7
    layer_spacing_pct: float = 0.12
    spacing_spread_mult: float = 0.0
    price_source: str = "mid"
