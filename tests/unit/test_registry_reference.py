"""The market beside a bot's own in a config: what it is made of, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.config.values import parse_settings
from cli.direct_flags import key_options
from core.bot_config import BotConfig, Leg
from core.process.config_change import Change, change_between
from core.process.legs import claims_of
from core.process.venue_checks import ask_venue
from core.registry.config_manager import explain, load_plain
from core.registry.schema import schema_for
from tests.registry_parts import complaints_of, config_with, make_home, put
from utils.home import Home

BESIDE = {"exchange": "thalex", "symbol": "SOL-PERP", "network": "test", "conversion": 1}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def loaded(home: Home, reference: dict[str, Any] | None, **sections: dict[str, Any]) -> BotConfig:
    more = {} if reference is None else {"reference_config": reference}
    return load_plain(config_with(**sections, **more), "given", home, {})


def test_a_config_without_the_section_has_no_reference_and_shows_no_key_of_it(home: Home) -> None:
    for section in (None, {}, {"max_age_s": 3}):
        found = loaded(home, section)
        assert (found.reference, found.reference_config, found.markets) == (None, {}, found.legs)
    path = put(home, "sol.json", config_with())
    assert not [one for one in explain(path, home, {}) if one.path.startswith("reference")]


def test_it_is_a_market_beside_the_legs_and_none_of_them(home: Home) -> None:
    found = loaded(home, BESIDE)
    assert found.reference == Leg("reference", "thalex", "sol-mm.reference", "SOL-PERP")
    assert [leg.leg for leg in found.legs] == ["main"]
    assert [leg.leg for leg in found.markets] == ["main", "reference"]
    assert found.exchange_config_of(found.markets[1]) == {"network": "test"}
    assert found.reference_config["max_age_s"] == 5.0
    assert found.warm_kind == "paper+thalex/market_maker"
    assert len(claims_of(found, "home")) == 2  # the bot and its own market
    assert BotConfig.from_plain(json.loads(json.dumps(found.to_plain()))) == found


def test_without_a_symbol_it_is_that_of_the_bot(home: Home) -> None:
    reference = loaded(home, {"exchange": "backpack"}).reference
    assert reference is not None and reference.symbol == "SOL-USDC"


def test_another_reference_needs_a_new_worker_and_is_the_same_bot(home: Home) -> None:
    before = loaded(home, BESIDE)
    for changed in ({"max_age_s": 3}, {"symbol": "BTC-PERP"}, {"exchange": "backpack", "network": None}):
        assert change_between(before, loaded(home, {**BESIDE, **changed})) is Change.RESTART
    assert change_between(before, loaded(home, None)) is Change.RESTART


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ({"symbol": "SOL-PERP"}, "reference_config.exchange: found nothing, expected a venue's name: symbol is given"),
        ({"exchange": "binance"}, 'reference_config.exchange: found "binance", expected one of backpack, paper'),
        ({"exchange": "backpack", "network": "test"}, 'reference_config.network: found "test", expected "live": '),
        ({"exchange": "paper:b", "network": "live"}, 'reference_config.network: found "live", expected null: paper'),
        ({"exchange": "backpack", "seed": 3}, "reference_config.seed: found 3, expected null: backpack has no such"),
        ({"exchange": "backpack", "feed": "synthetic"}, "reference_config.feed: "),
        (
            {"exchange": "paper:b", "symbol": "SOL-USDT"},
            "reference_config.conversion: found nothing, expected a number",
        ),
        ({"exchange": "paper:b", "max_age_s": 0}, "reference_config.max_age_s: found 0, expected a number above 0"),
        ({"exchange": "paper:b", "api_key": "x"}, "reference_config.api_key: found an unknown key"),
    ],
)
def test_what_says_nothing_or_something_impossible_is_refused(home: Home, reference: dict[str, Any], told: str) -> None:
    (complaint,) = complaints_of(home, config_with(reference_config=reference))
    assert told in complaint


def test_what_is_said_of_each_venue_is_taken(home: Home) -> None:
    loaded(home, {"exchange": "paper:b", "symbol": "SOL-USDT", "conversion": 0.999, "feed": "synthetic", "seed": 2})
    loaded(home, {"exchange": "backpack", "network": "live", "ws_url": "ws://127.0.0.1:9/"})
    loaded(home, {"exchange": "thalex", "symbol": "SOL_USDC_PERP"})  # what it is priced in only the venue tells


def test_a_price_of_elsewhere_needs_an_elsewhere(home: Home) -> None:
    external = {"price_source": "external"}
    (complaint,) = complaints_of(home, config_with(strategy_config=external))
    assert 'strategy_config.price_source: found "external", expected another source, or a reference_config' in complaint
    assert loaded(home, {"exchange": "paper:b"}, strategy_config=external).strategy_config["price_source"] == "external"


def test_a_paper_market_that_is_not_there_is_told_before_a_start(home: Home) -> None:
    assert ask_venue(loaded(home, {"exchange": "paper:b"}), (str(home.data),)) == []
    (told,) = ask_venue(loaded(home, {"exchange": "paper:b", "symbol": "XYZ-USDC"}), (str(home.data),))
    assert told.startswith("reference: symbol 'XYZ-USDC' is not listed")
    assert ask_venue(loaded(home, BESIDE), (str(home.data),)) == []  # nobody is asked


def test_a_key_alone_is_that_of_the_bots_own_market(home: Home) -> None:
    schema = schema_for("bot", "paper", "market_maker")
    given = parse_settings(["symbol=SOL-USDT", "seed=4", "reference_config.seed=5", "max_age_s=2"], schema)
    assert given == {
        ("strategy_config", "symbol"): "SOL-USDT",
        ("exchange_config", "seed"): 4,
        ("reference_config", "seed"): 5,
        ("reference_config", "max_age_s"): 2,
    }


def test_a_direct_run_has_flags_for_it_and_the_other_flags_keep_their_names() -> None:
    flags = [option.opts[0] for option in key_options("paper", "market_maker", set())]
    assert "--reference.exchange" in flags and "--reference.seed" in flags
    assert "--seed" in flags and "--symbol" in flags
