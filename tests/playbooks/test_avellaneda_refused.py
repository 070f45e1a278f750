"""avellaneda_stoikov: parameters that contradict each other or the market are refused before the start."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.instrument import Instrument
from core.market.risk_limits import RiskLimits
from strategies.avellaneda_stoikov import AvellanedaStoikov
from tests.avellaneda_script import PERP, Script
from tests.market_parts import book, instrument
from utils.errors import ConfigError


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"order_size_quote": 5}, "exactly one"),
        ({"order_size": None}, "exactly one"),
        ({"order_size_pct": 5}, "exactly one"),
        ({"order_size": None, "order_size_pct": 5, "sizing": "capital"}, "neither order_size nor"),
        ({"gamma": "automatic"}, "gamma"),
        ({"min_spread_bps": 20, "max_spread_bps": 20}, "min_spread_bps"),
        ({"min_spread_ticks": 3}, "need each other"),
        ({"min_spread_ticks": 3, "max_spread_ticks": 2}, "min_spread_ticks"),
        ({"sigma_method": "fixed"}, "sigma"),
        ({"sigma": 1e-4}, "sigma"),
        ({"sigma_min_samples": 300}, "min_samples"),
        ({"trailing_start_pct": 1}, "trailing"),
        ({"trend_filter": "ma", "ma_fast": 30}, "fast"),
        ({"rsi_low": 80}, "rsi_low"),
        ({"regime_params": {"volatile": {"gamma": 2}}}, "regime_model_file"),
    ],
)
def test_a_contradiction_is_refused(config: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Script(**config)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"unit": "ticks"}, "less than one: is unit 'ticks' meant"),
        ({"gamma": 0.1, "kappa": 1.5}, "beyond 20 %"),
        ({"unit": "quote", "kappa": 1e6}, "less than one"),
        ({"regime_model_file": "m", "regime_params": {"calm": {"kappa": 1}}}, "beyond 20 %"),
    ],
)
def test_parameters_of_another_unit_are_refused_before_the_start(config: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        check(config)


def test_a_spread_that_only_the_price_makes_absurd_is_not_quoted() -> None:
    script = Script(unit="quote", gamma=0.1, kappa=0.0001)
    check({"unit": "quote", "gamma": 0.1, "kappa": 0.0001})
    assert Script(unit="quote", gamma=1e-9, kappa=0.0001).quotes() == ()
    assert script.quotes()  # 138 of 10,000
    refused = Script(book(999, 1001), unit="relative", kappa=1e5)
    assert refused.quotes() == ()
    assert "less than one" in refused.stats()["refusal"]
    assert refused.stats()["source"] == "refused"


def check(config: dict[str, Any], traded: Instrument = PERP, **limits: Any) -> None:
    params = AvellanedaStoikov.params_from({"order_size": 0.1} | config)
    AvellanedaStoikov.check(params, {"main": traded}, {"main": RiskLimits(**({"max_position_lots": 9} | limits))})


def test_spot_and_a_missing_limit_are_refused() -> None:
    with pytest.raises(ConfigError, match="spot"):
        check({}, instrument())
    with pytest.raises(ConfigError, match="max_position"):
        check({}, max_position_lots=None)


def test_fees_that_no_allowed_spread_pays_are_refused() -> None:
    dear = instrument(kind="perp", maker_fee_bps=Decimal(10))
    check({}, dear)
    with pytest.raises(ConfigError, match=r"at least 24 .*min_profit_check"):
        check({"min_profit_check": True}, dear)
    with pytest.raises(ConfigError, match=r"max_spread_bps: .* 24 bps"):
        check({"max_spread_bps": 20}, dear)
