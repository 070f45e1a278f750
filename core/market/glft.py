"""Gueant-Lehalle-Fernandez-Tapia: quotes without a terminal time, from the measured rate of fills.

Units as in core/market/avellaneda.py; `intensity` is the rate of fills at distance 0 of one side, in 1/s. `q` is in
orders when `order_size` is 1, in base units when it is the order's size.

Dealing with the inventory risk (arXiv 1105.3115); Optimal market making (arXiv 1605.01862), equations 4.6 and 4.7. The
closed form approximates the stationary solution and is good while the skew is small against 1 / kappa.
"""

from __future__ import annotations

from math import exp, inf, isfinite, log1p, sqrt
from typing import NamedTuple

from core.market.avellaneda import ModelQuote, at_ratio

_SMALL = 1e-12


class GlftTerms(NamedTuple):
    """What follows from the parameters alone: half-spread, and skew for each unit of inventory."""

    half_spread: float
    skew: float
    c1: float
    c2: float


def glft_terms(
    gamma: float, kappa: float, intensity: float, sigma: float, order_size: float = 1.0, xi: float | None = None
) -> GlftTerms:
    """Return half-spread and skew. Raises ValueError for numbers that no quote follows from.

    `xi` is gamma by default (exponential utility); 0 is the mean-variance model.
    """
    xi = gamma if xi is None else xi
    if not (gamma >= 0 and 0 < kappa < inf and 0 < intensity < inf and sigma >= 0 and order_size > 0 and xi >= 0):
        raise ValueError(f"no quote: gamma {gamma}, kappa {kappa}, intensity {intensity}, sigma {sigma}, xi {xi}")
    ratio = xi * order_size / kappa
    if ratio > _SMALL:
        grown = log1p(ratio)
        c1, power = grown / (xi * order_size), exp((1 / ratio + 1) * grown)
    else:
        c1, power = 1 / kappa, exp(1.0)
    c2 = sqrt(gamma / (2 * intensity * order_size * kappa) * power)
    terms = GlftTerms(c1 + order_size / 2 * sigma * c2, sigma * c2, c1, c2)
    if not isfinite(terms.half_spread):
        raise ValueError(f"no quote: gamma {gamma}, kappa {kappa}, intensity {intensity}, sigma {sigma}, xi {xi}")
    return terms


def glft_quote(mid: float, q: float, terms: GlftTerms) -> ModelQuote:
    """Return the quotes at inventory `q`. Raises ValueError when mid or inventory are no numbers."""
    reservation = mid - terms.skew * q
    if not (mid > 0 and isfinite(reservation)):
        raise ValueError(f"no quote: mid {mid}, q {q}")
    half = terms.half_spread
    return ModelQuote(reservation - half, reservation + half, reservation, 2 * half)


def solve_glft_gamma(shift: float, kappa: float, intensity: float, sigma: float) -> float | None:
    """Return the gamma at which one unit of inventory moves the quotes by `shift` half-spreads.

    The share grows with gamma from 0 towards 2: raises ValueError for a `shift` outside 0 <= shift < 2 and for unusable
    numbers. None when no gamma between 1e-9 and 1e9 kappa does it, as without movement.
    """
    if not (0 <= shift < 2 and 0 < kappa < inf and 0 < intensity < inf and 0 <= sigma < inf):
        raise ValueError(f"no gamma: shift {shift}, kappa {kappa}, intensity {intensity}, sigma {sigma}")
    if shift == 0:
        return 0.0

    def share(ratio: float) -> float:
        terms = glft_terms(kappa * ratio, kappa, intensity, sigma)
        return terms.skew / terms.half_spread

    return at_ratio(share, shift, kappa)
