"""Avellaneda-Stoikov quotes: where to quote, given inventory, risk aversion, volatility and the time that is left.

One unit of price throughout (quote currency, ticks, or shares of the mid; core/market/model_units.py converts): prices
and distances in it, `gamma` and `kappa` in one over it, `sigma` in it per square root of a second, `tau_s` in seconds.
`q` is the signed inventory in whatever unit the bot measures it in, long > 0.

Avellaneda & Stoikov, High-frequency trading in a limit order book, Quantitative Finance 8(3), 2008: the closing
approximations. Nothing is clamped here: at a large |q| the reducing quote lies beyond the mid, and placing holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, isfinite, log, log1p
from typing import NamedTuple

_SMALL = 1e-12  # of gamma / kappa: below it the base spread is its limit, to the last digits of a float
_RATIO_LOW, _RATIO_HIGH = log(1e-9), log(1e9)  # where gamma / kappa is looked for
_HALVINGS = 60  # of that range: leaves 4e-17


class ModelInputs(NamedTuple):
    """What a model is asked with, per tick and in ticks; without `intensity` it is Avellaneda-Stoikov's."""

    gamma: float
    kappa: float
    sigma: float  # per square root of a second
    tau_s: float
    intensity: float | None = None


class ModelQuote(NamedTuple):
    """What a model wants, in its unit of price: both prices, their middle and their distance."""

    bid: float
    ask: float
    reservation: float
    spread: float


def as_quote(mid: float, q: float, gamma: float, kappa: float, sigma: float, tau_s: float) -> ModelQuote:
    """Return the quotes around the reservation price. Raises ValueError for numbers that no quote follows from."""
    if not (mid > 0 and gamma >= 0 and 0 < kappa < inf and sigma >= 0 and tau_s >= 0):
        raise ValueError(f"no quote: mid {mid}, gamma {gamma}, kappa {kappa}, sigma {sigma}, tau {tau_s}")
    risk = gamma * sigma * sigma * tau_s
    spread = risk + base_spread(gamma, kappa)
    reservation = mid - q * risk
    quote = ModelQuote(reservation - spread / 2, reservation + spread / 2, reservation, spread)
    if not isfinite(quote.bid + quote.ask):
        raise ValueError(f"no quote: q {q}, mid {mid}, gamma {gamma}, kappa {kappa}, sigma {sigma}, tau {tau_s}")
    return quote


def base_spread(gamma: float, kappa: float) -> float:
    """Return the spread without risk, (2 / gamma) ln(1 + gamma / kappa); its limit is 2 / kappa."""
    ratio = gamma / kappa
    return 2 / gamma * log1p(ratio) if ratio > _SMALL else 2 / kappa


def full_inventory_shift(gamma: float, kappa: float, variance: float) -> float:
    """Return by how many half-spreads the reservation price moves at |q| = 1; `variance` is sigma^2 x tau."""
    risk = gamma * variance
    return 2 * risk / (risk + base_spread(gamma, kappa))


def solve_gamma(shift: float, kappa: float, variance: float) -> float | None:
    """Return the gamma at which full inventory moves the reservation price by `shift` half-spreads.

    `variance` is sigma^2 x tau. The share grows with gamma from 0 towards 2: raises ValueError for a `shift` outside
    0 <= shift < 2 and for unusable numbers. None when no gamma between 1e-9 and 1e9 kappa does it, as without movement.
    """
    if not (0 <= shift < 2 and kappa > 0 and isfinite(kappa) and variance >= 0 and isfinite(variance)):
        raise ValueError(f"no gamma: shift {shift}, kappa {kappa}, variance {variance}")
    if shift == 0:
        return 0.0
    return at_ratio(lambda ratio: full_inventory_shift(kappa * ratio, kappa, variance), shift, kappa)


def at_ratio(share: Callable[[float], float], wanted: float, kappa: float) -> float | None:
    """Return the gamma at which a share that grows with gamma / kappa is as wanted; None outside 1e-9 to 1e9."""
    low, high = _RATIO_LOW, _RATIO_HIGH
    if not share(exp(low)) <= wanted <= share(exp(high)):
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if share(exp(middle)) < wanted:
            low = middle
        else:
            high = middle
    return kappa * exp((low + high) / 2)
