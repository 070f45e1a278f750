"""What a config says, layer upon layer: the file, its base, the environment, the schema's defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.bot_config import BotConfig
from core.process.config_change import Change, change_between
from core.registry.config_manager import (
    Explained,
    InvalidConfig,
    explain,
    load_base,
    load_daemon_file,
    load_file,
    load_folder,
)
from core.registry.config_manager import resolve_secrets as with_secrets
from core.registry.schema import known_exchanges, schema_for
from core.registry.sources import source_files
from tests.registry_parts import complaints_of, config_with, make_home, put, put_base, put_env
from utils.env import Secret
from utils.home import Home

SECRETS = {path for venue in known_exchanges() for path in schema_for("bot", venue, None).marked("writeOnly", True)}
BASE: dict[str, Any] = {
    "metadata": {"exchange": "paper", "strategy": "market_maker", "tags": ["btc"]},
    "daemon_config": {"max_restarts": 7},
    "exchange_config": {"initial_balances": {"USDC": "5", "SOL": "50"}},
    "strategy_config": {"symbol": "SOL-USDC", "order_size": 1, "spread_pct": 0.4, "layers": 2},
}
CHILD: dict[str, Any] = {
    "metadata": {"name": "sol", "extends": "calm"},
    "daemon_config": {},
    "exchange_config": {"initial_balances": {"USDC": "900"}},
    "strategy_config": {"spread_pct": 0.6},
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def loaded(home: Home, config: dict[str, Any] | None = None, **environ: str) -> BotConfig:
    return load_file(put(home, "x.json", config or CHILD), home, environ)


def origins(home: Home, **environ: str) -> dict[str, Explained]:
    return {one.path: one for one in explain(home.active / "x.json", home, environ)}


def said(home: Home, config: dict[str, Any], **environ: str) -> list[str]:
    try:
        loaded(home, config, **environ)
    except InvalidConfig as exc:
        return [str(one) for one in exc.complaints]
    return []


def line_of(text: str, word: str) -> int:
    return next(number for number, row in enumerate(text.splitlines(), 1) if word in row)


# ---------------------------------------------------------------- extends


def test_a_base_counts_where_the_file_says_nothing(home: Home) -> None:
    put_base(home, "calm.json", BASE)
    bot = loaded(home)
    assert (bot.name, bot.exchange, bot.tags) == ("sol", "paper", ("btc",))
    assert (bot.strategy_config["spread_pct"], bot.strategy_config["layers"]) == (0.6, 2)
    assert bot.exchange_config["initial_balances"] == {"USDC": "900", "SOL": "50"}
    assert (bot.daemon.max_restarts, bot.daemon.nice) == (7, 0)


def test_explain_tells_what_comes_from_the_base(home: Home) -> None:
    text = json.dumps(BASE, indent=1)
    put_base(home, "calm.json", text)
    loaded(home)
    line = line_of(text, "layers")
    found = origins(home)
    assert found["strategy_config.layers"].origin == f"base config/bases/calm.json:{line}"
    assert found["strategy_config.layers"].layer == "base"
    assert found["strategy_config.spread_pct"].layer == "file"
    assert found["strategy_config.layer_mode"] == Explained("strategy_config.layer_mode", "power", "default", "default")


def test_a_complaint_points_to_the_one_of_the_two_files_that_says_it(home: Home) -> None:
    base = {**BASE, "strategy_config": {**BASE["strategy_config"], "layers": 99, "layrs": 1}}
    text = json.dumps(base, indent=1)
    put_base(home, "calm.json", text)
    child = {**CHILD, "strategy_config": {"spread_pct": "wide"}}
    lines = {
        word: n for n, row in enumerate(text.splitlines(), 1) for word in ("layers", "layrs") if f'"{word}"' in row
    }
    own = next(n for n, row in enumerate(json.dumps(child, indent=1).splitlines(), 1) if "wide" in row)
    assert [one.split(": found")[0] for one in said(home, child)] == [
        f"config/active/x.json:{own}:17: strategy_config.spread_pct",
        f"config/bases/calm.json:{lines['layers']}:13: strategy_config.layers",
        f"config/bases/calm.json:{lines['layrs']}:3: strategy_config.layrs",
    ]


def test_what_neither_of_the_two_says_is_missing_in_the_file(home: Home) -> None:
    put_base(home, "calm.json", {**BASE, "strategy_config": {"order_size": 1}})
    (one,) = said(home, CHILD)
    assert one.startswith("config/active/x.json:")
    assert "strategy_config.symbol: found nothing" in one


@pytest.mark.parametrize("path", sorted(SECRETS), ids=".".join)
@pytest.mark.parametrize("exchange", [None, "paper"])
def test_a_base_of_any_venue_or_none_holds_no_literal_secret(
    home: Home, path: tuple[str, str], exchange: str | None
) -> None:
    base: dict[str, Any] = {"metadata": {"exchange": exchange} if exchange else {}, path[0]: {path[1]: "literal"}}
    text = json.dumps(base, indent=1)
    with pytest.raises(InvalidConfig) as told:
        load_base(put_base(home, "calm.json", text), home, {})
    found = [str(one) for one in told.value.complaints if one.path == ".".join(path)]
    assert found
    assert all(one.startswith(f"config/bases/calm.json:{line_of(text, path[1])}:") for one in found)
    assert all("literal" not in one for one in found)


def test_a_base_without_a_venue_may_refer_to_a_secret(home: Home) -> None:
    base = {"exchange_config": {"api_key": "${KEY}"}}
    load_base(put_base(home, "calm.json", base), home, {"KEY": "value"})


@pytest.mark.parametrize(
    ("name", "word"),
    [("clam", "nearest known key: calm"), ("../calm", "the name of a file"), ("/etc/passwd", "the name of a file")],
)
def test_a_base_that_is_none_is_told(home: Home, name: str, word: str) -> None:
    put_base(home, "calm.json", BASE)
    config = config_with(metadata={"extends": name})
    (one,) = said(home, config)
    assert "metadata.extends: found " in one
    assert word in one


def test_what_only_a_broken_base_could_say_is_not_missed(home: Home) -> None:
    put_base(home, "calm.json", '{"metadata": {,}}')
    (one,) = said(home, CHILD)
    assert one.startswith("config/bases/calm.json:1:15: ")


def test_other_mistakes_are_told_beside_a_base_that_is_none(home: Home) -> None:
    assert len(said(home, {**CHILD, "daemon_config": {"nice": 99}})) == 2


@pytest.mark.parametrize(("key", "why"), [("extends", "no base of its own"), ("name", "a name of its own")])
def test_a_base_has_neither_base_nor_name(home: Home, key: str, why: str) -> None:
    put_base(home, "calm.json", {**BASE, "metadata": {**BASE["metadata"], key: "calm"}})
    (one,) = said(home, CHILD)
    assert one.startswith("config/bases/calm.json:8:3: ")
    assert f"metadata.{key}" in one
    assert why in one


@pytest.mark.parametrize("text", ["[]", "5", "null", '"x"'])
def test_a_base_that_is_no_object_is_told(home: Home, text: str) -> None:
    put_base(home, "calm.json", text)
    assert any("config/bases/calm.json:1:1: " in one for one in said(home, CHILD))


def test_a_base_can_be_looked_at_by_itself(home: Home) -> None:
    load_base(put_base(home, "calm.json", {"risk_config": {"max_loss": 5}}), home, {})
    wrong = {**BASE, "risk_config": {"max_los": 5}, "strategy_config": {"layers": 0, "spread_pct": "${NOT_SET}"}}
    with pytest.raises(InvalidConfig) as caught:
        load_base(put_base(home, "calm.json", wrong), home, {})
    assert {one.path for one in caught.value.complaints} == {
        "risk_config.max_los",
        "strategy_config.layers",
        "strategy_config.spread_pct",
    }


def test_a_changed_base_is_a_change_of_each_bot_that_extends_it(home: Home) -> None:
    put_base(home, "calm.json", BASE)
    before = loaded(home)
    put_base(home, "calm.json", {**BASE, "strategy_config": {**BASE["strategy_config"], "layers": 3}})
    assert change_between(before, loaded(home)) is Change.LIVE
    put_base(home, "calm.json", {**BASE, "daemon_config": {"nice": 3}})
    assert change_between(before, loaded(home)) is Change.RESTART


def test_a_secret_of_a_base_is_a_secret(home: Home) -> None:
    put_base(home, "calm.json", {**BASE, "exchange_config": {"api_key": "${KEY}"}})
    put(home, "x.json", CHILD)
    put(home, "y.json", config_with(metadata={"name": "y"}, exchange_config={"account": "${KEY}"}))
    result = load_folder(home.active, home, {"KEY": "hunter2"})
    assert [bot.name for bot in result.configs] == ["sol"]
    assert result.secret_names == ("KEY",)
    assert "hunter2" not in repr(result)


def test_a_null_of_the_file_counts_before_the_base(home: Home) -> None:
    put_base(home, "calm.json", {**BASE, "risk_config": {"max_loss": 5}})
    assert loaded(home, {**CHILD, "risk_config": {"max_loss": None}}).risk_config["max_loss"] is None


def test_a_job_can_extend_a_base(home: Home) -> None:
    put_base(home, "calm.json", {"daemon_config": {"nice": 10}})
    job = {
        "kind": "job",
        "metadata": {"name": "beat", "extends": "calm"},
        "daemon_config": {},
        "job_config": {"job": "heartbeat"},
    }
    assert loaded(home, job).daemon.nice == 10


# ---------------------------------------------------------------- the environment

SPREAD = "MAKERD__STRATEGY_CONFIG__SPREAD_PCT"


def test_the_environment_supplies_a_key_that_no_file_says(home: Home) -> None:
    bot = loaded(home, config_with(), **{SPREAD: "0.7", "MAKERD__RISK_CONFIG__MAX_LOSS": "5"})
    assert (bot.strategy_config["spread_pct"], bot.risk_config["max_loss"]) == (0.7, 5.0)


def test_file_and_base_count_before_the_environment(home: Home) -> None:
    put_base(home, "calm.json", BASE)
    bot = loaded(home, **{SPREAD: "0.7", "MAKERD__STRATEGY_CONFIG__LAYERS": "5", "MAKERD__DAEMON_CONFIG__NICE": "4"})
    assert (bot.strategy_config["spread_pct"], bot.strategy_config["layers"], bot.daemon.nice) == (0.6, 2, 4)


def test_explain_names_the_variable_that_supplies_a_key(home: Home) -> None:
    put(home, "x.json", config_with())
    found = origins(home, **{SPREAD: "0.7"})["strategy_config.spread_pct"]
    assert found == Explained("strategy_config.spread_pct", "0.7", f"env {SPREAD}", "environment")


def test_env_file_supplies_keys_too(home: Home) -> None:
    put_env(home, f"{SPREAD}=0.7\n")
    put(home, "x.json", config_with())
    assert origins(home)["strategy_config.spread_pct"].origin == f".env {SPREAD}"


def test_a_variable_for_one_bot_counts_before_the_one_for_all(home: Home) -> None:
    environ = {SPREAD: "0.7", "MAKERD__BOT__SOL_MM__STRATEGY_CONFIG__SPREAD_PCT": "0.8"}
    assert loaded(home, config_with(), **environ).strategy_config["spread_pct"] == 0.8
    assert loaded(home, config_with(metadata={"name": "b"}), **environ).strategy_config["spread_pct"] == 0.7


def test_a_supplied_value_of_the_wrong_type_is_told_without_the_value(home: Home) -> None:
    (one,) = said(home, config_with(), **{SPREAD: "hunter2"})
    assert "strategy_config.spread_pct" in one
    assert SPREAD in one
    assert "hunter2" not in one


def test_a_supplied_secret_stays_a_secret(home: Home) -> None:
    name = "MAKERD__EXCHANGE_CONFIG__API_KEY"
    bot = loaded(home, config_with(), **{name: "hunter2"})
    assert bot.exchange_config["api_key"] == f"${{{name}}}"
    assert bot.secret_names == (name,)
    assert "hunter2" not in repr(bot)
    resolved = with_secrets(bot, {name: "hunter2"}, home.env_file)
    assert resolved.exchange_config["api_key"] == Secret("hunter2")
    shown = origins(home, **{name: "hunter2"})["exchange_config.api_key"]
    assert (shown.value_text, shown.origin) == ("***", f"env {name}")


def test_an_empty_variable_supplies_nothing(home: Home) -> None:
    assert loaded(home, config_with(), **{SPREAD: ""}).strategy_config["spread_pct"] == 0.2


def test_the_environment_does_not_say_who_a_bot_is(home: Home) -> None:
    assert said(home, config_with(metadata={"strategy": ...}), MAKERD__METADATA__STRATEGY="market_maker")


def test_a_variable_that_supplies_no_key_is_told_and_spares_the_bots(home: Home) -> None:
    put(home, "x.json", config_with())
    environ = {"MAKERD__STRATEGY_CONFIG__SPRED_PCT": "1", "MAKERD__BOT__SOL_MM__STRATEGY_CONFIG__LAYRS": "hunter2"}
    result = load_folder(home.active, home, environ)
    assert [bot.name for bot in result.configs] == ["sol-mm"]
    (entry,) = result.invalid
    assert entry.file == "the environment"
    words = [str(one) for one in entry.complaints]
    assert words[0].startswith("the environment: MAKERD__BOT__SOL_MM__STRATEGY_CONFIG__LAYRS: found no key")
    assert words[1].endswith(f"nearest known key: {SPREAD}")
    assert "hunter2" not in "".join(words)


def test_a_job_is_not_given_the_keys_of_bots(home: Home) -> None:
    job = {"kind": "job", "metadata": {"name": "b"}, "daemon_config": {}, "job_config": {"job": "heartbeat"}}
    assert loaded(home, job, **{SPREAD: "1"}).is_job


def test_the_environment_supplies_keys_of_the_daemon_file(home: Home) -> None:
    environ = {"MAKERD__SUPERVISION__PARALLEL_STARTS": "3", "MAKERD__LOGS__KEEP_FILES": "9"}
    assert load_daemon_file(home, environ).fleet.supervision.parallel_starts == 3  # type: ignore[union-attr]
    home.daemon_file.write_text('{"supervision": {"parallel_starts": 2}}')
    fleet = load_daemon_file(home, environ).fleet
    assert fleet is not None
    assert (fleet.supervision.parallel_starts, fleet.logs.keep_files) == (2, 9)


def test_a_list_of_the_environment_is_explained_by_its_variable(home: Home) -> None:
    put(home, "x.json", config_with())
    environ = {"MAKERD__EXCHANGE_CONFIG__INITIAL_BALANCES": '{"USDC": "5000", "SOL": "50"}'}
    found = origins(home, **environ)["exchange_config.initial_balances.USDC"]
    assert (found.value_text, found.origin) == ("5000", "env MAKERD__EXCHANGE_CONFIG__INITIAL_BALANCES")


# ---------------------------------------------------------------- messages and hostile values


def test_the_message_of_a_reference_is_told_when_its_variable_is_unset_or_empty(home: Home) -> None:
    config = config_with(strategy_config={"symbol": "${SYMBOL:?what do you want to trade}"})
    for environ in ({}, {"SYMBOL": ""}):
        (one,) = complaints_of(home, config, **environ)
        assert "expected SYMBOL (what do you want to trade) to be set" in one
    assert complaints_of(home, config, SYMBOL="SOL-USDC") == []


def test_a_secret_can_have_a_message(home: Home) -> None:
    config = config_with(exchange_config={"api_key": "${KEY:?ask the desk}"})
    (one,) = complaints_of(home, config)
    assert "KEY (ask the desk)" in one
    assert complaints_of(home, config, KEY="x") == []


def test_variables_cannot_grow_a_value_without_end(home: Home) -> None:
    config = config_with(metadata={"description": "${A}" * 200})
    (one,) = complaints_of(home, config, A="x" * 1000)
    assert "at most 65536 characters" in one
    assert len(one) < 500


def test_bytes_that_are_no_text_do_not_come_in_by_a_variable(home: Home) -> None:
    (one,) = complaints_of(home, config_with(metadata={"description": "${A}"}), A="\udcff")
    assert "metadata.description" in one


# ---------------------------------------------------------------- links


def test_a_link_that_leads_out_of_the_home_is_refused(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(config_with()))
    (home.active / "x.json").symlink_to(outside)
    (home.active / "loop.json").symlink_to(home.active / "loop.json")
    result = load_folder(home.active, home, {})
    assert result.configs == ()
    words = " ".join(str(one) for entry in result.invalid for one in entry.complaints)
    assert "a link that leads out of" in words
    assert "loop.json" in words


def test_a_link_within_the_home_is_followed(home: Home) -> None:
    kept = home.root / "config" / "mine.json"
    kept.write_text(json.dumps(config_with()))
    (home.active / "x.json").symlink_to(kept)
    assert [bot.name for bot in load_folder(home.active, home, {}).configs] == ["sol-mm"]


def test_a_base_behind_a_link_out_of_the_home_is_refused(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    (tmp_path / "calm.json").write_text(json.dumps(BASE))
    home.bases.mkdir()
    (home.bases / "calm.json").symlink_to(tmp_path / "calm.json")
    assert "a link that leads out of" in " ".join(said(home, CHILD))


# ---------------------------------------------------------------- what to watch


def test_every_file_that_a_config_depends_on_is_a_source(home: Home) -> None:
    assert source_files(home) == []
    put(home, "b.json", CHILD)
    put(home, ".a.json", CHILD)
    put_base(home, "calm.json", BASE)
    put_env(home, "A=1\n")
    home.daemon_file.write_text("{}")
    home.legacy_file.write_text("{}")
    expected = [home.active / "b.json", home.bases / "calm.json", home.daemon_file, home.legacy_file, home.env_file]
    assert source_files(home) == expected
