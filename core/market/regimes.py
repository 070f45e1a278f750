"""Gamma and kappa by the regime that a trained model sees: its file, its features from candles of the mid, the blend.

Without a model, before its features are whole, and at a point like none it was trained on, the configured parameters
apply. A bad file changes nothing and says why; one that is gone takes its model with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from core.market.avellaneda import ModelInputs
from core.market.bars import Bar, BarBuilder
from core.market.model_file import FileText
from core.market.regime_features import FEATURES, LONG, SHORT, RegimeFeatures
from core.market.regime_model import RegimeModel, SmoothRegime
from core.market.regime_params import RegimeParams


def parse_regime_model(text: str, candle_s: float, named: set[str]) -> RegimeModel:
    """Return the model of a file for candles of a length, with `named` among its labels. Raises ValueError."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"not JSON: {exc}") from exc
    if not isinstance(plain, dict):
        raise ValueError("not a regime model: no object")
    model = RegimeModel.from_plain(plain)
    unknown = sorted(set(model.features) - set(FEATURES))
    if unknown:
        raise ValueError(f"features {', '.join(unknown)} are not known; they are {', '.join(FEATURES)}")
    missing = sorted(named - set(model.labels))
    if missing:
        raise ValueError(f"regime_params names {', '.join(missing)}; the model knows {', '.join(model.labels)}")
    trained = [plain.get("candle_s", candle_s), plain.get("windows", [SHORT, LONG])]
    if trained != [candle_s, [SHORT, LONG]]:
        raise ValueError(f"it is of candles of {trained[0]} s over {trained[1]}, not {candle_s} s over {[SHORT, LONG]}")
    return model


class Regimes:
    """One model with its candles; without a file nothing is changed and nothing is watched."""

    def __init__(self, params: RegimeParams, candle_s: float) -> None:
        self.params = params
        self._candle_s = candle_s
        self._candles, self._features = BarBuilder(candle_s), RegimeFeatures()
        self._smooth: SmoothRegime | None = None
        self._version: int | None = None
        self.error: str | None = None

    def reconfigure(self, params: RegimeParams) -> None:
        """Go by other parameters of the same file; what was seen stays."""
        self.params, self._version = params, None  # the file is judged by the new labels

    def see(self, utc_ns: int, mid: float) -> None:
        """Look at the mid."""
        if self.params.regime_model_file is None:
            return
        bar = self._candles.update(utc_ns, mid)
        if bar is not None:
            self._features.update(bar.close)
            self._score()

    def preload(self, bars: Iterable[Bar]) -> None:
        """Take finished bars of before; a model that is read later judges the last of them."""
        for bar in bars:
            self._features.update(bar.close)

    def _score(self) -> None:
        if self._smooth is None:
            return
        found = self._features.value
        if found is None:
            self._smooth.update(None)
            return
        named = dict(zip(FEATURES, found, strict=True))
        self._smooth.update([named[name] for name in self._smooth.model.features])

    def look(self, text: FileText | None) -> None:
        """Take what was read last of the model's file."""
        if self.params.regime_model_file is None:
            return
        if text is None:
            self._smooth, self._version, self.error = None, None, "there is no such file"
        elif text.version != self._version:
            self._version = text.version
            self._take(text.text)

    def _take(self, text: str) -> None:
        try:
            model = parse_regime_model(text, self._candle_s, set(self.params.regime_params))
        except ValueError as exc:
            self.error = str(exc)
            return
        self._smooth, self.error = SmoothRegime(model), None
        self._score()

    @property
    def has_model(self) -> bool:
        """Tell whether there is anything to blend by."""
        return self._smooth is not None

    def inputs(self, inputs: ModelInputs, scale: float) -> ModelInputs:
        """Return the inputs with gamma and kappa blended over the regimes; `scale` is ticks in a unit of the config."""
        if self._smooth is None:
            return inputs
        gamma, kappa = (
            self._smooth.value(self._in_ticks(name, scale), configured)
            for name, configured in (("gamma", inputs.gamma), ("kappa", inputs.kappa))
        )
        return inputs._replace(gamma=gamma, kappa=kappa)

    def _in_ticks(self, name: str, scale: float) -> dict[str, float]:
        return {label: value / scale for label, value in self.params.by_label(name).items()}

    def stats(self) -> Mapping[str, Any]:
        """Return the probability of each regime, None while the configured parameters apply, and what is wrong."""
        smooth = self._smooth
        shares = smooth and smooth.probabilities
        return {
            "regime_probabilities": smooth and shares and dict(zip(smooth.model.labels, shares, strict=True)),
            "regime_error": self.error,
        }
