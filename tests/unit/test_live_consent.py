"""Real money needs a person's word, and only real money does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.bot_config import BotConfig
from core.registry.config_manager import InvalidConfig, load_plain
from core.registry.live_consent import NAME, Subject, give_consent, has_consent, hold_to_consent, is_real_money
from utils.errors import ConfigError
from utils.home import Home

WHAT = Subject("backpack", "main", "SOL-USDC")
HERE = {"base_url": "http://127.0.0.1:8000", "ws_url": "ws://127.0.0.1:8000/"}


def live_config(home: Home, **exchange: Any) -> BotConfig:
    plain = {
        "metadata": {"name": "sol", "exchange": "backpack", "strategy": "market_maker"},
        "daemon_config": {},
        "exchange_config": {"mode": "live", "account": "main", "api_key": "${K}", "api_secret": "${S}", **exchange},
        "strategy_config": {"symbol": "SOL-USDC", "order_size": 1},
    }
    return load_plain(plain, "test", home, {"K": "k", "S": "s"})


@pytest.mark.parametrize(
    ("section", "real"),
    [
        ({}, False),
        ({"mode": "paper"}, False),
        ({"mode": "live"}, True),
        ({"mode": "live", "network": "live"}, True),
        ({"mode": "live", "network": "test"}, False),
        ({"mode": "live", "network": "test", "ws_url": HERE["ws_url"]}, False),
        ({"mode": "live", "network": "test", "ws_url": "wss://example.org/"}, True),  # it may be the real one
        ({"mode": "live", "network": "test", "base_url": HERE["base_url"], "ws_url": "wss://example.org/"}, True),
        ({"mode": "live", "network": "test", "ws_url": "wss://["}, True),  # no address at all, and none of this host
        ({"mode": "live", "base_url": "https://[", "ws_url": HERE["ws_url"]}, True),
        ({"mode": "live", **HERE}, False),
        ({"mode": "live", "base_url": HERE["base_url"]}, True),  # the other address is the venue's own
        ({"mode": "live", "base_url": HERE["base_url"], "ws_url": "wss://example.org/"}, True),
        ({"mode": "live", "base_url": "https://127.0.0.1.example.org", "ws_url": HERE["ws_url"]}, True),
    ],
)
def test_only_live_mode_on_a_venue_that_is_not_here_is_real_money(section: dict[str, Any], real: bool) -> None:
    assert is_real_money(section) is real


def test_a_live_bot_without_a_word_is_refused_and_told_how(tmp_path: Path) -> None:
    config = live_config(Home(tmp_path))
    with pytest.raises(ConfigError, match=r"sol would trade real money \(SOL-USDC on backpack\).*restart sol --live"):
        hold_to_consent(tmp_path, config)


def test_a_word_holds_for_that_venue_account_and_symbol_only(tmp_path: Path) -> None:
    give_consent(tmp_path / "sol", WHAT)
    assert has_consent(tmp_path / "sol", WHAT)
    hold_to_consent(tmp_path / "sol", live_config(Home(tmp_path)))
    for other in (("thalex", "main", "SOL-USDC"), ("backpack", "b", "SOL-USDC"), ("backpack", "main", "BTC-USDC")):
        assert not has_consent(tmp_path / "sol", Subject(*other))


def test_a_word_does_not_hold_for_another_address(tmp_path: Path) -> None:
    give_consent(tmp_path / "sol", WHAT)
    with pytest.raises(ConfigError, match="would trade real money"):
        hold_to_consent(tmp_path / "sol", live_config(Home(tmp_path), base_url="https://example.org"))


def test_a_damaged_word_is_no_word(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("[")
    assert not has_consent(tmp_path, WHAT)


def test_a_bot_on_a_simulator_of_this_host_needs_no_word(tmp_path: Path) -> None:
    hold_to_consent(tmp_path, live_config(Home(tmp_path), **HERE))


@pytest.mark.parametrize("key", ["api_key", "api_secret"])
def test_live_mode_without_a_key_is_not_valid(tmp_path: Path, key: str) -> None:
    with pytest.raises(InvalidConfig, match=rf"exchange_config\.{key}"):
        live_config(Home(tmp_path), **{key: None})


@pytest.mark.parametrize("address", ["http://example.org", "ftp://127.0.0.1", "https://user:pw@example.org", "ws://x"])
def test_an_address_without_encryption_or_with_a_password_is_not_valid(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidConfig, match=r"exchange_config\.base_url"):
        live_config(Home(tmp_path), base_url=address)
