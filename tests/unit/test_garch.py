"""GARCH(1,1): the golden filter and fit, recovery of known parameters, and when it is not trusted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.garch import (
    GarchParams,
    backcast,
    filter_variances,
    fit_garch,
    garch_sigma,
    log_likelihood,
)
from core.market.garch_live import LiveGarch
from core.market.sigma_sampler import SigmaSampler, SigmaSettings
from core.market.simplex import minimise
from tests.golden_parts import golden, golden_rows

GOLDEN = golden("garch_expected")
RETURNS = np.array([float(row["ret"]) for row in golden_rows("garch_returns")])
TRUE = GarchParams(**GOLDEN["true"])
FIT = fit_garch(RETURNS)


def simulated(params: GarchParams, count: int, seed: int) -> np.ndarray:
    shocks, variance, found = np.random.default_rng(seed).standard_normal(count), params.long_run_variance, []
    for shock in shocks.tolist():
        found.append(shock * variance**0.5)
        variance = params.next_variance(variance, found[-1])
    return np.array(found)


def test_golden_filter_at_the_true_parameters_is_met() -> None:
    variances, expected = filter_variances(TRUE, RETURNS), GOLDEN["filter_at_true"]
    assert backcast(RETURNS) == pytest.approx(GOLDEN["backcast"], rel=1e-9)
    assert variances[:5] == pytest.approx(expected["h_first"], rel=1e-9)
    assert variances[-1] == pytest.approx(expected["h_last"], rel=1e-9)
    assert log_likelihood(variances, RETURNS) == pytest.approx(expected["loglik"], rel=1e-9)


def test_golden_fit_is_met() -> None:
    for name in ("omega", "alpha", "beta"):
        assert getattr(FIT.params, name) == pytest.approx(GOLDEN["arch"][name], abs=1e-3)
    assert FIT.log_likelihood == pytest.approx(GOLDEN["arch"]["loglik"], abs=1e-3)
    forecasts = FIT.params.forecast(FIT.following, 10)
    assert forecasts == pytest.approx(GOLDEN["arch"]["forecast_variance"], rel=1e-3)
    assert forecasts == pytest.approx(GOLDEN["reference"]["forecast_variance"], rel=1e-5)


@given(st.floats(1e-3, 1), st.floats(0, 0.5), st.floats(0, 0.9999), st.integers(1, 400))
def test_filter_gives_what_the_recursion_gives(omega: float, alpha: float, beta: float, count: int) -> None:
    params = GarchParams(omega, alpha, beta)
    returns = np.random.default_rng(count).standard_normal(count)
    variance = params.next_variance(2.0, 2.0**0.5)
    for value, found in zip(returns.tolist(), filter_variances(params, returns, 2.0).tolist(), strict=True):
        assert found == pytest.approx(variance, rel=1e-9)
        variance = params.next_variance(variance, value)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fit_recovers_known_parameters(seed: int) -> None:
    fit = fit_garch(simulated(GarchParams(0.02, 0.08, 0.90), 14_400, seed))
    assert fit.converged
    assert fit.params.alpha == pytest.approx(0.08, abs=4 * 0.005)
    assert fit.params.beta == pytest.approx(0.90, abs=4 * 0.006)


@pytest.mark.parametrize("unit", [1e-5, 1e-2, 1e4])
def test_fit_does_not_hang_on_the_unit_of_the_returns(unit: float) -> None:
    fit = fit_garch(RETURNS * unit)
    assert fit.params.alpha == pytest.approx(FIT.params.alpha, abs=1e-5)
    assert fit.params.omega == pytest.approx(FIT.params.omega * unit**2, rel=1e-3)


def test_forecasts_run_into_the_long_run_variance() -> None:
    forecasts = TRUE.forecast(10.0, 2000)
    assert forecasts[0] == 10.0
    assert forecasts[-1] == pytest.approx(TRUE.long_run_variance, rel=1e-6)
    assert forecasts == sorted(forecasts, reverse=True)


def test_trusted_fit_gives_the_forecast_over_the_steps() -> None:
    sigma = garch_sigma(RETURNS, 1e-9, steps=10)
    assert sigma.source == "garch"
    assert sigma.sigma == pytest.approx(sum(GOLDEN["arch"]["forecast_variance"]) ** 0.5, rel=1e-3)


NOISE = np.random.default_rng(5)


@pytest.mark.parametrize(
    ("returns", "reason"),
    [
        (NOISE.standard_normal(499), "fewer than 500"),
        (np.zeros(1000), "0 distinct"),
        (np.full(1000, 1e-4), "1 distinct"),
        (np.where(np.arange(1000) == 500, 0.01, 0.0), "1 distinct"),
        (NOISE.choice([-1e-5, 0.0, 1e-5], 1000), "2 distinct"),
        (np.full(1000, np.nan), "0 returns"),
        (np.cumsum(np.ones(1000)) ** 3, "alpha + beta is"),
        (np.random.default_rng(0).standard_normal(1500), "alpha is"),
    ],
    ids=["short", "zeros", "constant", "spike", "bounce", "nan", "runaway", "noise"],
)
def test_returns_that_no_fit_can_be_trusted_on_fall_back(returns: np.ndarray, reason: str) -> None:
    sigma = garch_sigma(returns, 1e-7)
    assert sigma.source in ("rolling", "floor")
    assert reason in sigma.reason
    finite = returns[np.isfinite(returns)][-300:]
    assert sigma.sigma == max(1e-7, float(np.std(finite)) if len(finite) else 0.0)


def test_white_noise_is_not_given_an_arbitrary_memory() -> None:
    sigma = garch_sigma(np.random.default_rng(11).standard_normal(3000) * 1e-4, 1e-9)
    assert sigma.sigma == pytest.approx(1e-4, rel=0.15)


def test_sigma_is_never_below_the_floor() -> None:
    sigma = garch_sigma(RETURNS * 1e-9, 1e-3, steps=4)
    assert (sigma.source, sigma.sigma) == ("floor", pytest.approx(2e-3))


def test_minimum_of_a_bowl_is_found_and_running_out_of_steps_is_said() -> None:
    def bowl(point: np.ndarray) -> float:
        return float(np.sum((point - np.array([1.0, -2.0, 3.0])) ** 2))

    found = minimise(bowl, np.zeros(3))
    assert found.converged
    assert found.at == pytest.approx([1.0, -2.0, 3.0], abs=1e-4)
    assert not minimise(bowl, np.zeros(3), most_steps=3).converged


def test_a_plateau_is_no_minimum_before_the_search_is_narrow() -> None:
    looks: list[np.ndarray] = []
    found = minimise(lambda point: float(bool(looks.append(point))), np.zeros(2), tolerance=1e-6)
    assert found.converged
    assert np.max(np.abs(looks[-1] - found.at)) < 1e-5


def test_minimum_steps_around_what_is_no_number() -> None:
    found = minimise(lambda point: float("nan") if point[0] < 0 else float((point[0] - 0.5) ** 2), np.array([0.1]))
    assert found.at[0] == pytest.approx(0.5, abs=1e-4)


# while returns arrive


def live(returns: np.ndarray, **settings: int) -> LiveGarch:
    made = LiveGarch(**settings)
    for value in returns.tolist():
        made.update(value)
    return made


def test_live_variance_is_that_of_the_last_fit_carried_on() -> None:
    made = live(RETURNS[:1100], window=1000, refit_every=1000)
    fit = garch_sigma(RETURNS[1:1001], 0.0)  # the first look was at one return, the fit a thousand later
    assert fit.params is not None
    expected = fit.following or 0.0
    for value in RETURNS[1001:1100].tolist():
        expected = fit.params.next_variance(expected, value)
    found = made.sigma(1e-9)
    assert found is not None
    assert (found.source, found.sigma) == ("garch", pytest.approx(expected**0.5, rel=1e-9))


def test_live_volatility_without_a_fit_is_the_rolling_one_and_says_why() -> None:
    found = live(RETURNS[:200]).sigma(1e-9, steps=4)
    assert found is not None
    assert (found.source, found.sigma) == ("rolling", pytest.approx(2 * float(np.std(RETURNS[:200]))))
    assert "fewer than 500" in found.reason
    assert live(RETURNS[:1]).sigma(1e-9) is None


def test_live_volatility_has_its_floor_and_leaves_out_what_is_no_number() -> None:
    made = live(np.array([0.0, np.nan, 0.0, np.inf, 0.0]))
    found = made.sigma(1e-6)
    assert found is not None
    assert (found.source, found.sigma) == ("floor", 1e-6)


@pytest.mark.parametrize("wrong", [{"window": 10}, {"refit_every": 0}, {"fallback_window": 0}])
def test_windows_that_hold_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        LiveGarch(**wrong)


def test_sigma_from_the_mid_by_garch_is_per_second_and_says_its_source() -> None:
    sampler = SigmaSampler(SigmaSettings(method="garch", step_s=4.0, garch_refit_s=2000.0, floor=1e-9))
    returns = RETURNS[:1400] * 1e-4
    for number, log_mid in enumerate(np.concatenate(([0.0], np.cumsum(returns))).tolist()):
        sampler.update(number * 4 * 10**9, 100.0 * float(np.exp(log_mid)))
    value = sampler.value
    expected = live(returns, refit_every=500).sigma(1e-9)
    assert expected is not None
    assert (sampler.source, expected.source) == ("garch", "garch")
    assert value == pytest.approx(expected.sigma / 2, rel=1e-3)
