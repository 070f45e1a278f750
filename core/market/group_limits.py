"""The limits of a group of instruments, held whatever fills: how many lots each leg may still buy and sell. Pure.

The net delta of a group is the sum of beta x position over its legs, in base of the main one. Every order that may
still fill, on any leg, is counted at its worst: all buys and no sells for what may be bought, the reverse for what may
be sold. What is held and what is outstanding together stay inside then, in whatever order and share they fill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

from core.market.group_room import GroupRoom
from utils.errors import ConfigError
from utils.group_legs import legs_of_group

if TYPE_CHECKING:
    from core.market.instrument import Instrument
    from core.market.risk_limits import RiskLimits

MAX_POSITION, MAX_NOTIONAL, NO_MARK = "group_max_position", "group_max_notional", "no_mark"
_ZERO = Decimal(0)
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """What a group may hold: its net delta (base of the main leg), its gross value (quote), and each leg's size."""

    max_position: Decimal
    max_notional: Decimal | None
    betas: Mapping[str, Decimal]  # by leg
    max_positions: Mapping[str, Decimal]  # base, by leg
    book_ages_ns: Mapping[str, int] = field(default_factory=dict)  # by leg, where a book may be older than others

    @classmethod
    def from_config(cls, strategy_config: Mapping[str, Any]) -> GroupLimits | None:
        """Return the limits of a validated section, None for one that has no group."""
        instruments = strategy_config.get("instruments")
        if not instruments:
            return None
        rows = dict(legs_of_group(strategy_config["symbol"], instruments))
        notional = strategy_config.get(MAX_NOTIONAL)
        return cls(
            Decimal(str(strategy_config[MAX_POSITION])),
            None if notional is None else Decimal(str(notional)),
            {leg: Decimal(str(row.get("beta", 1))) for leg, row in rows.items()},
            {leg: Decimal(str(row["max_position"])) for leg, row in rows.items()},
            {leg: int(Decimal(str(row.get("max_book_age_s", 0))) * _SECOND_NS) for leg, row in rows.items()},
        )

    def of_leg(self, leg: str, limits: RiskLimits, instrument: Instrument) -> RiskLimits:
        """Return a leg's limits with its own greatest position and book age. Raises ConfigError for one below a lot."""
        base = self.max_positions[leg]
        lots = instrument.to_lots(base / instrument.contract_size)
        if lots < 1:
            told = f"{base} is less than one lot ({instrument.lot_base} {instrument.base})"
            raise ConfigError(f"strategy_config.instruments: max_position of {instrument.symbol}: {told}")
        given, age_ns = limits.max_position_lots, max(limits.max_book_age_ns, self.book_ages_ns.get(leg, 0))
        most = lots if given is None else min(given, lots)
        return replace(limits, max_position_lots=most, max_book_age_ns=age_ns)

    def without_value(self) -> GroupLimits:
        """Return the same without the limit that needs prices."""
        return replace(self, max_notional=None)


@dataclass(frozen=True, slots=True)
class LegLoad:
    """A leg as the group sees it; `buy_lots` and `sell_lots` are all that may still fill."""

    instrument: Instrument
    held_lots: int
    buy_lots: int = 0
    sell_lots: int = 0
    price_ticks: int | None = None  # that its value is counted at; None is not known

    @property
    def worst_lots(self) -> int:
        """Return the largest position that can come of it."""
        return max(abs(self.held_lots + self.buy_lots), abs(self.held_lots - self.sell_lots))


def net_delta(betas: Mapping[str, Decimal], loads: Mapping[str, LegLoad]) -> Decimal:
    """Return the signed sum of beta x position, in base of the main leg."""
    return sum((load.held_lots * unit_of(betas[leg], load.instrument) for leg, load in loads.items()), _ZERO)


def unit_of(beta: Decimal, instrument: Instrument) -> Decimal:
    """Return what one lot adds to the net delta."""
    return beta * instrument.lot_base


def room_in_group(limits: GroupLimits, leg: str, loads: Mapping[str, LegLoad]) -> GroupRoom:
    """Return what a leg may buy and sell so that no limit of the group can be passed, whatever fills."""
    unit, net = unit_of(limits.betas[leg], loads[leg].instrument), net_delta(limits.betas, loads)
    buys = sells = _ZERO
    for name, load in loads.items():
        if name != leg:
            each = unit_of(limits.betas[name], load.instrument)
            buys, sells = buys + load.buy_lots * each, sells + load.sell_lots * each
    by_delta = (_floor((limits.max_position - net - buys) / unit), _floor((limits.max_position + net - sells) / unit))
    most, why = _most_by_value(limits, leg, loads)
    if most is None:
        return GroupRoom(*by_delta, MAX_POSITION, MAX_POSITION)
    held = loads[leg].held_lots
    by_value = (most - held, most + held)
    reasons = [why if value < delta else MAX_POSITION for value, delta in zip(by_value, by_delta, strict=True)]
    return GroupRoom(min(by_delta[0], by_value[0]), min(by_delta[1], by_value[1]), *reasons)


def _most_by_value(limits: GroupLimits, leg: str, loads: Mapping[str, LegLoad]) -> tuple[int | None, str]:
    """Return the largest position of a leg that the gross value allows, and what stands in its way; None: no limit."""
    if limits.max_notional is None:
        return None, ""
    left = limits.max_notional
    for name, load in loads.items():
        if name != leg and load.worst_lots:
            if load.price_ticks is None:
                return 0, NO_MARK
            left -= load.worst_lots * load.price_ticks * load.instrument.unit_quote
    own = loads[leg]
    if own.price_ticks is None:
        return 0, NO_MARK
    return max(0, _floor(left / (own.price_ticks * own.instrument.unit_quote))), MAX_NOTIONAL


def _floor(lots: Decimal) -> int:
    return int(lots.to_integral_value(ROUND_FLOOR))
