"""What no single key can say: named checks across keys. All run, each skips what is already complained of.

A check is a small pure function and one entry of the table. It looks at keys, not at names of strategies: one that has
not the keys has nothing to complain of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.registry.checks.barriers import (
    check_barriers_are_not_zero,
    check_pairs,
    check_sigma_is_given_when_fixed,
    check_thresholds_ascend,
)
from core.registry.checks.draft import VENUE_SECTIONS, Draft, KindOf, kind_by_symbol
from core.registry.checks.grid import (
    check_grid_centre,
    check_grid_earns,
    check_grid_fits_position,
    check_grid_is_affordable,
    check_grid_is_not_liquidated,
    check_grid_range,
    check_grid_size,
    check_grid_stops,
)
from core.registry.checks.group import (
    check_an_instrument_is_quoted,
    check_instruments_differ,
    check_one_order_fits_the_group,
    check_symbol_is_an_instrument,
)
from core.registry.checks.hedge import (
    check_hedge_account_is_said_once,
    check_hedge_keys_have_a_leg,
    check_hedge_perp_has_position_limit,
    check_hedge_section_has_a_leg,
    check_hedge_venue_is_known,
    check_legs_are_two_markets,
    check_legs_have_one_mode,
    check_legs_have_one_money,
    check_profits_ascend,
)
from core.registry.checks.layers import (
    check_cycle_fits_interval,
    check_exactly_one_order_size,
    check_layer_lists,
    check_layer_spreads_ascend,
    check_one_answer_to_a_fill,
)
from core.registry.checks.limits import (
    check_live_has_keys,
    check_one_order_fits_the_position,
    check_perp_has_position_limit,
    check_price_bounds,
    check_shared_symbol_is_spot,
)
from core.registry.checks.money import check_layers_are_affordable, check_spread_is_above_fees
from core.registry.checks.positions import check_on_stop, check_startup_position
from core.registry.checks.reference import (
    check_external_price_has_a_reference,
    check_reference_has_our_money,
    check_reference_keys_are_of_its_venue,
    check_reference_names_a_venue,
    check_reference_venue_is_known,
)
from core.registry.checks.supervision import check_backoff, check_bot_has_no_schedule, check_name_is_free
from core.registry.complaints import Problem

__all__ = ["CHECKS", "VENUE_SECTIONS", "Draft", "KindOf", "kind_by_symbol", "run_checks"]
Check = Callable[[Draft], Iterator[Problem]]
_EVERY, _BOTS = ("bot", "job"), ("bot",)

# check -> the kinds of configs that it is for
CHECKS: dict[Check, tuple[str, ...]] = {
    check_name_is_free: _EVERY,
    check_backoff: _EVERY,
    check_bot_has_no_schedule: _BOTS,
    check_exactly_one_order_size: _BOTS,
    check_layer_lists: _BOTS,
    check_layer_spreads_ascend: _BOTS,
    check_cycle_fits_interval: _BOTS,
    check_one_answer_to_a_fill: _BOTS,
    check_price_bounds: _BOTS,
    check_perp_has_position_limit: _BOTS,
    check_one_order_fits_the_position: _BOTS,
    check_shared_symbol_is_spot: _BOTS,
    check_live_has_keys: _BOTS,
    check_spread_is_above_fees: _BOTS,
    check_layers_are_affordable: _BOTS,
    check_hedge_section_has_a_leg: _BOTS,
    check_hedge_keys_have_a_leg: _BOTS,
    check_hedge_venue_is_known: _BOTS,
    check_legs_are_two_markets: _BOTS,
    check_legs_have_one_mode: _BOTS,
    check_legs_have_one_money: _BOTS,
    check_hedge_account_is_said_once: _BOTS,
    check_profits_ascend: _BOTS,
    check_hedge_perp_has_position_limit: _BOTS,
    check_instruments_differ: _BOTS,
    check_symbol_is_an_instrument: _BOTS,
    check_an_instrument_is_quoted: _BOTS,
    check_one_order_fits_the_group: _BOTS,
    check_grid_range: _BOTS,
    check_grid_stops: _BOTS,
    check_grid_centre: _BOTS,
    check_grid_size: _BOTS,
    check_grid_earns: _BOTS,
    check_grid_is_affordable: _BOTS,
    check_grid_fits_position: _BOTS,
    check_grid_is_not_liquidated: _BOTS,
    check_barriers_are_not_zero: _BOTS,
    check_pairs: _BOTS,
    check_thresholds_ascend: _BOTS,
    check_sigma_is_given_when_fixed: _BOTS,
    check_startup_position: _BOTS,
    check_on_stop: _BOTS,
    check_reference_names_a_venue: _BOTS,
    check_reference_venue_is_known: _BOTS,
    check_reference_keys_are_of_its_venue: _BOTS,
    check_external_price_has_a_reference: _BOTS,
    check_reference_has_our_money: _BOTS,
}


def run_checks(draft: Draft, kind: str = "bot") -> Iterator[Problem]:
    """Yield what every check of configs of that kind finds."""
    for check, kinds in CHECKS.items():
        if kind in kinds:
            yield from check(draft)
