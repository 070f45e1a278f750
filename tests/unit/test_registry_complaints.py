"""A config that is wrong is told so completely: file, line, path, value, expectation, nearest key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.registry.complaints import MAX_COMPLAINTS
from core.registry.config_manager import InvalidConfig, load_file, load_folder, load_plain
from tests.registry_parts import SOUND, complaints_of, config_with, make_home, put
from utils.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def test_a_sound_config_becomes_a_bot_with_every_default_filled_in(home: Home) -> None:
    bot = load_file(put(home, "any-file-name.json", SOUND), home, {})
    assert (bot.name, bot.exchange, bot.strategy, bot.symbol) == ("sol-mm", "paper", "market_maker", "SOL-USDC")
    assert bot.account == "sol-mm"
    assert bot.daemon.max_restarts == 5
    assert bot.strategy_config["spread_pct"] == 0.2
    assert bot.risk_config["max_open_orders"] == 50
    assert bot.source_path == str(home.active / "any-file-name.json")


def test_a_complaint_names_file_line_column_path_value_and_expectation(home: Home) -> None:
    text = json.dumps(config_with(strategy_config={"spread_pct": "abc"}), indent=2)
    with pytest.raises(InvalidConfig) as caught:
        load_file(put(home, "x.json", text), home, {})
    (complaint,) = caught.value.complaints
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "abc" in row)
    assert (complaint.file, complaint.line, complaint.column) == ("config/active/x.json", line, 19)
    assert complaint.path == "strategy_config.spread_pct"
    assert complaint.value == '"abc"'
    assert complaint.expected == "a number from 0 to 20 (%)"
    assert str(complaint).startswith(f"config/active/x.json:{line}:19: strategy_config.spread_pct: ")


def test_an_unknown_key_names_the_nearest_known_one(home: Home) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={"spred_pct": 1}))
    assert "strategy_config.spred_pct: found an unknown key" in said
    assert said.endswith("nearest known key: spread_pct")


def test_a_key_in_the_wrong_section_is_told_where_it_belongs(home: Home) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={"max_position": 1}))
    assert said.endswith("nearest known key: risk_config.max_position")


def test_an_unknown_section_is_told_the_known_ones(home: Home) -> None:
    (said,) = complaints_of(home, config_with(risk={"max_loss": 1}))
    assert "nearest known key: risk_config" in said


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(home: Home) -> None:
    config = config_with(
        metadata={"name": "a b"},
        daemon_config={"max_restarts": -1, "nicer": 1},
        exchange_config={"feed": "radio", "seed": 1.5, "speed": 1e6},
        strategy_config={"symbol": ..., "layers": "3", "layer_mode": "powr", "min_cycle_s": 20},
        risk_config={"price_floor": 10, "price_ceiling": 5},
    )
    with pytest.raises(InvalidConfig) as caught:
        load_file(put(home, "x.json", config), home, {})
    assert [complaint.path for complaint in caught.value.complaints] == [
        "metadata.name",
        "daemon_config.max_restarts",
        "daemon_config.nicer",
        "exchange_config.feed",
        "exchange_config.seed",
        "exchange_config.speed",
        "strategy_config.symbol",
        "strategy_config.layers",
        "strategy_config.layer_mode",
        "strategy_config.min_cycle_s",
        "risk_config.price_floor",
    ]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("layers", 2.5, "a whole number from 1 to 50 (count)"),
        ("layers", True, "a whole number from 1 to 50 (count)"),
        ("layer_step_ticks", 0, "a number above 0 and of at most 1000000000.0 (ticks)"),
        ("bid_spread_pct", "1", "a number from 0 to 20 (%) or null"),
        ("inventory_skew_enabled", 1, "true or false"),
        ("layer_mode", "powr", '"power" or "linear" or "geometric" or "list"'),
        ("layer_spreads_pct", [], "a list of 1 to 50 values, each a number from 0 to 20 (%) or null"),
        ("symbol", "a/b", "a symbol of letters"),
        ("symbol", "SOL-USDC\n", "a symbol of letters"),
    ],
)
def test_the_expectation_tells_type_range_and_unit(home: Home, key: str, value: Any, expected: str) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={key: value}))
    assert f"strategy_config.{key}: " in said
    assert f"expected {expected}" in said


def test_a_misspelled_choice_names_the_nearest_one(home: Home) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={"layer_mode": "powr"}))
    assert said.endswith("nearest known key: power")


def test_a_value_inside_a_list_is_pointed_at(home: Home) -> None:
    config = config_with(strategy_config={"layer_mode": "list", "layers": 2, "layer_spreads_pct": [0.1, "x"]})
    (said,) = complaints_of(home, config)
    assert "strategy_config.layer_spreads_pct[1]: " in said


@pytest.mark.parametrize("section", ["metadata", "daemon_config", "exchange_config", "strategy_config"])
def test_a_missing_section_is_told(home: Home, section: str) -> None:
    config = {name: keys for name, keys in SOUND.items() if name != section}
    assert any(f"{section}: found nothing" in said for said in complaints_of(home, config))


@pytest.mark.parametrize("section", ["metadata", "daemon_config", "exchange_config", "strategy_config", "risk_config"])
@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_a_section_of_the_wrong_kind_is_told(home: Home, section: str, value: Any) -> None:
    assert any(f"{section}: " in said for said in complaints_of(home, {**SOUND, section: value}))


@pytest.mark.parametrize("text", ["[]", "null", '"x"', "5"])
def test_a_file_that_is_no_object_is_told(home: Home, text: str) -> None:
    with pytest.raises(InvalidConfig, match="an object"):
        load_file(put(home, "x.json", text), home, {})


def test_an_unknown_exchange_is_told_the_known_ones(home: Home) -> None:
    (said,) = complaints_of(home, config_with(metadata={"exchange": "papper"}))
    assert "metadata.exchange" in said
    assert "a known exchange: backpack, paper, thalex" in said
    assert said.endswith("nearest known key: paper")


def test_an_unknown_strategy_is_told_the_known_ones(home: Home) -> None:
    (said,) = complaints_of(home, config_with(metadata={"strategy": "../evil"}))
    assert "metadata.strategy" in said
    assert "market_maker" in said


def test_several_embedded_venues_can_be_told_apart_by_a_suffix(home: Home) -> None:
    bot = load_plain(config_with(metadata={"exchange": "paper:a"}), "given", home, {})
    assert bot.legs[0].exchange == "paper:a"


@pytest.mark.parametrize("name", ["daemon", "home_id", "-x", "a b", "", "a/b", "..", "x" * 65, "ü", "a\n"])
def test_a_name_that_is_none_is_refused(home: Home, name: str) -> None:
    (said,) = complaints_of(home, config_with(metadata={"name": name}))
    assert "metadata.name" in said


def test_a_duplicate_key_is_told_beside_other_mistakes(home: Home) -> None:
    text = json.dumps(config_with(strategy_config={"layers": 0}))[:-1] + ', "daemon_config": {}}'
    with pytest.raises(InvalidConfig) as caught:
        load_file(put(home, "x.json", text), home, {})
    assert [complaint.path for complaint in caught.value.complaints] == ["strategy_config.layers", "daemon_config"]


def test_a_complaint_never_breaks_its_line_or_steers_a_terminal(home: Home) -> None:
    (said,) = complaints_of(home, config_with(strategy_config={"spr\n\x1b[31mead": 1}))
    assert said.isprintable()


def test_the_number_of_complaints_about_one_file_is_bounded(home: Home) -> None:
    config = config_with(strategy_config={f"unknown_{number}": 0 for number in range(5000)})
    assert len(complaints_of(home, config)) == MAX_COMPLAINTS + 1


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link"])
def test_what_is_no_regular_file_is_told_without_waiting(home: Home, kind: str) -> None:
    path = home.active / "x.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        import os

        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    (invalid,) = load_folder(home.active, home, {}).invalid
    assert "no readable file" in str(invalid.complaints[0])


def test_whole_numbers_take_the_type_of_their_key(home: Home) -> None:
    bot = load_plain(config_with(strategy_config={"layers": 4.0, "interval_s": 2}), "given", home, {})
    assert repr(bot.strategy_config["layers"]) == "4"
    assert repr(bot.strategy_config["interval_s"]) == "2.0"


def test_the_digest_follows_values_not_spelling(home: Home) -> None:
    one = load_file(put(home, "a.json", json.dumps(SOUND)), home, {})
    two = load_file(put(home, "b.json", json.dumps(SOUND, indent=8, sort_keys=True)), home, {})
    other = load_plain(config_with(strategy_config={"layers": 4}), "given", home, {})
    assert one.digest == two.digest
    assert one.digest != other.digest


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("${A}"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
_KEYS = st.sampled_from(
    ["name", "exchange", "strategy", "symbol", "layers", "layer_spreads_pct", "api_key", "order_size"]
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(list(SOUND)), _JUNK | st.dictionaries(_KEYS, _JUNK, max_size=3), max_size=3))
@example({"strategy_config": {"layer_spreads_pct": True}, "metadata": None})
def test_no_junk_raises_anything_but_complaints(junk: dict[str, Any]) -> None:
    config = {
        name: {**SOUND[name], **junk[name]} if isinstance(junk.get(name), dict) else junk.get(name, SOUND[name])
        for name in SOUND
    }
    complaints_of(Home(Path("/nonexistent")), config)


@pytest.mark.parametrize("name", ["a\nb.json", "\x1b[31mred.json", "a\udcffb.json", "..json", " .json"])
def test_the_name_of_a_file_never_breaks_a_line_or_steers_a_terminal(home: Home, name: str) -> None:
    put(home, name, "{")
    hidden = name.startswith(".")
    said = [str(one) for entry in load_folder(home.active, home, {}).invalid for one in entry.complaints]
    assert len(said) == (0 if hidden else 1)
    assert all(one.isprintable() for one in said)
