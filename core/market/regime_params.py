"""The keys of a trained regime model, and what gamma and kappa are in each of its regimes; units are in the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)  # without slots: a strategy's parameters have it beside another base
class RegimeParams:
    """A model of regimes from a file, and by label what takes the place of gamma and kappa."""

    regime_model_file: str | None = None
    regime_params: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def by_label(self, name: str) -> dict[str, float]:
        """Return what a parameter is in each regime that says it."""
        return {label: float(values[name]) for label, values in self.regime_params.items() if name in values}

    def each_of(self, name: str, configured: float | None) -> list[float]:
        """Return all values that a parameter may be blended of; one that is measured is not among them."""
        given = list(self.by_label(name).values()) if self.regime_model_file is not None else []
        return given if configured is None else [configured, *given]
