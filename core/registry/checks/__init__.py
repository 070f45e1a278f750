"""What no single key can say: named checks across keys. All run, each skips what is already complained of.

A check is a small pure function and one entry of the table. It looks at keys, not at names of strategies: one that has
not the keys has nothing to complain of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.registry.checks.draft import Draft, KindOf, kind_by_symbol
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
from core.registry.checks.supervision import check_backoff, check_bot_has_no_schedule, check_name_is_free
from core.registry.complaints import Problem

__all__ = ["CHECKS", "Draft", "KindOf", "kind_by_symbol", "run_checks"]
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
}


def run_checks(draft: Draft, kind: str = "bot") -> Iterator[Problem]:
    """Yield what every check of configs of that kind finds."""
    for check, kinds in CHECKS.items():
        if kind in kinds:
            yield from check(draft)
