"""What the layers of one side come to, as far as the config alone tells: without a price."""

from __future__ import annotations

from core.registry.checks.draft import Draft

SIZE_KEYS = {"base": "order_size", "quote": "order_size_quote"}


def size_key(draft: Draft, unit: str) -> str:
    """Return the key that says the sizes in a unit."""
    return "layer_sizes" if unit == "base" and draft.strategy.get("layer_sizes") else SIZE_KEYS[unit]


def layer_sizes(draft: Draft, unit: str) -> list[float]:
    """Return the sizes of the layers of one side, from the innermost outward; empty when they are not known."""
    given = draft.strategy.get("layer_sizes") if unit == "base" else None
    if given:
        sizes = given if isinstance(given, list) and draft.sound("strategy_config", "layer_sizes") else []
        return [_cut(draft, float(size), unit) for size in sizes if isinstance(size, int | float)]
    first = draft.number("strategy_config", SIZE_KEYS[unit])
    layers, ratio = draft.number("strategy_config", "layers"), draft.number("strategy_config", "size_ratio")
    if first is None or layers is None or ratio is None:
        return []
    return [_cut(draft, first * ratio**layer, unit) for layer in range(int(layers))]


def one_order(draft: Draft, unit: str) -> float | None:
    """Return the size of the innermost order, None when it is not known."""
    return next(iter(layer_sizes(draft, unit)), None)


def _cut(draft: Draft, size: float, unit: str) -> float:
    most = draft.number("risk_config", "max_order_size")
    return size if most is None or unit == "quote" else min(size, most)
