"""The limits of one bot on one market: the section `risk_config` in lots, ticks and quote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.instrument import CEIL, FLOOR, Instrument
from utils.errors import ConfigError

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """The `risk_config` section in lots, ticks and quote; None is "no limit"."""

    max_position_lots: int | None = None
    max_position_quote: Decimal | None = None
    max_order_lots: int | None = None
    max_open_orders: int = 50
    max_loss_quote: Decimal | None = None
    max_loss_action: str = "cancel"
    max_drawdown_pct: float | None = None
    max_drawdown_action: str = "close_and_stop"
    max_profit_quote: Decimal | None = None
    max_profit_action: str = "close_and_stop"
    max_book_age_ns: int = 5 * _NS
    max_position_age_ns: int = 30 * _NS
    max_spread_bps: float | None = None
    price_floor_ticks: int | None = None
    price_ceiling_ticks: int | None = None
    max_unrealised_loss_quote: Decimal | None = None
    max_unrealised_loss_action: str = "close"
    profit_lock_start_quote: Decimal | None = None
    profit_lock_pct: float | None = None
    profit_lock_action: str = "close_and_stop"
    max_price_move_pct: float | None = None
    price_move_window_ns: int = 60 * _NS
    price_move_cooldown_ns: int = 60 * _NS
    reference_deviation_bps: float | None = None

    @classmethod
    def from_config(
        cls, risk_config: Mapping[str, Any], instrument: Instrument, has_reference: bool = False
    ) -> RiskLimits:
        """Return the limits of a validated section. Raises ConfigError for one that cannot be kept.

        `has_reference`: the price of another market is looked at, too.
        """
        config = {key: value for key, value in risk_config.items() if value is not None}
        defaults = cls()
        return cls(
            max_position_lots=_lots(config, "max_position", instrument),
            max_position_quote=_decimal(config, "max_position_usd"),
            max_order_lots=_lots(config, "max_order_size", instrument),
            max_open_orders=int(config.get("max_open_orders", defaults.max_open_orders)),
            max_loss_quote=_decimal(config, "max_loss"),
            max_loss_action=config.get("max_loss_action", defaults.max_loss_action),
            max_drawdown_pct=config.get("max_drawdown_pct"),
            max_drawdown_action=config.get("max_drawdown_action", defaults.max_drawdown_action),
            max_profit_quote=_decimal(config, "max_profit"),
            max_profit_action=config.get("max_profit_action", defaults.max_profit_action),
            max_unrealised_loss_quote=_decimal(config, "max_unrealised_loss"),
            max_unrealised_loss_action=config.get("max_unrealised_loss_action", defaults.max_unrealised_loss_action),
            profit_lock_start_quote=_decimal(config, "profit_lock_start"),
            profit_lock_pct=config.get("trailing_profit_lock_pct"),
            profit_lock_action=config.get("trailing_profit_lock_action", defaults.profit_lock_action),
            max_book_age_ns=_nanoseconds(config, "max_book_age_s", defaults.max_book_age_ns),
            max_position_age_ns=_nanoseconds(config, "max_position_age_s", defaults.max_position_age_ns),
            max_spread_bps=config.get("max_spread_bps"),
            price_floor_ticks=_ticks(config, "price_floor", instrument, CEIL),
            price_ceiling_ticks=_ticks(config, "price_ceiling", instrument, FLOOR),
            max_price_move_pct=config.get("max_price_move_pct"),
            price_move_window_ns=_nanoseconds(config, "price_move_window_s", defaults.price_move_window_ns),
            price_move_cooldown_ns=_nanoseconds(config, "price_move_cooldown_s", defaults.price_move_cooldown_ns),
            reference_deviation_bps=_reference_limit(config, instrument, has_reference),
        )


def _decimal(config: Mapping[str, Any], key: str) -> Decimal | None:
    return Decimal(str(config[key])) if key in config else None


def _reference_limit(config: Mapping[str, Any], instrument: Instrument, has_reference: bool) -> float | None:
    limit: float | None = config.get("reference_deviation_bps")
    if limit is not None and instrument.kind == "spot" and not has_reference:
        told = f"{instrument.symbol} is a spot market, of which no index is told; name another one in reference_config"
        raise ConfigError(f"risk_config.reference_deviation_bps: {told}")
    return limit


def _lots(config: Mapping[str, Any], key: str, instrument: Instrument) -> int | None:
    size = _decimal(config, key)
    if size is None:
        return None
    lots = instrument.to_lots(size)
    if lots < 1:
        raise ConfigError(f"risk_config.{key}: {size} is less than one lot ({instrument.lot_size} {instrument.base})")
    return lots


def _ticks(config: Mapping[str, Any], key: str, instrument: Instrument, rounding: str) -> int | None:
    price = _decimal(config, key)
    return None if price is None else instrument.to_ticks(price, rounding)


def _nanoseconds(config: Mapping[str, Any], key: str, default: int) -> int:
    return int(Decimal(str(config[key])) * _NS) if key in config else default
