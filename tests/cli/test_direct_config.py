"""A direct run's flags become one config."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest

from cli.direct_config import Wish, direct_config, recorded_feed
from core.registry.config_manager import load_plain
from utils.home import Home


def config_of(home: Home, symbol: str = "BTC-USDT", **wish: Any) -> dict[str, Any]:
    return direct_config(Wish(symbol=symbol, **wish), home)


def test_the_flags_become_one_valid_config(home: Home) -> None:
    plain = config_of(home, spread=0.01, max_orders=3, duration=30, interval=1)
    config = load_plain(plain, "flags", home, {})
    assert (config.name, config.exchange, config.strategy) == ("direct-paper-btc-usdt", "paper", "market_maker")
    keys = ("spread_pct", "layers", "duration_s", "interval_s")
    assert [config.strategy_config[key] for key in keys] == [0.01, 3, 30, 1]
    assert list(plain) == ["metadata", "daemon_config", "exchange_config", "strategy_config", "risk_config"]


def test_what_is_not_said_is_filled_so_that_a_narrow_spread_is_followed(home: Home) -> None:
    strategy = config_of(home, spread=0.01)["strategy_config"]
    assert strategy["order_size_quote"] > 0
    assert strategy["price_tolerance_pct"] < 0.01
    assert "spread_pct" not in config_of(home)["strategy_config"]


def test_a_live_run_takes_its_keys_from_the_variables_of_the_templates(home: Home) -> None:
    found = config_of(home, "BTC-PERP", exchange="thalex", live=True, settings=("exchange_config.key_id=${OTHER}",))
    keys = {key: found["exchange_config"][key] for key in ("mode", "key_id", "private_key")}
    assert keys == {"mode": "live", "key_id": "${OTHER}", "private_key": "${THALEX_PRIVATE_KEY}"}
    assert "key_id" not in config_of(home, "BTC-PERP", exchange="thalex")["exchange_config"]


def test_a_size_of_the_users_own_is_kept(home: Home) -> None:
    strategy = config_of(home, settings=("order_size=0.001", "price_tolerance_pct=1"), spread=0.5)["strategy_config"]
    assert (strategy["order_size"], strategy["price_tolerance_pct"]) == (0.001, 1)
    assert "order_size_quote" not in strategy


def test_settings_reach_every_section_and_keep_their_type(home: Home) -> None:
    settings = (
        "price_source=micro",
        "inventory_skew_enabled=false",
        "risk.max_loss=10",
        "exchange_config.seed=7",
        "daemon.max_restarts=2",
        "layer_mode=list",
        "layer_spreads_pct=[0.1, 0.2]",
        "layers=2",
    )
    plain = config_of(home, settings=settings)
    assert plain["risk_config"] == {"max_loss": 10}
    assert plain["exchange_config"]["seed"] == 7
    assert plain["daemon_config"]["max_restarts"] == 2
    assert plain["strategy_config"]["layer_spreads_pct"] == [0.1, 0.2]
    assert plain["strategy_config"]["inventory_skew_enabled"] is False
    load_plain(plain, "flags", home, {})


@pytest.mark.parametrize("setting", ["spread_pct", "=1", "wrong.key=1", ".=1", ""])
def test_a_setting_that_is_none_is_a_usage_error(home: Home, setting: str) -> None:
    with pytest.raises(click.UsageError, match="expected KEY=VALUE"):
        config_of(home, settings=(setting,))


@pytest.mark.parametrize(
    ("symbol", "feed"),
    [
        ("BTC-USDT", "replay:slice60s_binance_spot_btcusdt_20240808.csv.gz"),
        ("btcusdt", "replay:slice60s_binance_spot_btcusdt_20240808.csv.gz"),
        ("BTC-PERP", "replay:slice20s_binance_usdm_btcusdt_20240808.csv.gz"),
        ("SOL-USDC", "synthetic"),
    ],
)
def test_the_feed_is_a_shipped_recording_where_there_is_one(home: Home, symbol: str, feed: str) -> None:
    assert config_of(home, symbol)["exchange_config"]["feed"] == feed
    assert config_of(home, symbol, feed="synthetic")["exchange_config"]["feed"] == "synthetic"


def test_a_recording_of_the_users_own_comes_first_and_a_description_alone_is_none(home: Home) -> None:
    home.data.mkdir(parents=True)
    described = json.dumps({"symbol": "BTC-USDT", "kind": "spot"})
    (home.data / "mine.json").write_text(described)
    (home.data / "broken.json").write_text("{")
    assert recorded_feed("BTC-USDT", home) != "replay:mine.csv.gz"
    (home.data / "mine.csv.gz").write_bytes(b"")
    assert recorded_feed("BTC-USDT", home) == "replay:mine.csv.gz"


def test_a_name_is_made_from_venue_and_symbol(home: Home) -> None:
    assert config_of(home, "A/B", exchange="paper:x")["metadata"]["name"] == "direct-paper-x-a-b"
    assert config_of(home, name="mine")["metadata"]["name"] == "mine"
