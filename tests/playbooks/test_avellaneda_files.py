"""avellaneda_stoikov as a script: parameters from a file, and regimes from a model."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.bars import Bar
from core.market.model_file import FileText
from strategies.avellaneda_stoikov import AvellanedaStoikov
from tests.avellaneda_script import BOTH, LIMIT, MID, Script, relative
from tests.golden_parts import golden
from tests.market_parts import NOW, SECOND

# Parameters from a file

FILE = {"version": 1, "symbol": "SOL-USDC", "unit": "relative", "generated_at": NOW / SECOND, "gamma": 1, "kappa": 500}


def with_file(text: str | None = None, **config: Any) -> Script:
    """Return a bot that takes gamma and kappa of a file and has another kappa of its own."""
    script = relative(sigma=0, params_file="params.json", **config)
    return give(script, json.dumps(FILE) if text is None else text, 1)


def give(script: Script, text: str | None, version: int) -> Script:
    script.view.files = {"params_file": None if text is None else FileText(version, text)}
    return script


def changed(**keys: Any) -> str:
    return json.dumps(FILE | keys)


def test_a_good_file_takes_the_place_of_the_configs_keys() -> None:
    script = with_file()
    assert script.prices() == [998_001, 1_001_999]  # 2 ln(1.002)
    assert (script.stats()["params_error"], script.stats()["params_age_s"]) == (None, 0)
    give(script, changed(kappa={"bid": 900, "ask": 1100}), 2)
    assert script.prices() == [999_000, 1_001_000]
    give(script, changed(sigma=1e-3, horizon_s=100, min_spread_bps=1), 3)
    script.hold(LIMIT).due()
    assert script.stats()["skew_bps"] == pytest.approx(-1.0)
    assert script.stats()["tau_s"] == 100


def test_a_bad_file_is_an_error_of_its_key_until_a_good_one_follows() -> None:
    script = with_file("{")
    script.due()
    assert list(script.strategy.file_errors()) == ["params_file"]
    give(script, changed(), 2).due()
    assert script.strategy.file_errors() == {}
    give(script, None, 2).due()
    assert script.strategy.file_errors() == {"params_file": "there is no such file"}


def test_a_live_change_makes_no_bad_file_good() -> None:
    script = with_file("{")
    script.due()
    script.strategy.reconfigure(script.strategy.params)
    assert list(script.strategy.file_errors()) == ["params_file"]


def test_a_file_can_bring_the_volatility_that_is_else_measured() -> None:
    script = give(Script(**BOTH, params_file="params.json"), changed(kappa=1000, sigma=1e-3, horizon_s=100), 1)
    script.hold(LIMIT).due()
    assert (script.stats()["source"], script.stats()["sigma_source"]) == ("as", "fixed")
    assert script.stats()["skew_bps"] == pytest.approx(-1.0)


BAD = {
    "missing": (None, "no such file"),
    "wrong symbol": (changed(symbol="ETH-PERP"), "ETH-PERP"),
    "wrong unit": (changed(unit="ticks"), "unit"),
    "no number": (json.dumps(FILE | {"gamma": math.nan}), "gamma"),
    "infinite": (changed(kappa=math.inf), "kappa"),
    "negative": (changed(kappa=-1), "kappa"),
    "huge": (changed(kappa=10**400), "kappa"),
    "a word": (changed(kappa="500"), "kappa"),
    "half written": (changed()[:40], "JSON"),
    "empty": ("", "JSON"),
    "a list": ("[]", "version"),
    "another version": (changed(version=2), "version"),
    "from the future": (changed(generated_at=NOW / SECOND + 3600), "ahead"),
    "nothing in it": (changed(gamma=None, kappa=None), "no parameter"),
    "absurd": (changed(kappa=1), "beyond 20 %"),
    "bounds that cross": (changed(min_spread_bps=9000), "min_spread_bps"),
}


@pytest.mark.parametrize("text", [text for text, _ in BAD.values()], ids=BAD)
def test_without_a_good_file_the_static_spread_is_quoted_or_nothing(text: str | None) -> None:
    """Scenario 21."""
    script = give(with_file(), text, 1)
    assert script.prices() == [999_825, 1_000_175]
    assert (script.stats()["source"], script.stats()["waiting"]) == ("fallback", "params")
    strict = give(with_file(require_params=True), text, 1)
    assert strict.quotes() == ()
    assert strict.stats()["source"] == "params"
    assert list(strict.strategy.gates()) == ["params"]
    assert script.strategy.gates() == {}


@pytest.mark.parametrize(("text", "error"), BAD.values(), ids=BAD)
def test_a_bad_file_keeps_the_last_good_one_and_says_what_is_wrong(text: str | None, error: str) -> None:
    script = with_file()
    before = script.prices()
    after_it = give(script, text, 2).prices()
    assert error in script.stats()["params_error"]
    assert after_it == (before if text is not None else [999_825, 1_000_175])  # a file that is gone says nothing
    assert give(script, changed(kappa=250), 3).prices()[0] < before[0]
    assert script.stats()["params_error"] is None


def test_an_old_file_counts_as_absent() -> None:
    script = with_file(params_max_age_s=100, require_params=True)
    assert script.quotes()
    assert script.wait(100).quotes()
    assert script.wait(1).quotes() == ()
    assert script.strategy.gates() == {"params": "the parameter file is 101 s old"}
    assert give(script, changed(generated_at=NOW / SECOND + 101), 2).quotes()


@settings(max_examples=40)
@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_no_text_breaks_it(text: str) -> None:
    assert give(with_file(), text, 1).prices() == [999_825, 1_000_175]


# Regimes from a model

ONE_REGIME = {
    "format": "makerd-gmm-1",
    "features": ["ret_z", "vol_ratio", "trend_strength"],
    "labels": ["calm"],
    "mean": [0, 0, 0],
    "scale": [1, 1, 1],
    "weights": [1],
    "means": [[0, 1, 0]],
    "precisions_cholesky": [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]],
}
HALF_KAPPA = {"calm": {"kappa": 500}}
CONFIGURED, BLENDED = [999_000, 1_001_000], [998_001, 1_001_999]  # kappa 1000 and 500


def with_model(text: str | None = json.dumps(ONE_REGIME), **config: Any) -> Script:
    """Return a bot with a model that knows one regime, in which kappa is half, and candles of a second."""
    config = {"regime_params": HALF_KAPPA, "candle_s": 1} | config
    return give_model(relative(sigma=0, regime_model_file="model.json", **config), text, 1)


def give_model(script: Script, text: str | None, version: int) -> Script:
    script.view.files = {"regime_model_file": None if text is None else FileText(version, text)}
    return script


def other_model(**keys: Any) -> str:
    return json.dumps(ONE_REGIME | keys)


def test_a_regimes_parameters_apply_once_its_features_are_whole() -> None:
    script = with_model()
    script.swing(101)
    assert script.prices() == CONFIGURED  # 100 candles have ended
    assert script.stats()["regime_probabilities"] is None
    script.swing(1)
    assert script.prices() == BLENDED
    assert script.stats()["regime_probabilities"] == {"calm": 1.0}
    without = relative(sigma=0, candle_s=1).swing(102)
    assert without.prices() == CONFIGURED
    assert (without.stats()["regime_probabilities"], without.stats()["regime_error"]) == (None, None)


def test_candles_of_before_this_life_make_the_features_whole_at_once() -> None:
    script = with_model()
    closes = [MID + 300 * (-1) ** number for number in range(120)]
    script.strategy.take_history([Bar(close, close, close, close) for close in closes])
    assert script.prices() == BLENDED


def test_gamma_and_kappa_are_blended_in_logs_by_the_probabilities() -> None:
    plain = golden("regime")["model"]
    params = {"trending": {"kappa": 250}, "ranging": {"kappa": 4000, "gamma": 2}, "volatile": {"gamma": 4}}
    script = with_model(json.dumps(plain), regime_params=params).swing(110)
    script.due()
    shares = script.stats()["regime_probabilities"]
    assert sum(shares.values()) == pytest.approx(1)
    kappa = 250 ** shares["trending"] * 4000 ** shares["ranging"] * 1000 ** shares["volatile"]
    gamma = 2 ** shares["ranging"] * 4 ** shares["volatile"]
    assert script.stats()["spread_bps"] == pytest.approx(20_000 / gamma * math.log1p(gamma / kappa))


@pytest.mark.parametrize("unit", ["relative", "ticks", "quote"])
def test_a_regimes_parameters_are_in_the_unit_of_the_config(unit: str) -> None:
    scale = {"relative": MID, "ticks": 1.0, "quote": 100.0}[unit]
    own = {
        "unit": unit,
        "kappa": 1e-3 * scale,
        "gamma": 1e-6 * scale,
        "regime_params": {"calm": {"kappa": 5e-4 * scale}},
    }
    assert with_model(**own).swing(102).prices() == BLENDED


BAD_MODELS = {
    "half written": (other_model()[:50], "JSON"),
    "a list": ("[]", "object"),
    "another format": (other_model(format="pickle"), "format"),
    "another feature": (other_model(features=["ret_z", "vol_ratio", "moon"]), "moon"),
    "another regime": (other_model(labels=["wild"]), "calm"),
    "other candles": (other_model(candle_s=60), "candles"),
    "other windows": (other_model(windows=[5, 10]), "candles"),
    "weights": (other_model(weights=[0.5]), "add up to 1"),
}


@pytest.mark.parametrize(("text", "error"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_bad_model_keeps_the_last_good_one_and_says_what_is_wrong(text: str, error: str) -> None:
    script = with_model(text).swing(102)
    assert script.prices() == CONFIGURED
    assert error in script.stats()["regime_error"]
    assert give_model(script, other_model(), 2).prices() == BLENDED
    assert script.stats()["regime_error"] is None
    assert give_model(script, text, 3).prices() == BLENDED
    assert error in script.stats()["regime_error"]


def test_without_a_model_the_configured_parameters_apply() -> None:
    script = with_model(None).swing(102)
    assert script.prices() == CONFIGURED
    assert script.stats()["regime_error"] == "there is no such file"
    assert give_model(script, other_model(), 1).prices() == BLENDED
    assert give_model(script, None, 1).prices() == CONFIGURED


def test_in_a_market_like_none_that_was_trained_on_the_configured_parameters_apply() -> None:
    assert with_model(other_model(least_log_density=0.0)).swing(102).prices() == CONFIGURED


def test_other_parameters_of_a_regime_apply_at_once_and_need_no_new_candles() -> None:
    script = with_model(regime_params={"calm": {"kappa": 1000}}).swing(102)
    assert script.prices() == CONFIGURED
    common = {"order_size": 0.1, "layers": 1, "position_threshold": 9, "gamma": 1, "kappa": 1000, **BOTH}
    own = {"sigma_method": "fixed", "sigma": 0, "candle_s": 1, "regime_model_file": "model.json"}
    script.strategy.reconfigure(AvellanedaStoikov.params_from(common | own | {"regime_params": HALF_KAPPA}))
    assert script.prices() == BLENDED


@settings(max_examples=40)
@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_no_text_of_a_model_breaks_it(text: str) -> None:
    assert with_model(text).prices() == CONFIGURED
