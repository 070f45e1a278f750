"""The keys of avellaneda_stoikov_group, and what they are refused for; units and ranges are told in its schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.account_needs import AccountNeeds
from core.market.as_params import AUTO, AvellanedaStoikovParams
from core.market.as_params import params_of as model_params_of
from core.market.barriers import BarrierParams
from core.market.expiry import ExpiryRules
from core.market.protection import ProtectionRules
from utils.errors import ConfigError
from utils.group_legs import MAIN, legs_of_group

_SECOND_NS = 1_000_000_000
_DECIMALS = ("order_size", "order_size_quote", "group_max_position", "group_max_notional", "leverage")
_MONEY = ("stop_loss", "take_profit")
_NULLABLE = ("kappa", "leverage", "margin_mode")  # null is a choice, and not the default


@dataclass(frozen=True, slots=True)
class GroupInstrument:
    """One instrument of a group; `leg` is its name in the bot."""

    leg: str
    symbol: str
    max_position: Decimal  # base
    weight: float = 1.0
    quote: bool = True
    beta: float = 1.0
    max_book_age_s: float = 0.0  # read by the loop

    @property
    def is_main(self) -> bool:
        """Tell whether the others are held against it."""
        return self.leg == MAIN


@dataclass(frozen=True, slots=True)
class GroupParams(BarrierParams):
    """The group, the model of each instrument, and what is done for its position."""

    instruments: tuple[GroupInstrument, ...] | None = None
    group_max_position: Decimal | None = None
    group_max_notional: Decimal | None = None
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
    thin_spread_bps: float = 50.0
    thin_size_quote: float = 0.0
    thin_after_s: float = 5.0
    basis_halflife_s: float = 300.0
    rebalance_util: float = 0.8
    rebalance_cooldown_s: float = 300.0
    leverage: Decimal | None = Decimal(1)
    margin_mode: str | None = "cross"
    one_way_check: bool = True
    roll_before_s: float = 86400.0
    stop_before_s: float = 3600.0
    reduce_slippage_bps: float = 20.0
    max_close_slippage_bps: float = 200.0
    liquidation_buffer_pct: float = 10.0

    @property
    def rows(self) -> tuple[GroupInstrument, ...]:
        """Return the instruments, the main one first."""
        return self.instruments or ()

    @property
    def limit(self) -> Decimal:
        """Return the greatest net delta."""
        return self.group_max_position or Decimal(0)

    @property
    def widest_bps(self) -> float:
        """Return how far an order that closes may trade at the most."""
        return max(self.reduce_slippage_bps, self.max_close_slippage_bps)

    def share_of(self, instrument: GroupInstrument) -> float:
        """Return an instrument's share of what the group's limits leave."""
        return instrument.weight / sum(one.weight for one in self.rows if one.quote) if instrument.quote else 0.0

    def of_model(self) -> AvellanedaStoikovParams:
        """Return the model's own parameters, which are those of each instrument. Raises ConfigError."""
        own = {field.name for field in dataclasses.fields(AvellanedaStoikovParams)}
        shared = own & {field.name for field in dataclasses.fields(self)}
        return model_params_of({name: getattr(self, name) for name in shared})

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


def params_of(strategy_config: Mapping[str, Any]) -> GroupParams:
    """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
    own = {field.name for field in dataclasses.fields(GroupParams)}
    values = {key: value for key, value in strategy_config.items() if key in own and value is not None}
    values |= {key: Decimal(str(values[key])) for key in (*_DECIMALS, *_MONEY) if key in values}
    values |= {key: None for key in _NULLABLE if key in strategy_config and strategy_config[key] is None}
    if "instruments" in values:
        values["instruments"] = _instruments(strategy_config)
    params = GroupParams(**values)
    params.of_model()
    params.protection_rules()
    return params


def _instruments(strategy_config: Mapping[str, Any]) -> tuple[GroupInstrument, ...] | None:
    rows = strategy_config["instruments"]
    if not rows:
        return None
    found = []
    for leg, row in legs_of_group(strategy_config["symbol"], rows):
        values = {**row, "leg": leg, "max_position": Decimal(str(row["max_position"]))}
        found.append(GroupInstrument(**values))
    if not any(one.is_main for one in found):
        raise ConfigError(f"{strategy_config['symbol']} is none of the instruments")
    if not any(one.quote for one in found):
        raise ConfigError("none of the instruments is quoted")
    return tuple(found)
