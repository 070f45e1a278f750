"""What a changed key asks for: nothing, a live change, a new worker, or another bot altogether."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.bot_config import BotConfig, Leg
from core.process.config_change import Change, change_between, is_same_bot
from core.registry.change_classes import changed_keys
from core.registry.config_manager import load_plain
from core.registry.schema import SCHEMAS, known_exchanges, load_schema
from utils.home import CHECKOUT, Home

TEMPLATE = json.loads((CHECKOUT / "config" / "templates" / "paper_market_maker.json").read_text())
Load = Callable[..., BotConfig]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(environ: dict[str, str] | None = None, **sections: dict[str, Any]) -> BotConfig:
        plain = copy.deepcopy(TEMPLATE)
        for section, values in sections.items():
            plain.setdefault(section, {}).update(values)
        return load_plain(plain, "bot.json", Home(tmp_path), environ or {})

    return loaded


LIVE = [
    {"strategy_config": {"spread_pct": 0.9}},
    {"strategy_config": {"interval_s": 77.0}},
    {"risk_config": {"max_position": 0.5}},
    {"daemon_config": {"stop_timeout_s": 9.0}},
    {"metadata": {"description": "another note"}},
]
RESTART = [
    {"exchange_config": {"seed": 99}},
    {"exchange_config": {"initial_balances": {"USDT": 5}}},
    {"daemon_config": {"nice": 3}},
]
IDENTITY = [
    {"exchange_config": {"account": "another"}},
    {"strategy_config": {"symbol": "BTC-USDC"}},
    {"metadata": {"exchange": "paper:b"}},
    {"metadata": {"name": "another-bot"}},
]


@pytest.mark.parametrize(
    ("sections", "change"),
    [
        *((one, Change.LIVE) for one in LIVE),
        *((one, Change.RESTART) for one in RESTART),
        *((one, Change.IDENTITY) for one in IDENTITY),
    ],
    ids=str,
)
def test_each_key_asks_for_what_its_schema_says(load: Load, sections: dict[str, Any], change: Change) -> None:
    assert change_between(load(), load(**sections)) is change


def test_a_live_key_beside_one_that_is_not_asks_for_a_new_worker(load: Load) -> None:
    new = load(strategy_config={"spread_pct": 0.9}, exchange_config={"seed": 99})
    assert change_between(load(), new) is Change.RESTART


def test_another_strategy_asks_for_a_new_worker_which_may_keep_the_orders(load: Load) -> None:
    new = replace(load(), strategy="smoke", digest="x", restart_digest="x")
    assert change_between(load(), new) is Change.RESTART


def test_the_same_values_written_in_another_way_are_a_live_change_of_nothing(load: Load) -> None:
    old, new = load(strategy_config={"layers": 4}), load({"N": "4"}, strategy_config={"layers": "${N}"})
    assert old.digest != new.digest
    assert change_between(old, new) is Change.LIVE
    assert changed_keys(old, new) == ()


def test_the_name_of_a_key_is_a_part_of_the_identity_its_value_is_not_known(load: Load) -> None:
    def live(name: str) -> BotConfig:
        environ = {"K1": "one", "K2": "two"}
        keys = {"api_key": f"${{{name}}}", "api_secret": "${K2}", "mode": "live", "account": "a"}
        plain: dict[str, Any] = {
            "metadata": {"name": "b", "exchange": "backpack", "strategy": "smoke"},
            "daemon_config": {},
            "exchange_config": keys,
            "strategy_config": {"symbol": "SOL-USDC"},
        }
        return load_plain(plain, "b.json", Home(Path("/nowhere")), environ)

    assert change_between(live("K1"), live("K2")) is Change.IDENTITY
    assert is_same_bot(live("K1"), live("K1"))


def test_a_config_without_digests_is_replaced_as_a_whole(load: Load) -> None:
    old = replace(load(), restart_digest="", identity_digest="")  # as an older version wrote it
    new = load(strategy_config={"spread_pct": 0.9})
    assert change_between(old, new) is Change.IDENTITY
    assert not is_same_bot(old, old)
    assert change_between(replace(load(), restart_digest=""), new) is Change.RESTART


def test_legs_are_compared_whatever_the_digests_say(load: Load) -> None:
    old = load()
    new = replace(old, digest="x", legs=(*old.legs, Leg("hedge", "paper", "a", "X-Y")))
    assert change_between(old, new) is Change.IDENTITY


def test_every_key_that_differs_is_named_with_its_class(load: Load) -> None:
    new = load(strategy_config={"spread_pct": 0.9}, exchange_config={"seed": 99}, risk_config={"max_position": 0.5})
    found = {".".join(map(str, one.path)): one.live for one in changed_keys(load(), new)}
    assert found == {
        "strategy_config.spread_pct": True,
        "exchange_config.seed": False,
        "risk_config.max_position": True,
    }


def test_a_key_that_no_schema_knows_needs_a_new_worker(load: Load) -> None:
    old = load()
    new = replace(old, strategy_config={**old.strategy_config, "from_the_future": 1})
    assert [(one.path, one.live) for one in changed_keys(old, new)] == [(("strategy_config", "from_the_future"), False)]


def test_the_digests_survive_the_way_through_a_file(load: Load) -> None:
    config = load()
    assert BotConfig.from_plain(json.loads(json.dumps(config.to_plain()))) == config
    old_file = {k: v for k, v in config.to_plain().items() if k not in ("restart_digest", "identity_digest")}
    assert BotConfig.from_plain(old_file).identity_digest == ""


@pytest.mark.parametrize("venue", known_exchanges())
def test_every_venue_marks_what_says_where_which_money_is_traded(venue: str) -> None:
    schema = load_schema(f"exchanges/{venue}")
    keys = schema["properties"]
    marked = {key for key, node in keys.items() if node.get("x-identity")}
    needed = {"account", "mode", "network", "base_url", "ws_url", *schema.get("x-live-required", ())}
    assert needed & keys.keys() <= marked
    assert {node["x-reload"] for node in keys.values()} == {"restart"}  # a client takes nothing over


@pytest.mark.parametrize("path", sorted(SCHEMAS.rglob("*.json")), ids=lambda path: path.stem)
def test_no_secret_is_a_live_key(path: Path) -> None:
    schema = json.loads(path.read_text())
    properties = schema.get("properties") or schema["$defs"]
    assert [key for key, node in properties.items() if node.get("writeOnly") and node["x-reload"] == "live"] == []
