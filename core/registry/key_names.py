"""Of which parts the key of a venue consists, and what their variables are called."""

from __future__ import annotations

from core.registry.schema import load_schema


def key_parts(exchange: str) -> tuple[str, ...]:
    """Return the keys of a venue's section without which it takes no orders; none for the embedded venue."""
    return tuple(load_schema(f"exchanges/{exchange}").get("x-live-required", ()))


def variable_of(exchange: str, key: str) -> str:
    """Return the name of the variable that templates, direct runs and the setup use for a secret of a venue."""
    return f"{exchange}_{key}".upper()
