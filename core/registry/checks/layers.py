"""Checks of the orders that a quoting strategy would send: which, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from core.registry.checks.draft import Draft, check_order
from core.registry.complaints import Problem
from core.registry.wording import shown


def check_exactly_one_order_size(draft: Draft) -> Iterator[Problem]:
    """A size is given in base or quote units or as a share, once; sizes of all layers, or by capital, need none."""
    keys = ("order_size", "order_size_quote")
    if not draft.sound("strategy_config", "layer_sizes", "order_size_pct", *keys) or not all(
        key in draft.strategy for key in keys
    ):
        return
    given = [key for key in (*keys, "order_size_pct") if draft.strategy.get(key) is not None]
    if draft.strategy.get("sizing") == "capital":
        if given:
            yield Problem(("strategy_config", given[0]), "a size", 'null, because sizing is "capital"')
        return
    if len(given) > 1 or not (given or draft.strategy.get("layer_sizes")):
        found = f"both {given[0]} and {given[-1]}" if given else "neither order_size nor order_size_quote"
        yield Problem(("strategy_config", given[-1] if given else keys[0]), found, "exactly one of the two")


def check_one_answer_to_a_fill(draft: Draft) -> Iterator[Problem]:
    """A fill is answered on the other side by an order that stays, or by quoting that side alone, not by both."""
    if draft.strategy.get("hanging_orders") is True and draft.strategy.get("ping_pong") is True:
        yield Problem(("strategy_config", "ping_pong"), "true", "false, because hanging_orders is true")


def check_layer_lists(draft: Draft) -> Iterator[Problem]:
    """Explicit layers need the mode that reads them, and a value for each layer."""
    keys = ("layer_spreads_pct", "layer_sizes")
    mode, layers = draft.strategy.get("layer_mode"), draft.number("strategy_config", "layers")
    if not draft.sound("strategy_config", "layer_mode", *keys) or not isinstance(mode, str) or layers is None:
        return
    for key in keys:
        yield from _check_layer_list(key, draft.strategy.get(key), mode == "list", int(layers))


def _check_layer_list(key: str, values: Any, is_list: bool, layers: int) -> Iterator[Problem]:
    path = ("strategy_config", key)
    if values is None:
        if is_list and key == "layer_spreads_pct":
            yield Problem(path, "nothing", f'a list of {layers} values, because layer_mode is "list"')
    elif not is_list:
        yield Problem(path, shown(values), 'null, unless layer_mode is "list": it would have no effect')
    elif isinstance(values, list) and len(values) != layers:
        yield Problem(path, shown(values), f"a list of {layers}, one value for each of the layers")


def check_layer_spreads_ascend(draft: Draft) -> Iterator[Problem]:
    """Layers are listed from the touch outward."""
    if not draft.sound("strategy_config", "layer_spreads_pct"):
        return
    values = draft.strategy.get("layer_spreads_pct") or []
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        return  # of an unknown strategy nothing is checked before
    for place, (inner, outer) in enumerate(pairwise(values), 1):
        if outer < inner:
            path = ("strategy_config", "layer_spreads_pct", place)
            yield Problem(path, shown(outer), f"at least {inner}, the value before it: layers go outward")
            return


def check_cycle_fits_interval(draft: Draft) -> Iterator[Problem]:
    """The shortest pause between cycles cannot exceed the regular one."""
    yield from check_order(draft, "strategy_config", "min_cycle_s", "interval_s")
