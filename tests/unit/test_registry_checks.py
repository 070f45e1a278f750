"""What only several keys together can get wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.registry.checks import CHECKS
from core.registry.config_manager import InvalidConfig, load_plain
from tests.registry_parts import complaints_of, config_with, make_home
from utils.home import CHECKOUT, Home
from utils.input_validation import (
    bot_name_problem,
    margin_kind,
    our_symbol,
    printable,
    symbol_key,
    symbol_problem,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.mark.parametrize(
    ("strategy", "path"),
    [
        ({"order_size_quote": 10}, "order_size_quote"),
        ({"order_size": ...}, "order_size"),
        ({"order_size_pct": 5}, "order_size_pct"),
        ({"layer_mode": "list"}, "layer_spreads_pct"),
        ({"layer_spreads_pct": [0.1, 0.2, 0.3]}, "layer_spreads_pct"),
        ({"layer_sizes": [1, 1, 1]}, "layer_sizes"),
        ({"layer_mode": "list", "layer_spreads_pct": [0.1, 0.2]}, "layer_spreads_pct"),
        ({"layer_mode": "list", "layer_spreads_pct": [0.1, 0.2, 0.3], "layer_sizes": [1]}, "layer_sizes"),
        ({"layer_mode": "list", "layer_spreads_pct": [0.1, 0.3, 0.2]}, "layer_spreads_pct[2]"),
        ({"min_cycle_s": 5, "interval_s": 1}, "min_cycle_s"),
        ({"ping_pong": True, "hanging_orders": True}, "ping_pong"),
    ],
)
def test_strategy_keys_that_contradict_each_other(home: Home, strategy: dict[str, Any], path: str) -> None:
    (said,) = complaints_of(home, config_with(strategy_config=strategy))
    assert f"strategy_config.{path}: " in said


def test_explicit_sizes_of_all_layers_need_no_order_size(home: Home) -> None:
    lists = {"layer_mode": "list", "layer_spreads_pct": [0.1, 0.2, 0.3], "layer_sizes": [1, 1, 2]}
    assert complaints_of(home, config_with(strategy_config={**lists, "order_size": ...})) == []


def test_a_size_in_quote_alone_is_sound(home: Home) -> None:
    assert complaints_of(home, config_with(strategy_config={"order_size": ..., "order_size_quote": 50})) == []


def test_sizes_by_capital_need_no_order_size_and_allow_none(home: Home) -> None:
    template = json.loads((CHECKOUT / "config" / "templates" / "paper_avellaneda_stoikov.json").read_text())
    template["strategy_config"] |= {"sizing": "capital", "order_size": None, "order_size_quote": None}
    assert complaints_of(home, template) == []
    template["strategy_config"]["order_size"] = 0.01
    (said,) = complaints_of(home, template)
    assert "strategy_config.order_size: found a size, expected null" in said


def test_a_wrongly_typed_key_is_not_complained_of_twice(home: Home) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={"order_size": "x", "order_size_quote": 50}))
    assert "order_size: " in said


PERP = {"symbol": "SOL-PERP"}


@pytest.mark.parametrize(
    ("sections", "path", "word"),
    [
        ({"strategy_config": {"spread_pct": 0.1}}, "strategy_config.spread_pct", "0.12 (%): twice maker_fee_bps (6)"),
        ({"strategy_config": {"bid_spread_pct": 0.01}}, "strategy_config.bid_spread_pct", "at least 0.06"),
        ({"strategy_config": {"ask_spread_pct": 0.01}}, "strategy_config.ask_spread_pct", "at least 0.06"),
        (
            {"strategy_config": {"layer_mode": "list", "layers": 2, "layer_spreads_pct": [0.05, 1]}},
            "strategy_config.layer_spreads_pct[0]",
            "at least 0.06",
        ),
    ],
)  # fmt: skip
def test_a_spread_below_the_fees_of_a_round_trip(home: Home, sections: dict[str, Any], path: str, word: str) -> None:
    (said,) = complaints_of(home, config_with(exchange_config={"maker_fee_bps": 6}, **sections))
    assert f"{path}: found " in said
    assert word in said


@pytest.mark.parametrize(
    "sections",
    [
        {"exchange_config": {"maker_fee_bps": 10}},  # the default spread is exactly twice as much
        {"exchange_config": {"maker_fee_bps": -1}, "strategy_config": {"spread_pct": 0}},
        {"exchange_config": {"maker_fee_bps": 0}, "strategy_config": {"spread_pct": 0}},
        {"exchange_config": {"maker_fee_bps": 50}, "strategy_config": {"minimum_spread_pct": 0.5}},
        {"exchange_config": {"maker_fee_bps": 6}, "strategy_config": {"bid_spread_pct": 0.01, "ask_spread_pct": 0.2}},
    ],
)
def test_a_spread_that_pays_its_fees_is_sound(home: Home, sections: dict[str, Any]) -> None:
    assert complaints_of(home, config_with(**sections)) == []


@pytest.mark.parametrize(
    ("strategy", "word"),
    [
        ({"startup_position": "close_short"}, '"keep", "close_long" or "refuse": on spot'),
        ({"startup_position": "close_all"}, '"keep", "close_long" or "refuse": on spot'),
        ({"startup_position": "close"}, '"close_long"'),
        ({"on_stop": "keep_orders"}, '"close_position"'),
    ],
)
def test_what_cannot_be_closed_on_spot_is_refused(home: Home, strategy: dict[str, Any], word: str) -> None:
    (said,) = complaints_of(home, config_with(strategy_config=strategy))
    assert f"strategy_config.{next(iter(strategy))}: found " in said
    assert word in said


@pytest.mark.parametrize(
    "strategy",
    [
        {"startup_position": "close_long", "on_stop": "close_position", "startup_orders": "cancel_all"},
        {"startup_position": "refuse"},
        {"symbol": "SOL-PERP", "startup_position": "close_short"},
        {"symbol": "SOL-PERP", "startup_position": "close_all", "on_stop": "close_position"},
    ],
)
def test_what_can_be_closed_is_sound(home: Home, strategy: dict[str, Any]) -> None:
    assert complaints_of(home, config_with(strategy_config=strategy, risk_config={"max_position": 50})) == []


@pytest.mark.parametrize("template", ["paper_grid_strategy", "paper_perp_grid_strategy", "paper_maker_taker_hedge"])
def test_what_a_grid_or_a_hedge_on_spot_holds_is_not_closed_behind_its_back(home: Home, template: str) -> None:
    config = json.loads((CHECKOUT / "config" / "templates" / f"{template}.json").read_text())
    config["strategy_config"] |= {"startup_position": "close_all", "on_stop": "close_position"}
    first, second = complaints_of(home, config)
    assert 'strategy_config.startup_position: found "close_all", expected "keep" or "refuse": ' in first
    assert 'strategy_config.on_stop: found "close_position", expected "cancel": ' in second
    config["strategy_config"] |= {"startup_position": "refuse", "on_stop": "cancel"}
    assert complaints_of(home, config) == []


def test_legs_on_margin_are_closed_together_only(home: Home) -> None:
    config = json.loads((CHECKOUT / "config" / "templates" / "paper_maker_taker_hedge.json").read_text())
    config["strategy_config"] |= {"symbol": "SOL-PERP", "hedge_symbol": "SOL-PERP", "startup_position": "close_long"}
    config["risk_config"] |= {"max_position": 50}
    (said,) = complaints_of(home, config)
    assert 'startup_position: found "close_long", expected "keep", "close_all" or "refuse": the legs' in said
    config["strategy_config"] |= {"startup_position": "close_all", "on_stop": "close_position"}
    assert complaints_of(home, config) == []


@pytest.mark.parametrize(
    ("balances", "strategy", "path"),
    [
        ({"SOL": "2"}, {}, "order_size"),
        ({"SOL": 2.9}, {"size_ratio": 1.0}, "order_size"),
        ({"SOL": "6"}, {"size_ratio": 2.0}, "order_size"),
        ({"USDC": "100"}, {"order_size": ..., "order_size_quote": 50}, "order_size_quote"),
        (
            {"SOL": "5"},
            {"order_size": ..., "layer_mode": "list", "layer_spreads_pct": [1, 2, 3], "layer_sizes": [2, 2, 2]},
            "layer_sizes",
        ),
    ],
)
def test_layers_that_the_money_of_the_paper_account_does_not_reach(
    home: Home, balances: dict[str, Any], strategy: dict[str, Any], path: str
) -> None:
    config = config_with(exchange_config={"initial_balances": balances}, strategy_config=strategy)
    (said,) = complaints_of(home, config)
    assert f"strategy_config.{path}: found " in said
    assert "as in initial_balances" in said


@pytest.mark.parametrize(
    ("balances", "sections"),
    [
        ({"SOL": "3"}, {}),
        ({"SOL": "2"}, {"risk_config": {"max_order_size": 0.5}}),
        ({"USDC": "5"}, {}),  # what the base is worth only the market knows
        ({"SOL": "0"}, {}),  # the first buy brings some
        ({"SOL": "1"}, {"strategy_config": PERP, "risk_config": {"max_position": 5}}),
        ({}, {}),
    ],
)
def test_layers_that_can_rest_are_sound(home: Home, balances: dict[str, Any], sections: dict[str, Any]) -> None:
    assert complaints_of(home, config_with(exchange_config={"initial_balances": balances}, **sections)) == []


@pytest.mark.parametrize(
    ("risk", "strategy", "path"),
    [
        ({"max_position": 0.5}, {}, "max_position"),
        ({"max_position_usd": 40}, {"order_size": ..., "order_size_quote": 50}, "max_position_usd"),
        ({"max_position": 0.5}, PERP, "max_position"),
    ],
)
def test_a_position_limit_below_a_single_order(
    home: Home, risk: dict[str, Any], strategy: dict[str, Any], path: str
) -> None:
    (said,) = complaints_of(home, config_with(risk_config=risk, strategy_config=strategy))
    assert f"risk_config.{path}: found " in said


@pytest.mark.parametrize("risk", [{"max_position": 1}, {"max_position": 0.5, "max_order_size": 0.5}, {}])
def test_a_position_limit_below_all_layers_together_is_sound(home: Home, risk: dict[str, Any]) -> None:
    assert complaints_of(home, config_with(risk_config=risk)) == []


@pytest.mark.parametrize(
    "strategy",
    [
        {"layer_mode": None},
        {"layer_mode": "list", "layer_spreads_pct": ["x"], "spread_pct": {}},
        {"interval_s": "x", "min_cycle_s": 1, "layers": []},
        {"layer_sizes": [None], "order_size": [], "size_ratio": "x", "layers": 3},
    ],
)
def test_what_an_unknown_strategy_and_venue_say_is_not_looked_into(home: Home, strategy: dict[str, Any]) -> None:
    metadata = {"exchange": "nowhere", "strategy": "nothing"}
    balances = {"initial_balances": {"SOL": ["x"], "USDC": "x"}, "maker_fee_bps": 5, "feed": ...}
    said = complaints_of(home, config_with(metadata=metadata, exchange_config=balances, strategy_config=strategy))
    assert [one.partition(": found")[0] for one in said] == ["given: metadata.exchange", "given: metadata.strategy"]


def test_every_check_is_a_named_function_with_a_sentence() -> None:
    assert all(
        check.__name__.startswith("check_") and (check.__doc__ or "").endswith((".", ".\n    ")) for check in CHECKS
    )
    assert {kind for kinds in CHECKS.values() for kind in kinds} == {"bot", "job"}


def test_a_price_floor_above_the_ceiling(home: Home) -> None:
    (said,) = complaints_of(home, config_with(risk_config={"price_floor": 2, "price_ceiling": 1}))
    assert "risk_config.price_floor" in said


def test_a_first_backoff_above_the_longest(home: Home) -> None:
    (said,) = complaints_of(home, config_with(daemon_config={"backoff_initial_s": 90}))
    assert "daemon_config.backoff_initial_s: found 90.0, expected at most backoff_max_s, which is 60.0" in said


@pytest.mark.parametrize("symbol", ["BTC-PERP", "btc-perp"])
def test_a_perpetual_needs_a_position_limit(home: Home, symbol: str) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={"symbol": symbol}))
    assert "risk_config.max_position: found nothing" in said


@pytest.mark.parametrize("key", ["max_position", "max_position_usd"])
def test_either_position_limit_will_do(home: Home, key: str) -> None:
    assert complaints_of(home, config_with(strategy_config={"symbol": "BTC-PERP"}, risk_config={key: 1})) == []


def test_a_perpetual_is_not_shared(home: Home) -> None:
    shared = {"exchange_config": {"allow_shared_symbol": True}}
    assert complaints_of(home, config_with(**shared)) == []
    perp = {"strategy_config": {"symbol": "SOL-PERP"}, "risk_config": {"max_position": 1}}
    (said,) = complaints_of(home, config_with(**shared, **perp))
    assert "exchange_config.allow_shared_symbol: found true, expected false: SOL-PERP is a perpetual or future" in said


def test_who_knows_a_symbols_kind_can_say_so(home: Home) -> None:
    asked = []

    def kind_of(exchange: str, symbol: str) -> str:
        asked.append((exchange, symbol))
        return "perp"

    with pytest.raises(InvalidConfig, match="max_position"):
        load_plain(config_with(strategy_config={"symbol": "BTCUSDT"}), "given", home, {}, kind_of)
    assert asked == [("paper", "BTCUSDT")]


@pytest.mark.parametrize("name", ["sol-mm", "A", "_x", "1", "x" * 64])
def test_names_that_are_bots(name: str) -> None:
    assert bot_name_problem(name) is None


@pytest.mark.parametrize("symbol", ["SOL-USDC", "BTC-PERP", "BTCUSDT", "SOL_USDC_PERP", "1000PEPE"])
def test_symbols_of_ours_and_of_venues(symbol: str) -> None:
    assert symbol_problem(symbol) is None


@pytest.mark.parametrize(
    ("written", "ours", "kind"),
    [
        ("SOL_USDC", "SOL-USDC", None),
        ("SOL-USDC", "SOL-USDC", None),
        ("BTCUSDT", "BTCUSDT", None),
        ("SOL_USDC_PERP", "SOL-PERP", "perp"),
        ("SOL-USDT-PERP", "SOL-USDT-PERP", "perp"),
        ("BTC-PERPETUAL", "BTC-PERP", "perp"),
        ("BTC-PERP", "BTC-PERP", "perp"),
        ("BTC-27DEC30", "BTC-27DEC30", "future"),
        ("PERP-USDC", "PERP-USDC", None),
    ],
)
def test_a_venues_spelling_has_our_name_and_tells_its_kind(written: str, ours: str, kind: str | None) -> None:
    assert (our_symbol(written), margin_kind(written)) == (ours, kind)


@pytest.mark.parametrize("symbol", ["", "-A", "a b", "../x", "BTC-USDT\n", "x" * 49])
def test_texts_that_are_no_symbols(symbol: str) -> None:
    assert symbol_problem(symbol) is not None


def test_spellings_of_one_symbol_have_one_key() -> None:
    assert {symbol_key(symbol) for symbol in ("BTC-USDT", "btc_usdt", "BTCUSDT")} == {"BTCUSDT"}
    assert {symbol_key(symbol) for symbol in ("SOL-PERP", "SOL_USDC_PERP", "sol-usdc-perp")} == {"SOLPERP"}
    assert symbol_key("BTC-PERPETUAL") == symbol_key("BTC-PERP") != symbol_key("BTC-USDC")


def test_printable_text_is_cut_and_without_control_characters() -> None:
    assert printable("a\x1b[0m\n" + "x" * 100, 12).isprintable()
    assert len(printable("x" * 100, 12)) == 12
