from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.market_facts import as_amount
from api.paper_settings import PaperSettings
from api.paper_time import VenueTime
from api.synthetic_markets import MARKETS
from core.registry.schema import load_schema
from utils.errors import ConfigError

SCHEMA = load_schema("exchanges/paper")
NOT_THE_VENUES = {"account", "allow_shared_symbol", "mode", "api_key", "api_secret"}


def test_settings_and_schema_have_the_same_keys_and_defaults() -> None:
    schema = {key: rule.get("default") for key, rule in SCHEMA["properties"].items() if key not in NOT_THE_VENUES}
    settings = PaperSettings()
    assert {field.name for field in fields(settings)} == schema.keys()
    for name, default in schema.items():
        assert getattr(settings, name) == default, name


def test_settings_of_a_config_with_every_default_written_out_are_the_defaults() -> None:
    config = {key: rule.get("default") for key, rule in SCHEMA["properties"].items()}
    assert PaperSettings.from_config(config) == PaperSettings() == PaperSettings.from_config({})


def test_fees_and_balances_are_what_was_written_and_not_their_binary_neighbours() -> None:
    settings = PaperSettings.from_config({"maker_fee_bps": -0.1, "initial_balances": {"USDC": 0.1, "SOL": "0.30"}})
    assert settings.maker_fee_bps == Decimal("-0.1")
    assert settings.initial_balances == {"USDC": Decimal("0.1"), "SOL": Decimal("0.30")}


def test_given_balances_replace_the_markets_own() -> None:
    settings = PaperSettings.from_config({"initial_balances": {"USDC": 5}})
    assert settings.starting_balances(MARKETS["SOL-USDC"]) == {"SOL": 0, "USDC": 5}
    assert PaperSettings().starting_balances(MARKETS["SOL-PERP"]) == {"USDC": 50_000}
    with pytest.raises(ConfigError, match="'SOL' is not used by SOL-PERP"):
        PaperSettings.from_config({"initial_balances": {"SOL": 5}}).starting_balances(MARKETS["SOL-PERP"])


@pytest.mark.parametrize("value", ["nan", "Infinity", -1, None, "", [], "1,5"])
def test_amount_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not a"):
        as_amount(value)


@given(
    elapsed=st.integers(0, 10**18),
    step=st.integers(0, 10**12),
    speed=st.floats(0.1, 1000),
    high_water=st.integers(0, 10**18),
    utc_moved=st.integers(-(10**18), 10**18),
)
def test_venue_time_never_goes_back_and_positions_can_be_waited_for(
    elapsed: int, step: int, speed: float, high_water: int, utc_moved: int
) -> None:
    time = VenueTime.at_opening(10**18, high_water, 10**18 + utc_moved, 5_000, speed)
    assert time.elapsed(5_000) >= high_water and time.elapsed(4_000) == time.elapsed(5_000)
    assert time.elapsed(5_000 + step) == time.elapsed(5_000) + step
    assert time.now_at(time.elapsed(5_000 + step)) == 5_000 + step
    assert time.position(elapsed) <= time.position(elapsed + step)
    due = time.elapsed_at(elapsed)
    assert time.position(due) >= elapsed and (due == 0 or time.position(due - 1) < elapsed)
