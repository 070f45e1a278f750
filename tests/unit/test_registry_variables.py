"""Variables and secrets: resolved or only named, never repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.registry.config_manager import InvalidConfig, explain, load_file, load_folder, load_plain, resolve_secrets
from core.registry.key_names import key_parts, variable_of
from tests.registry_parts import complaints_of, config_with, make_home, put, put_env
from utils.env import MissingVariables, Secret
from utils.errors import ConfigError
from utils.home import CHECKOUT, Home

KEYS = config_with(exchange_config={"api_key": "${KEY}", "api_secret": "${OTHER}"})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def test_a_variable_takes_the_type_of_its_key(home: Home) -> None:
    strategy = {"spread_pct": "${S}", "layers": "${L}", "inventory_skew_enabled": "${B}", "bid_spread_pct": "${N:-}"}
    environ = {"S": "0.5", "L": "4", "B": "false"}
    bot = load_plain(config_with(strategy_config=strategy), "given", home, environ)
    got = {key: bot.strategy_config[key] for key in strategy}
    assert got == {"spread_pct": 0.5, "layers": 4, "inventory_skew_enabled": False, "bid_spread_pct": None}


def test_a_variable_can_hold_a_list(home: Home) -> None:
    strategy = {"layer_mode": "list", "layers": 2, "layer_spreads_pct": "${LIST}"}
    bot = load_plain(config_with(strategy_config=strategy), "given", home, {"LIST": "[0.1, 0.2]"})
    assert bot.strategy_config["layer_spreads_pct"] == [0.1, 0.2]


def test_a_number_stays_text_where_text_is_wanted(home: Home) -> None:
    assert load_plain(config_with(metadata={"name": "${N}"}), "given", home, {"N": "007"}).name == "007"


def test_a_part_of_a_text_can_be_a_variable(home: Home) -> None:
    bot = load_plain(config_with(strategy_config={"symbol": "${BASE}-USDC"}), "given", home, {"BASE": "ETH"})
    assert bot.symbol == "ETH-USDC"


@pytest.mark.parametrize("value", ["abc", "nan", "0x10", "1_0", "true", "[1]", "1e999"])
def test_a_variable_of_the_wrong_type_is_told_without_its_value(home: Home, value: str) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={"spread_pct": "${S}"}), S=value)
    assert 'found "${S}", expected a number from 0 to 20 (%)' in said


def test_exchange_and_strategy_can_be_variables(home: Home) -> None:
    config = config_with(metadata={"exchange": "${E:-paper}", "strategy": "${S}"})
    assert complaints_of(home, config, S="market_maker") == []


def test_all_missing_variables_are_told_at_once(home: Home) -> None:
    config = config_with(
        exchange_config={"api_key": "${KEY}", "feed": "${FEED}"}, strategy_config={"symbol": "${A}-${B}"}
    )
    said = "\n".join(complaints_of(home, config))
    assert all(f"expected {name}" in said for name in ("KEY", "FEED", "A and B"))


def test_a_missing_variable_names_the_nearest_one_of_the_file(home: Home) -> None:
    put_env(home, "PAPER_KEY=x\n")
    (said,) = complaints_of(home, config_with(exchange_config={"api_key": "${PAPER_KY}"}))
    assert said.endswith("nearest known key: PAPER_KEY")


def test_the_environment_comes_before_the_file_unless_it_is_empty(home: Home) -> None:
    put_env(home, "A=ETH\nB=USDT\n")
    bot = load_plain(config_with(strategy_config={"symbol": "${A}-${B}"}), "given", home, {"A": "BTC", "B": ""})
    assert bot.symbol == "BTC-USDT"


def test_a_broken_reference_is_told(home: Home) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={"symbol": "${1}"}))
    assert "${NAME}" in said


# ---------------------------------------------------------------- secrets


def test_a_secret_stays_a_reference_and_is_listed_by_name(home: Home) -> None:
    put_env(home, "KEY=hunter2\nOTHER=swordfish\n")
    bot = load_plain(KEYS, "given", home, {})
    assert bot.exchange_config["api_key"] == "${KEY}"
    assert bot.secret_names == ("KEY", "OTHER")
    assert "hunter2" not in json.dumps(bot.to_plain())


@pytest.mark.parametrize(
    "literal", ["hunter2", "${KEY:-hunter2}", "x${KEY}hunter2", "$${hunter2}", 4711, ["hunter2"], {"k": "hunter2"}]
)
def test_a_literal_secret_is_refused_and_not_repeated(home: Home, literal: object) -> None:
    said = complaints_of(home, config_with(exchange_config={"api_key": literal}), KEY="k")
    assert len(said) == 1
    assert "exchange_config.api_key" in said[0]
    assert "found ***" in said[0]
    assert "hunter2" not in said[0]
    assert "4711" not in said[0]


def test_a_misspelled_secret_key_does_not_repeat_its_value(home: Home) -> None:
    (said,) = complaints_of(home, config_with(exchange_config={"api_keys": "hunter2"}))
    assert "hunter2" not in said
    assert said.endswith("nearest known key: api_key")


def test_a_section_given_as_a_text_does_not_repeat_it(home: Home) -> None:
    said = complaints_of(home, {**config_with(), "exchange_config": "hunter2"})
    assert said
    assert "hunter2" not in "".join(said)


def test_no_secret_at_all_is_sound(home: Home) -> None:
    assert complaints_of(home, config_with(exchange_config={"api_key": None, "api_secret": "${NOT_SET:-}"})) == []


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}])
def test_a_missing_or_empty_secret_is_told(home: Home, environ: dict[str, str]) -> None:
    (said,) = complaints_of(home, config_with(exchange_config={"api_key": "${KEY}"}), **environ)
    assert "expected KEY to be set in .env or the environment" in said


def test_a_secret_cannot_be_read_by_a_printable_key(home: Home) -> None:
    config = config_with(exchange_config={"api_key": "${KEY}", "account": "${KEY}"})
    (said,) = complaints_of(home, config, KEY="hunter2")
    assert "exchange_config.account" in said
    assert "hunter2" not in said


def test_a_secret_of_another_config_cannot_be_read_by_a_printable_key(home: Home) -> None:
    put(home, "a.json", config_with(metadata={"name": "a"}, exchange_config={"api_key": "${KEY}"}))
    put(home, "b.json", config_with(metadata={"name": "b"}, exchange_config={"account": "${KEY}"}))
    result = load_folder(home.active, home, {"KEY": "hunter2"})
    assert [config.name for config in result.configs] == ["a"]
    assert [entry.file for entry in result.invalid] == ["config/active/b.json"]
    assert "hunter2" not in repr(result)


def test_the_worker_gets_secrets_as_secrets(home: Home) -> None:
    put_env(home, "KEY=hunter2\n")
    bot = resolve_secrets(load_plain(KEYS, "given", home, {"OTHER": "x"}), {"OTHER": "swordfish"}, home.env_file)
    assert bot.exchange_config["api_key"] == Secret("hunter2")
    assert bot.exchange_config["api_secret"] == Secret("swordfish")
    assert "hunter2" not in repr(bot)
    with pytest.raises(TypeError):
        json.dumps(bot.to_plain())


def test_the_worker_names_every_secret_that_went_missing(home: Home) -> None:
    bot = load_plain(KEYS, "given", home, {"KEY": "x", "OTHER": "y"})
    with pytest.raises(MissingVariables, match="KEY, OTHER"):
        resolve_secrets(bot, {}, home.env_file)


def test_an_optional_secret_that_is_not_set_is_null(home: Home) -> None:
    bot = load_plain(config_with(exchange_config={"api_key": "${KEY:-}"}), "given", home, {})
    assert resolve_secrets(bot, {}, home.env_file).exchange_config["api_key"] is None


@pytest.mark.parametrize("venue", ["backpack", "thalex"])
def test_real_orders_need_a_key_that_is_set(home: Home, venue: str) -> None:
    text = json.loads((CHECKOUT / "config" / "templates" / f"{venue}_market_maker.json").read_text())
    config = {**text, "exchange_config": {**text["exchange_config"], "mode": "live"}}
    names = [variable_of(venue, key) for key in key_parts(venue)]
    found = complaints_of(home, config)
    assert len(found) == 2
    assert all(f'found "${{{name}:-}}", which is not set' in one for name, one in zip(names, found, strict=True))
    assert complaints_of(home, config, **dict.fromkeys(names, "value")) == []
    assert complaints_of(home, text) == []


def test_a_literal_dollar_in_a_printable_key_is_no_secret(home: Home) -> None:
    config = config_with(metadata={"description": "$${KEY}"}, exchange_config={"api_key": "${KEY}"})
    bot = resolve_secrets(load_plain(config, "given", home, {"KEY": "x"}), {"KEY": "x"}, home.env_file)
    assert bot.metadata["description"] == "${KEY}"


# ---------------------------------------------------------------- .env


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_reach_is_refused(home: Home, mode: int) -> None:
    put_env(home, "KEY=hunter2\nOTHER=x\n", mode)
    said = "\n".join(complaints_of(home, KEYS))
    assert "chmod 600 .env" in said
    assert f"mode {mode:04o}" in said
    assert "hunter2" not in said


def test_a_refused_file_is_listed_and_spares_bots_that_need_no_variable(home: Home) -> None:
    put_env(home, "KEY=hunter2\n", 0o644)
    put(home, "a.json", config_with(metadata={"name": "a"}))
    put(home, "b.json", config_with(metadata={"name": "b"}, exchange_config={"api_key": "${KEY}"}))
    result = load_folder(home.active, home, {})
    assert [config.name for config in result.configs] == ["a"]
    assert [entry.file for entry in result.invalid] == [".env", "config/active/b.json"]


def test_a_worker_does_not_read_a_file_that_others_can_reach(home: Home) -> None:
    bot = load_plain(KEYS, "given", home, {"KEY": "x", "OTHER": "y"})
    put_env(home, "KEY=x\nOTHER=y\n", 0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        resolve_secrets(bot, {}, home.env_file)


def test_a_line_that_cannot_be_read_is_told_by_number_only(home: Home) -> None:
    put_env(home, "KEY=a\nOTHER='hunter2\n")
    said = "\n".join(complaints_of(home, KEYS))
    assert ".env:2: found a line that cannot be read" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("content", [b"KEY=\xff\n", b"A" * 300_000])
def test_a_file_that_is_no_text_or_too_large_is_refused(home: Home, content: bytes) -> None:
    home.env_file.write_bytes(content)
    home.env_file.chmod(0o600)
    assert any(said.startswith(".env") for said in complaints_of(home, KEYS))


# ---------------------------------------------------------------- explain


def test_explain_tells_each_value_and_where_it_came_from(home: Home) -> None:
    put_env(home, "KEY=hunter2\nSPREAD=0.3\n")
    config = config_with(
        exchange_config={"api_key": "${KEY}"},
        strategy_config={"spread_pct": "${SPREAD}", "layers": "${LAYERS}", "price_skew": "${SKEW:-0.5}"},
    )
    text = json.dumps(config, indent=1)
    explained = explain(put(home, "x.json", text), home, {"LAYERS": "2"})
    by_path = {one.path: (one.value_text, one.origin) for one in explained}
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "SKEW" in row)
    assert by_path["strategy_config.spread_pct"] == ("0.3", ".env SPREAD")
    assert by_path["strategy_config.layers"] == ("2", "env LAYERS")
    assert by_path["strategy_config.price_skew"] == ("0.5", f"config/active/x.json:{line}")
    assert by_path["exchange_config.api_key"] == ("***", ".env KEY")
    assert by_path["exchange_config.api_secret"] == ("null", "default")
    assert by_path["daemon_config.autostart"] == ("true", "default")
    assert "hunter2" not in repr(explained)


def test_explain_of_an_invalid_config_is_its_complaints(home: Home) -> None:
    with pytest.raises(InvalidConfig, match="layers"):
        explain(put(home, "x.json", config_with(strategy_config={"layers": 0})), home, {})


def test_a_variable_can_name_the_bot_of_a_file(home: Home) -> None:
    assert load_file(put(home, "x.json", config_with(metadata={"name": "${N}"})), home, {"N": "eve"}).name == "eve"
