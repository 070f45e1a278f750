"""What the model goes by now: volatility, kappa, A and gamma, each measured or given, all brought to ticks.

Every estimate has an interval of its own; a decision only reads. While something that the model needs is not there yet,
`inputs` says what, and the caller does without the model.
"""

from __future__ import annotations

from typing import Any

from core.market.as_params import FIXED, AvellanedaStoikovParams
from core.market.auto_gamma import AutoGamma
from core.market.avellaneda import ModelInputs
from core.market.blending import followed
from core.market.live_intensity import LiveIntensity
from core.market.model_units import ticks_per_unit
from core.market.order import Side
from core.market.sigma_sampler import SigmaSampler


class ModelEstimates:
    """The live estimates of one leg; times are the view's."""

    def __init__(self, params: AvellanedaStoikovParams, tick_size: float) -> None:
        self.params = params
        self._tick_size = tick_size
        self._sampler = SigmaSampler(params.sigma_settings())
        self._tape = LiveIntensity(params.intensity_settings()) if params.watches_tape else None
        self._auto = AutoGamma(params.gamma_settings())
        self._sigma: float | None = None  # relative, per square root of a second
        self._sigma_ns: int | None = None
        self.inputs: ModelInputs | None = None
        self.waiting: str | None = None  # for what, when there are no inputs

    def reconfigure(self, params: AvellanedaStoikovParams) -> None:
        """Go by other parameters; what was measured in another way before is measured anew."""
        before, self.params = self.params, params
        if params.sigma_settings() != before.sigma_settings():
            self._sampler, self._sigma, self._sigma_ns = SigmaSampler(params.sigma_settings()), None, None
        if params.watches_tape != before.watches_tape or params.intensity_settings() != before.intensity_settings():
            self._tape = LiveIntensity(params.intensity_settings()) if params.watches_tape else None
        self._auto = AutoGamma(params.gamma_settings())

    def see_mid(self, now_ns: int, mid_ticks: float) -> None:
        """Look at the mid."""
        self._sampler.update(now_ns, mid_ticks)

    def see_trade(self, now_ns: int, price_ticks: int, mid_ticks: float, aggressor: Side) -> None:
        """Take a print."""
        if self._tape is not None:
            scale = self._scale(mid_ticks)
            self._tape.update(now_ns, price_ticks / scale, mid_ticks / scale, aggressor)

    def _scale(self, mid_ticks: float) -> float:
        return ticks_per_unit(self.params.unit, mid_ticks, self._tick_size)

    def refresh(self, now_ns: int, mid_ticks: float, tau_s: float, full_q: float) -> ModelInputs | None:
        """Return what the model goes by now, None when something is missing; `full_q` is a full inventory."""
        self.inputs, self.waiting = self._gather(now_ns, mid_ticks, tau_s, full_q)
        return self.inputs

    def _gather(
        self, now_ns: int, mid_ticks: float, tau_s: float, full_q: float
    ) -> tuple[ModelInputs | None, str | None]:
        params, scale = self.params, self._scale(mid_ticks)
        sigma = self._sigma_ticks(now_ns, mid_ticks, scale)
        if sigma is None:
            return None, "sigma"
        kappa, intensity = params.kappa, params.order_intensity
        if self._tape is not None:
            found = self._tape.value(now_ns)
            if found is None:
                return None, "trades" if self._tape.is_silent(now_ns) else "bursts"
            kappa = found.kappa if kappa is None else kappa
            intensity = found.intensity if intensity is None else intensity
        assert kappa is not None  # given, or measured above
        intensity = intensity if params.model == "glft" else None
        gamma = params.fixed_gamma
        if gamma is None:  # solved in the unit of the config, so that it is not of one price only
            gamma = self._auto.update(now_ns, kappa, sigma / scale, tau_s, full_q, intensity)
            if gamma is None:
                return None, "gamma"
        return ModelInputs(gamma / scale, kappa / scale, sigma, tau_s, intensity), None

    def _sigma_ticks(self, now_ns: int, mid_ticks: float, scale: float) -> float | None:
        if self.params.sigma_method == FIXED and self.params.sigma is not None:
            return self.params.sigma * scale
        if self._sigma_ns is None or now_ns - self._sigma_ns >= self.params.sigma_refresh_s * 1e9:
            found = self._sampler.value
            if found is not None:
                self._sigma, self._sigma_ns = followed(self._sigma, found), now_ns
        return None if self._sigma is None else self._sigma * mid_ticks

    def stats(self, mid_ticks: float | None) -> dict[str, Any]:
        """Return what the model goes by, in the unit of the config; None where there is none."""
        now, scale = self.inputs, self._scale(mid_ticks) if mid_ticks else 1.0
        return {
            "waiting": self.waiting,
            "gamma": now and now.gamma * scale,
            "kappa": now and now.kappa * scale,
            "intensity": now and now.intensity,
            "sigma": now and now.sigma / scale,
            "sigma_source": FIXED if self.params.sigma_method == FIXED else self._sampler.source,
            "sigma_measured": self._sigma and mid_ticks and self._sigma * mid_ticks / scale,
            "sigma_samples": len(self._sampler.returns),
            "tau_s": now and now.tau_s,
            "tape": self._tape and self._tape.stats(),
        }
