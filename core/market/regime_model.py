"""Which regime a market is in: a Gaussian mixture, trained elsewhere, read from JSON and scored here.

A model file holds numbers only and is checked before it is used; nothing in it can run. Probabilities blend parameters
in logs, so the blend lies between the smallest and the largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite, log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FORMAT = "makerd-gmm-1"
_MOST = 16  # components, and features


@dataclass(frozen=True, slots=True)
class RegimeModel:
    """A mixture over standardised features; `precisions` are upper Cholesky factors of the precisions."""

    features: tuple[str, ...]
    labels: tuple[str, ...]
    mean: Array
    scale: Array
    precisions: Array  # component x feature x feature
    offsets: Array  # component x feature: each component's mean times its precision factor
    constants: Array  # component: what its log density has besides the distance
    least_log_density: float | None = None  # below it a point is like none that was trained on

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> RegimeModel:
        """Return the model of a JSON file. Raises ValueError, saying what is wrong with it."""
        try:
            if plain["format"] != FORMAT:
                raise ValueError(f"format was {plain['format']!r}, not {FORMAT!r}")
            features, labels = tuple(map(str, plain["features"])), tuple(map(str, plain["labels"]))
            d, k = len(features), len(labels)
            if not (1 <= d <= _MOST and 1 <= k <= _MOST and len(set(labels)) == k and len(set(features)) == d):
                raise ValueError(f"{k} labels and {d} features: 1 to {_MOST} of each, no two the same")
            weights = _numbers(plain, "weights", (k,))
            means = _numbers(plain, "means", (k, d))
            precisions = _numbers(plain, "precisions_cholesky", (k, d, d))
            mean, scale = _numbers(plain, "mean", (d,)), _numbers(plain, "scale", (d,))
            least = plain.get("least_log_density")
            least = None if least is None else float(least)
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a regime model: {exc!r}") from exc
        diagonals = precisions.diagonal(axis1=1, axis2=2)
        _check(weights, scale, diagonals, least)
        return cls(
            features,
            labels,
            mean,
            scale,
            precisions,
            np.einsum("kd,kde->ke", means, precisions),
            np.log(weights) - d * log(2 * pi) / 2 + np.log(diagonals).sum(axis=1),
            least,
        )

    def log_densities(self, values: Sequence[float]) -> Array:
        """Return ln(weight x density) of each component at a point, in the order of `labels`."""
        point = (np.asarray(values, dtype=np.float64) - self.mean) / self.scale
        distance: Array = point @ self.precisions - self.offsets
        densities: Array = self.constants - 0.5 * (distance * distance).sum(axis=1)
        return densities

    def probabilities(self, values: Sequence[float]) -> tuple[float, ...] | None:
        """Return the probability of each label; None for a point that is no number, or like none trained on."""
        if len(values) != len(self.features) or not all(map(isfinite, values)):
            return None
        densities = self.log_densities(values)
        most = float(densities.max())
        if self.least_log_density is not None and not most >= self.least_log_density:
            return None
        shares = np.exp(densities - most)
        return tuple((shares / shares.sum()).tolist())


def _numbers(plain: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Array:
    try:
        numbers = np.array(plain[name], dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"{name}: {exc}") from exc
    if numbers.shape != shape or not np.all(np.isfinite(numbers)):
        raise ValueError(f"{name}: {shape} finite numbers were expected")
    return numbers


def _check(weights: Array, scale: Array, diagonals: Array, least: float | None) -> None:
    if np.any(weights <= 0) or abs(float(weights.sum()) - 1) > 1e-6:
        raise ValueError(f"weights are positive and add up to 1; they were {weights.tolist()}")
    if np.any(scale <= 0) or np.any(diagonals <= 0):
        raise ValueError("scale and the diagonals of precisions_cholesky are positive")
    if least is not None and not isfinite(least):
        raise ValueError(f"least_log_density was {least}")


def blend(probabilities: Sequence[float], values: Sequence[float]) -> float:
    """Return positive values blended in logs by probability."""
    return exp(fsum(share * log(value) for share, value in zip(probabilities, values, strict=True)))


class SmoothRegime:
    """Probabilities that do not jump: 0.9 of the last, 0.1 of the newest."""

    def __init__(self, model: RegimeModel, kept: float = 0.9) -> None:
        if not 0 <= kept < 1:
            raise ValueError(f"the kept share was {kept}")
        self.model = model
        self._kept = kept
        self._smooth: tuple[float, ...] | None = None
        self.probabilities: tuple[float, ...] | None = None  # None: the configured parameters apply

    def update(self, values: Sequence[float] | None) -> None:
        """Take the features of a step, None when there are none yet."""
        found = None if values is None else self.model.probabilities(values)
        if found is not None:
            before, kept = self._smooth or found, self._kept
            self._smooth = tuple(kept * old + (1 - kept) * new for old, new in zip(before, found, strict=True))
        self.probabilities = None if found is None else self._smooth

    def value(self, by_label: Mapping[str, float], configured: float) -> float:
        """Return a parameter blended over the labels (those without a value have the configured one)."""
        if self.probabilities is None:
            return configured
        return blend(self.probabilities, [by_label.get(label, configured) for label in self.model.labels])
