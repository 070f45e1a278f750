"""Nelder-Mead: the minimum of a smooth function of a few numbers, without derivatives. Deterministic."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Minimum(NamedTuple):
    """Where the search ended; `converged` is False when it ran out of steps."""

    at: Vector
    value: float
    converged: bool


def minimise(
    function: Callable[[Vector], float],
    start: Vector,
    step: float = 0.5,
    tolerance: float = 1e-6,
    value_tolerance: float = 1e-9,
    most_steps: int = 600,
) -> Minimum:
    """Return the minimum near `start`; a function value that is no number counts as infinite."""

    def cost(point: Vector) -> float:
        value = function(point)
        return value if value == value else np.inf

    points = np.vstack([start, start + step * np.eye(len(start))])
    values = np.array([cost(point) for point in points])
    for _ in range(most_steps):
        order = np.argsort(values, kind="stable")
        points, values = points[order], values[order]
        if np.ptp(values) <= value_tolerance and np.max(np.abs(points[1:] - points[0])) <= tolerance:
            return Minimum(points[0], float(values[0]), bool(np.isfinite(values[0])))
        _move(cost, points, values)
    best = int(np.argmin(values))
    return Minimum(points[best], float(values[best]), False)


def _move(cost: Callable[[Vector], float], points: Vector, values: Vector) -> None:
    """Replace the worst point by a better one on its line through the others, or shrink towards the best."""
    centre = points[:-1].mean(axis=0)
    away = centre - points[-1]
    reflected = cost(centre + away)
    if values[0] <= reflected < values[-2]:
        points[-1], values[-1] = centre + away, reflected
        return
    factor = 2.0 if reflected < values[0] else 0.5 if reflected < values[-1] else -0.5
    tried = cost(centre + factor * away)
    if tried < min(reflected, values[-1]):
        points[-1], values[-1] = centre + factor * away, tried
    elif reflected < values[-2]:
        points[-1], values[-1] = centre + away, reflected
    else:
        points[1:] = points[0] + 0.5 * (points[1:] - points[0])
        values[1:] = [cost(point) for point in points[1:]]
