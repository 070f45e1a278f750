"""GARCH(1,1) with zero mean: h_t = omega + alpha e_{t-1}^2 + beta h_{t-1}, by maximum likelihood.

The recursion is a first-order linear filter, worked out by doubling: plain array operations, so no library starts
threads for it. Returns are scaled to variance 1 before the fit: unscaled returns of a second (1e-10) leave an optimiser
where it began, without an error. core/market/garch_live.py is for returns that are still arriving.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from core.market.simplex import minimise

Series = NDArray[np.float64]

_NOTHING = 1e-40  # a weight that no input can make count
_BACKCAST_DECAY, _BACKCAST_TERMS = 0.94, 75
_STARTS = ((0.98, 0.05), (0.90, 0.15), (0.60, 0.30))  # alpha + beta, and alpha's share of it
_LEAST_RETURNS, _LEAST_DISTINCT = 500, 50
_MOST_PERSISTENCE, _LEAST_ALPHA = 0.9999, 1e-4
_FARTHEST = 5.0  # of the fitted from the rolling volatility, as a factor


@dataclass(frozen=True, slots=True)
class GarchParams:
    """omega in squared returns; alpha + beta is the persistence."""

    omega: float
    alpha: float
    beta: float

    @property
    def long_run_variance(self) -> float:
        """Return the variance that forecasts run into; persistence must be below 1."""
        return self.omega / (1 - self.alpha - self.beta)

    def next_variance(self, variance: float, value: float) -> float:
        """Return the variance of the next return, after one of `value` whose variance was `variance`."""
        return self.omega + self.alpha * value * value + self.beta * variance

    def forecast(self, following: float, steps: int) -> list[float]:
        """Return the variances of the next `steps` returns; `following` is that of the first."""
        level, persistence = self.long_run_variance, self.alpha + self.beta
        return [level + persistence**j * (following - level) for j in range(steps)]


def backcast(returns: Series) -> float:
    """Return the variance before the first return: the first returns' squares, weighted by 0.94^i."""
    squares = returns[:_BACKCAST_TERMS] ** 2
    weights = _BACKCAST_DECAY ** np.arange(len(squares))
    return float(np.sum(weights * squares) / np.sum(weights))


def filter_variances(params: GarchParams, returns: Series, before: float | None = None) -> Series:
    """Return the variance of each return; `before` is the one before the first, by default the backcast."""
    before = backcast(returns) if before is None else before
    shocks = np.concatenate(([before], returns[:-1] ** 2))
    return _linear_filter(params.omega + params.alpha * shocks, params.beta, before)


def _linear_filter(inputs: Series, beta: float, before: float) -> Series:
    """Return y with y_t = inputs_t + beta y_{t-1}: after a pass each y holds twice as many of the past inputs."""
    outputs = inputs.copy()
    outputs[0] += beta * before
    lag, weight = 1, beta
    while lag < len(outputs) and weight > _NOTHING:
        outputs[lag:] += weight * outputs[:-lag]
        lag, weight = 2 * lag, weight * weight
    return outputs


def log_likelihood(variances: Series, returns: Series) -> float:
    """Return the Gaussian log likelihood of zero-mean returns."""
    return float(-0.5 * np.sum(log(2 * pi) + np.log(variances) + returns**2 / variances))


@dataclass(frozen=True, slots=True)
class GarchFit:
    """What a fit found; `following` is the variance of the next return."""

    params: GarchParams
    log_likelihood: float
    following: float
    converged: bool


def fit_garch(returns: Series) -> GarchFit:
    """Return the fit of greatest likelihood. Raises ValueError for returns that do not move or are no numbers."""
    scale = float(np.std(returns))
    if not (isfinite(scale) and scale > 0):
        raise ValueError("the returns do not move, or are no numbers")
    scaled = returns / scale
    before, shocks = backcast(scaled), scaled**2

    def cost(theta: Series) -> float:
        params = _params_of(theta)
        inputs = params.omega + params.alpha * np.concatenate(([before], shocks[:-1]))
        variances = _linear_filter(inputs, params.beta, before)
        return float(0.5 * np.sum(np.log(variances) + shocks / variances))

    rough = [minimise(cost, _start(*start), tolerance=0.1, value_tolerance=0.01) for start in _STARTS]
    best = minimise(cost, min(rough, key=lambda one: one.value).at, step=0.1)
    unit = _params_of(best.at)
    params = GarchParams(unit.omega * scale**2, unit.alpha, unit.beta)
    variances = filter_variances(params, returns)
    following = params.next_variance(float(variances[-1]), float(returns[-1]))
    return GarchFit(params, log_likelihood(variances, returns), following, best.converged)


def _params_of(theta: Series) -> GarchParams:
    persistence, share = _logistic(theta[1]), _logistic(theta[2])
    return GarchParams(exp(min(theta[0], 50.0)), persistence * share, persistence * (1 - share))


def _logistic(value: float) -> float:
    return 1 / (1 + exp(-max(-40.0, min(36.0, value))))


def _start(persistence: float, share: float) -> Series:
    return np.array([log(1 - persistence), log(persistence / (1 - persistence)), log(share / (1 - share))])


@dataclass(frozen=True, slots=True)
class GarchSigma:
    """The volatility over some steps; `source` is garch, rolling or floor, `reason` says why it is not garch."""

    sigma: float
    source: str
    reason: str = ""
    params: GarchParams | None = None
    following: float | None = None


def garch_sigma(returns: Series, floor: float, steps: int = 1, fallback_window: int = 300) -> GarchSigma:
    """Return the volatility of the sum of the next `steps` returns, from a fit or, when it cannot be trusted, without.

    `floor` is the least volatility of one step (half a tick); the fallback is the standard deviation of the last
    `fallback_window` returns.
    """
    finite = returns[np.isfinite(returns)]
    least = floor * sqrt(steps)
    rolling = float(np.std(finite[-fallback_window:])) if len(finite) else 0.0
    fit, reason = _trusted_fit(finite, rolling)
    if fit is None:
        sigma = rolling * sqrt(steps)
        return GarchSigma(max(sigma, least), "rolling" if sigma > least else "floor", reason)
    sigma = sqrt(sum(fit.params.forecast(fit.following, steps)))
    source = "garch" if sigma > least else "floor"
    return GarchSigma(max(sigma, least), source, "", fit.params, fit.following)


def _trusted_fit(returns: Series, rolling: float) -> tuple[GarchFit | None, str]:
    """Return the fit, or None and why there is none to be trusted."""
    if len(returns) < _LEAST_RETURNS:
        return None, f"{len(returns)} returns, fewer than {_LEAST_RETURNS}"
    distinct = len(np.unique(returns[returns != 0]))
    if distinct < _LEAST_DISTINCT:
        return None, f"{distinct} distinct returns, fewer than {_LEAST_DISTINCT}"
    fit = fit_garch(returns)
    params = fit.params
    if not fit.converged or not isfinite(fit.log_likelihood + fit.following):
        return None, "the fit did not converge"
    if params.alpha + params.beta >= _MOST_PERSISTENCE:
        return None, f"alpha + beta is {params.alpha + params.beta:.6f}"
    if params.alpha < _LEAST_ALPHA:
        return None, f"alpha is {params.alpha:.2g}"
    if not rolling / _FARTHEST <= sqrt(fit.following) <= rolling * _FARTHEST:
        return None, "the fit is far from the rolling volatility"
    return fit, ""
