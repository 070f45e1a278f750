"""Which markets and limits the parameters of avellaneda_stoikov make no sense with."""

from __future__ import annotations

from core.market.as_params import AvellanedaStoikovParams
from core.market.as_quotes import fee_floor_bps
from core.market.instrument import Instrument
from core.market.risk_limits import RiskLimits
from utils.errors import ConfigError


def check_market(params: AvellanedaStoikovParams, instrument: Instrument, limit: RiskLimits) -> None:
    """Refuse a market or limits. Raises ConfigError."""
    if instrument.kind == "spot":
        raise ConfigError(f"{instrument.symbol} is spot: avellaneda_stoikov trades perpetuals and futures")
    if limit.max_position_lots is None and limit.max_position_quote is None:
        raise ConfigError("risk_config.max_position: a full inventory must be known")
    refusal = params.complaint_at_any_price(float(instrument.tick_size))
    if refusal is not None:
        raise ConfigError(f"gamma and kappa: {refusal}")
    least_pct = params.least_profit_pct()
    if least_pct is not None and least_pct * 100 <= float(instrument.taker_fee_bps):
        raise ConfigError(f"upnl_take_profit_pct: closing costs {float(instrument.taker_fee_bps) / 100:g} % in fees")
    floor_bps, is_in_bps = fee_floor_bps(params, instrument), params.min_spread_ticks is None
    if is_in_bps and floor_bps > params.max_spread_bps:
        raise ConfigError(f"max_spread_bps: fees and margin ask for a spread of {floor_bps:g} bps")
    if params.min_profit_check and is_in_bps and params.min_spread_bps < floor_bps:
        raise ConfigError(f"min_spread_bps: fees and margin ask for at least {floor_bps:g} (min_profit_check)")
