"""The one file that held all bots: read as it is, and taken apart without losing anything."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bot_config import BotConfig
from core.registry.config_manager import LoadResult, explain, find_config, load_folder
from core.registry.migration import Migration, migrate, report
from core.registry.wording import path_text
from tests.registry_parts import config_with, make_home, put, put_env
from utils.env import Secret
from utils.errors import ConfigError
from utils.home import Home

LEGACY: dict[str, Any] = {
    "version": 1,
    "daemon": {"max_restarts": 3, "parallel_starts": 4, "logs": {"keep_files": 7}},
    "exchange": "paper",
    "bots": [
        {
            "name": "flat", "strategy": "market_maker", "symbol": "SOL-USDC", "order_size": 1, "spread": 0.5,
            "enabled": False,
        },
        {
            "metadata": {"name": "sections", "strategy": "market_maker"},
            "daemon_config": {"max_restarts": 9},
            "exchange_config": {"initial_balances": {"USDC": "500"}},
            "strategy_config": {"symbol": "ETH-USDC", "order_size_quote": 50, "max_orders": 2},
            "risk_config": {},
        },
    ],
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def put_legacy(home: Home, tree: Any) -> str:
    text = tree if isinstance(tree, str) else json.dumps(tree, indent=1)
    home.legacy_file.write_text(text)
    return text


def line_of(text: str, word: str) -> int:
    return next(number for number, row in enumerate(text.splitlines(), 1) if word in row)


def said(result: LoadResult) -> list[str]:
    return [str(one) for entry in result.invalid for one in entry.complaints]


def put_migrated(home: Home, done: Migration) -> None:
    """Do what the command does."""
    for bot in done.bots:
        put(home, bot.file, bot.tree)
    if done.daemon is not None:
        home.daemon_file.write_text(json.dumps(done.daemon))
    put_env(home, "".join(f"{name}='{secret.reveal()}'\n" for name, secret in done.secrets.items()))


# ---------------------------------------------------------------- read as it is


def test_its_bots_and_its_daemon_keys_are_read_as_they_are(home: Home) -> None:
    put_legacy(home, LEGACY)
    result = load_folder(home.active, home, {})
    assert said(result) == []
    flat, sections = result.configs
    assert (flat.name, flat.exchange, flat.symbol, flat.daemon.autostart) == ("flat", "paper", "SOL-USDC", False)
    assert (flat.strategy_config["spread_pct"], flat.daemon.max_restarts) == (0.5, 3)
    assert (sections.strategy_config["layers"], sections.daemon.max_restarts) == (2, 9)
    assert sections.exchange_config["initial_balances"] == {"USDC": "500"}
    assert result.fleet is not None
    assert (result.fleet.supervision.parallel_starts, result.fleet.logs.keep_files) == (4, 7)


def test_bots_can_be_an_object_by_name(home: Home) -> None:
    entry = {key: value for key, value in LEGACY["bots"][0].items() if key != "name"}
    put_legacy(home, {"strategies": {"by-name": {**entry, "venue": "paper"}}})
    assert [bot.name for bot in load_folder(home.active, home, {}).configs] == ["by-name"]


def test_it_is_read_together_with_the_active_configs(home: Home) -> None:
    put_legacy(home, LEGACY)
    put(home, "x.json", config_with())
    assert [bot.name for bot in load_folder(home.active, home, {}).configs] == ["flat", "sections", "sol-mm"]
    put(home, "y.json", config_with(metadata={"name": "flat"}))
    assert "it is also used in config/active/y.json" in " ".join(said(load_folder(home.active, home, {})))


def test_a_complaint_points_into_it_and_calls_the_key_as_it_does(home: Home) -> None:
    broken = copy.deepcopy(LEGACY)
    broken["bots"][0]["spread"] = "wide"
    broken["bots"][1]["strategy_config"]["max_orders"] = 99
    text = put_legacy(home, broken)
    assert [one.split(", expected")[0] for one in said(load_folder(home.active, home, {}))] == [
        f'config/daemon_config.json:{line_of(text, "wide")}:14: bots[0].spread: found "wide"',
        f"config/daemon_config.json:{line_of(text, 'max_orders')}:19: bots[1].strategy_config.max_orders: found 99",
    ]


def test_what_is_missing_is_missing_in_its_bot(home: Home) -> None:
    broken = copy.deepcopy(LEGACY)
    del broken["bots"][1]["strategy_config"]["symbol"]
    text = put_legacy(home, broken)
    (one,) = said(load_folder(home.active, home, {}))
    assert one.startswith(f"config/daemon_config.json:{line_of(text, 'strategy_config')}:")
    assert "bots[1].strategy_config.symbol: found nothing" in one


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"bots": [{**LEGACY["bots"][0], "spred": 1}]}, "bots[0].spred: found an unknown key"),
        ({"bots": [{**LEGACY["bots"][0], "strategy_config": {"spread": 1}}]}, "it is given twice"),
        ({"bots": [5]}, "bots[0]: found it is no object"),
        ({"bots": 5}, "bots: found 5, expected a list of bots"),
        ({"of_nobody": 5}, "of_nobody: found an unknown key"),
        ({"daemon": {"logs": {"keep_files": 0}}}, "daemon.logs.keep_files: found 0"),
    ],
)
def test_a_key_that_means_nothing_is_told(home: Home, change: dict[str, Any], word: str) -> None:
    put_legacy(home, {**LEGACY, **change})
    assert any(word in one for one in said(load_folder(home.active, home, {})))


@pytest.mark.parametrize("text", ["[]", "5", "{", '{"bots": [], "bots": []}'])
def test_a_file_that_is_none_is_told_and_refuses_a_start(home: Home, text: str) -> None:
    put_legacy(home, text)
    result = load_folder(home.active, home, {})
    assert all(one.startswith("config/daemon_config.json:1:") for one in said(result))
    assert result.fleet is None


def test_daemon_keys_in_both_files_are_refused(home: Home) -> None:
    put_legacy(home, LEGACY)
    home.daemon_file.write_text("{}")
    assert any("config migrate" in one for one in said(load_folder(home.active, home, {})))


def test_a_literal_secret_in_it_is_refused_and_not_repeated(home: Home) -> None:
    put_legacy(home, {"bots": [{**LEGACY["bots"][0], "exchange": "paper", "api_key": "hunter2"}]})
    (one,) = said(load_folder(home.active, home, {}))
    assert "bots[0].api_key: found ***" in one
    assert "hunter2" not in one


def test_its_bots_are_found_and_explained_by_name(home: Home) -> None:
    text = put_legacy(home, LEGACY)
    path = find_config("sections", home, {})
    assert path == home.legacy_file
    found = {one.path: one.origin for one in explain(path, home, {}, "sections")}
    assert found["strategy_config.layers"] == f"config/daemon_config.json:{line_of(text, 'max_orders')}"
    with pytest.raises(ConfigError, match="several bots"):
        explain(path, home, {})


def test_another_folder_than_the_active_one_is_read_without_it(home: Home) -> None:
    put_legacy(home, LEGACY)
    home.archived.mkdir()
    assert load_folder(home.archived, home, {}).configs == ()


# ---------------------------------------------------------------- taken apart


def test_every_key_has_a_row_that_says_what_it_became() -> None:
    done = migrate(LEGACY)
    rows = {row.old: (row.new, row.why) for row in done.rows}
    assert rows["bots[0].spread"] == ("config/active/flat.json: strategy_config.spread_pct", "")
    assert rows["bots[0].enabled"] == ("config/active/flat.json: daemon_config.autostart", "")
    assert rows["daemon.parallel_starts"] == ("config/daemon.json: supervision.parallel_starts", "")
    assert rows["version"] == (None, "it was of this file alone")
    assert [row.new for row in done.rows if row.old == "exchange"] == [
        "config/active/flat.json: metadata.exchange",
        "config/active/sections.json: metadata.exchange",
    ]


def test_a_secret_goes_to_the_env_file_and_is_in_no_report() -> None:
    bots = [
        {"name": f"b{n}", "exchange": "backpack", "api_key": "hunter2", "api_secret": secret}
        for n, secret in enumerate(("swordfish", "swordfish", "tuna"))
    ]
    done = migrate({"bots": bots})
    keys = [bot.tree["exchange_config"] for bot in done.bots]
    assert keys[0] == {"api_key": "${BACKPACK_API_KEY}", "api_secret": "${BACKPACK_API_SECRET}"}
    assert keys[1] == keys[0]
    assert keys[2] == {"api_key": "${BACKPACK_API_KEY}", "api_secret": "${B2_API_SECRET}"}
    assert done.secrets["B2_API_SECRET"] == Secret("tuna")
    everything = repr(done) + "".join(report(done))
    assert not any(word in everything for word in ("hunter2", "swordfish", "tuna"))
    assert ".env: B2_API_SECRET=... (it stood in the file itself)" in report(done)


def test_two_bots_of_one_name_get_two_files() -> None:
    done = migrate({"bots": [{"name": "a"}, {"name": "A"}, {"name": "a/../b"}]})
    assert [bot.file for bot in done.bots] == ["a.json", "A-2.json", "a----b.json"]


@pytest.mark.parametrize("tree", [[], 5, None, {"bots": 5}, {"strategies": "x"}])
def test_a_document_that_is_none_is_refused(tree: Any) -> None:
    with pytest.raises(ConfigError, match="a list of bots"):
        migrate(tree)


def leaf_paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = list(members)
    if not inner and path:
        yield path
    for key, member in inner:
        yield from leaf_paths(member, (*path, key))


WORDS = st.sampled_from(
    sorted(
        {"name", "id", "exchange", "venue", "strategy", "symbol", "spread", "spread_pct", "max_orders", "layers"}
        | {"enabled", "max_restarts", "stop_timeout", "max_loss", "api_key", "seed", "fill_model", "order_size"}
        | {"metadata", "daemon_config", "strategy_config", "risk", "exchange_config", "params", "kind", "logs"}
        | {"nonsense", "tags", "schema_version", "parallel_starts", "interval_s"}
    )
)
SCALARS = st.one_of(st.integers(0, 9), st.sampled_from(["paper", "backpack", "market_maker", "x", "${KEY}"]), st.none())
ENTRIES = st.dictionaries(WORDS, SCALARS | st.dictionaries(WORDS, SCALARS, max_size=3), max_size=8)
FILES = st.builds(
    lambda entry, top, which, daemon: {**top, which: entry, **daemon},
    st.lists(ENTRIES, max_size=3),
    ENTRIES,
    st.sampled_from(["bots", "strategies"]),
    st.dictionaries(st.just("daemon"), ENTRIES, max_size=1),
)


@given(FILES)
def test_no_key_of_any_file_is_left_out_of_the_report(tree: dict[str, Any]) -> None:
    before = copy.deepcopy(tree)
    told = {row.old for row in migrate(tree).rows}
    assert tree == before
    for path in leaf_paths(tree):
        prefixes = {path_text(path[:end]) for end in range(1, len(path) + 1)}
        empty_list = path in (("bots",), ("strategies",))
        assert empty_list or prefixes & told, path_text(path)


@given(FILES)
def test_every_value_that_is_not_dropped_survives(tree: dict[str, Any]) -> None:
    done = migrate(tree)
    documents = {f"config/active/{bot.file}": bot.tree for bot in done.bots} | {"config/daemon.json": done.daemon or {}}
    for row in done.rows:
        if row.new is None or row.new.endswith("schema_version"):
            assert row.new or row.why
            continue
        file, _, new = row.new.partition(": ")
        found: Any = documents[file]
        for part in new.split("."):
            found = found[part]
        given = value_of(tree, row.old)
        name = str(found)[2:-1]
        is_secret = name in done.secrets and done.secrets[name] == Secret(str(given))
        has_rows_of_its_own = isinstance(given, dict) and set(given) <= {"schema_version"}  # what is in it has, too
        assert found == given or has_rows_of_its_own or is_secret


def value_of(tree: Any, text: str) -> Any:
    for part in text.replace("[", ".[").split("."):
        tree = tree[int(part[1:-1])] if part.startswith("[") else tree[part]
    return tree


@settings(max_examples=30)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"strategy": st.just("market_maker"), "symbol": st.just("SOL-USDC"), "order_size": st.integers(1, 9)},
            optional={
                "spread": st.floats(0.1, 9),
                "max_orders": st.integers(1, 9),
                "enabled": st.booleans(),
                "api_key": st.sampled_from(["k1", "k2"]),
                "risk": st.dictionaries(st.sampled_from(["max_loss", "max_profit"]), st.integers(1, 99)),
                "exchange_config": st.dictionaries(st.sampled_from(["seed", "latency_ms"]), st.integers(1, 99)),
            },
        ),
        max_size=4,
    ),
    st.fixed_dictionaries(
        {"exchange": st.just("paper")}, optional={"max_restarts": st.integers(0, 9), "keep_days": st.integers(1, 9)}
    ),
)
def test_what_it_becomes_are_the_same_bots(entries: list[dict[str, Any]], top: dict[str, Any]) -> None:
    keyless = [{key: value for key, value in entry.items() if key != "api_key"} for entry in entries]
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        before, after = make_home(Path(one)), make_home(Path(two))
        put_legacy(before, {**top, "bots": keyless})
        put_migrated(after, migrate({**top, "bots": entries}))
        old, new = load_folder(before.active, before, {}), load_folder(after.active, after, {})
    assert said(old) == said(new) == []
    assert [comparable(bot) for bot in new.configs] == [comparable(bot) for bot in old.configs]
    assert replace(new.fleet, digest="") == replace(old.fleet, digest="")  # type: ignore[type-var]


def comparable(config: BotConfig) -> BotConfig:
    exchange = {key: value for key, value in config.exchange_config.items() if key != "api_key"}
    plain = replace(config, exchange_config=exchange, source_path="", digest="", secret_names=())
    return replace(plain, restart_digest="", identity_digest="")
