"""Older files are read as the version they are of, newer ones are refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.registry.config_manager import InvalidConfig, explain, load_file
from core.registry.old_names import RENAMED_IN_1
from core.registry.schema import load_schema
from core.registry.versions import CURRENT, STEPS, Move, upgrade
from tests.registry_parts import config_with, make_home, put, put_base
from utils.home import Home

OLD = config_with(
    metadata={"schema_version": 0},
    daemon_config={"stop_timeout": 30},
    strategy_config={"spread": 0.5, "max_orders": 2, "interval": 5},
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def said(home: Home, config: dict[str, Any]) -> list[str]:
    try:
        load_file(put(home, "x.json", config), home, {})
    except InvalidConfig as exc:
        return [str(one) for one in exc.complaints]
    return []


def test_the_known_version_is_that_of_the_schema() -> None:
    node = load_schema("bot")["properties"]["metadata"]["properties"]["schema_version"]
    assert node["enum"] == [CURRENT]
    assert node["default"] == CURRENT
    assert sorted(STEPS) == list(range(CURRENT))


def test_what_a_step_names_are_keys_of_today() -> None:
    keys = {
        "daemon_config": load_schema("daemon")["properties"],
        "strategy_config": load_schema("strategies/market_maker")["properties"],
    }
    for section, names in RENAMED_IN_1.items():
        assert set(names.values()) <= set(keys[section])
        assert not set(names) & set(keys[section])


def test_an_older_file_becomes_the_bot_that_it_meant(home: Home) -> None:
    bot = load_file(put(home, "x.json", OLD), home, {})
    assert bot.daemon.stop_timeout_s == 30
    assert [bot.strategy_config[key] for key in ("spread_pct", "layers", "interval_s")] == [0.5, 2, 5]
    assert bot.metadata["schema_version"] == CURRENT


def test_a_complaint_about_an_older_file_calls_the_key_as_the_file_does(home: Home) -> None:
    config = copy.deepcopy(OLD)
    config["strategy_config"]["spread"] = 99
    line = next(n for n, row in enumerate(json.dumps(config, indent=1).splitlines(), 1) if '"spread"' in row)
    assert said(home, config) == [
        f"config/active/x.json:{line}:13: strategy_config.spread: found 99, expected a number from 0 to 20 (%)"
    ]


def test_explain_of_an_older_file_tells_the_line(home: Home) -> None:
    path = put(home, "x.json", OLD)
    line = next(n for n, row in enumerate(path.read_text().splitlines(), 1) if '"spread"' in row)
    found = {one.path: one.origin for one in explain(path, home, {})}
    assert found["strategy_config.spread_pct"] == f"config/active/x.json:{line}"


def test_a_key_by_both_its_names_is_refused(home: Home) -> None:
    config = copy.deepcopy(OLD)
    config["strategy_config"]["spread_pct"] = 0.6
    (one,) = said(home, config)
    assert "strategy_config.spread: found an unknown key" in one


def test_todays_version_does_not_know_the_old_names(home: Home) -> None:
    (one,) = said(home, config_with(strategy_config={"spread": 0.5}))
    assert one.endswith("nearest known key: spread_pct")


@pytest.mark.parametrize("version", [CURRENT + 1, 999, 10**20])
def test_a_newer_version_is_refused_in_one_word(home: Home, version: int) -> None:
    config = config_with(metadata={"schema_version": version}, strategy_config={"of_the_future": 1})
    (one,) = said(home, config)
    assert "metadata.schema_version" in one
    assert f"expected at most {CURRENT}: a newer makerd wrote this file" in one


@pytest.mark.parametrize("version", [-1, "0", 0.5, None, True, [], "${V:-7}"])
def test_a_version_that_is_none_is_refused(home: Home, version: object) -> None:
    assert any(
        "metadata.schema_version" in one for one in said(home, config_with(metadata={"schema_version": version}))
    )


def test_a_base_may_be_of_an_older_version_than_its_bot(home: Home) -> None:
    put_base(home, "old.json", {"metadata": {"schema_version": 0}, "strategy_config": {"spread": 0.9}})
    bot = load_file(put(home, "x.json", config_with(metadata={"extends": "old"})), home, {})
    assert bot.strategy_config["spread_pct"] == 0.9


# ---------------------------------------------------------------- the table of steps


def to_two(tree: Mapping[str, Any]) -> Iterator[Move]:
    yield ("strategy_config", "spread_pct"), ("strategy_config", "spread_bps")


def test_steps_are_taken_one_after_the_other() -> None:
    done = upgrade(OLD, {**STEPS, 1: to_two}, 2)
    assert done.tree["strategy_config"]["spread_bps"] == 0.5
    assert done.tree["metadata"]["schema_version"] == 2
    assert done.renamed["strategy_config", "spread_bps"] == ("strategy_config", "spread")
    assert ("strategy_config", "spread_pct") not in done.renamed


def test_a_version_without_a_step_is_refused() -> None:
    found = upgrade(config_with(metadata={"schema_version": 1}), {2: to_two}, 3).problem
    assert found is not None
    assert found.expected == "a version from 2 to 3"


KEYS = st.sampled_from(
    [(section, key) for section, names in RENAMED_IN_1.items() for pair in names.items() for key in pair]
)


@given(st.dictionaries(KEYS, st.integers(), max_size=8))
def test_an_upgrade_loses_no_value_and_changes_no_argument(values: dict[tuple[str, str], int]) -> None:
    tree = config_with(metadata={"schema_version": 0})
    for (section, key), value in values.items():
        tree[section][key] = value
    before = copy.deepcopy(tree)
    done = upgrade(tree)
    assert tree == before
    for (section, key), value in values.items():
        today = next((new[1] for new, old in done.renamed.items() if old == (section, key)), key)
        assert done.tree[section][today] == value
    again = upgrade(done.tree)
    assert (again.tree, again.renamed) == (done.tree, {})
