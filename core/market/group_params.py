"""The keys of avellaneda_stoikov_group, and what they are refused for; units and ranges are told in its schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.as_params import AvellanedaStoikovParams
from core.market.as_params import params_of as model_params_of
from core.market.model_params import ModelParams
from core.market.position_params import MarginParams
from utils.errors import ConfigError
from utils.group_legs import MAIN, legs_of_group

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
class GroupParams(ModelParams, MarginParams):
    """The group, the model of each instrument, and what is done for its position."""

    instruments: tuple[GroupInstrument, ...] | None = None
    group_max_position: Decimal | None = None
    group_max_notional: Decimal | None = None
    thin_spread_bps: float = 50.0
    thin_size_quote: float = 0.0
    thin_after_s: float = 5.0
    basis_halflife_s: float = 300.0
    rebalance_util: float = 0.8
    rebalance_cooldown_s: float = 300.0

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
        keys = {field.name for base in (ModelParams, MarginParams) for field in dataclasses.fields(base)}
        return model_params_of({name: getattr(self, name) for name in keys})


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
