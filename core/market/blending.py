"""How a new estimate joins an old one: bounded, then blended, so that no quote jumps with one of them."""

from __future__ import annotations


def blended(old: float | None, new: float, weight: float = 0.3, most_factor: float = 2.0) -> float:
    """Return weight x new + (1 - weight) x old, with `new` held within `most_factor` of a positive `old`."""
    if old is None:
        return new
    if old > 0:
        new = max(old / most_factor, min(old * most_factor, new))
    return weight * new + (1 - weight) * old


def followed(old: float | None, new: float, weight: float = 0.3, most_factor: float = 2.0) -> float:
    """Return `blended`, but never farther than `most_factor` from a positive `new`: it does not lag far behind."""
    return max(new / most_factor, min(new * most_factor, blended(old, new, weight, most_factor)))
