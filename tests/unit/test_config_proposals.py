"""What is about to be written is judged among what is there; what was written by hand is taken note of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.registry.history import BY_HAND
from core.registry.proposal import changed_by_bases, judge
from core.registry.seen import take_in_edits
from core.registry.store import ConfigStore
from tests.registry_parts import config_with, make_home, put, put_base
from utils.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def text(**sections: Any) -> bytes:
    return json.dumps(config_with(**sections)).encode()


def complaints(home: Home, *files: tuple[str, bytes | None], **environ: str) -> list[str]:
    judged = judge(home, environ, {home.root / name: content for name, content in files})
    assert all(bool(one.complaints) == (one.config is None) for one in judged.values())
    return [str(line) for one in judged.values() for line in one.complaints]


def test_a_valid_proposal_is_a_config(home: Home) -> None:
    file = home.active / "a.json"
    config = judge(home, {}, {file: text()})[file].config
    assert config is not None
    assert (config.name, config.source_path) == ("sol-mm", str(file))


def test_a_mistake_is_told_with_the_files_name_and_line(home: Home) -> None:
    (line,) = complaints(home, ("config/active/a.json", text(strategy_config={"spred_pct": 1})))
    assert line.startswith("config/active/a.json:1:")
    assert line.endswith("nearest known key: spread_pct")


def test_a_proposal_is_judged_with_its_neighbours_as_they_would_be(home: Home) -> None:
    put(home, "a.json", config_with(exchange_config={"account": "one"}))
    other = text(metadata={"name": "other"}, exchange_config={"account": "one"})
    (line,) = complaints(home, ("config/active/b.json", other))
    assert "sol-mm trades it too" in line
    assert complaints(home, ("config/active/b.json", other), ("config/active/a.json", None)) == []
    assert complaints(home, ("config/archived/b.json", other)) == []


def test_two_proposals_can_be_in_each_others_way(home: Home) -> None:
    lines = complaints(home, ("config/active/a.json", text()), ("config/active/b.json", text()))
    assert sum("a name of its own" in line for line in lines) == 2


def test_a_secret_of_a_neighbour_cannot_be_read_by_a_printable_key(home: Home) -> None:
    put(home, "a.json", config_with(metadata={"name": "a"}, exchange_config={"api_key": "${KEY}"}))
    new = text(exchange_config={"account": "${KEY}"}, strategy_config={"symbol": "BTC-USDC"})
    (line,) = complaints(home, ("config/active/b.json", new), KEY="hunter2")
    assert "KEY holds a secret" in line
    assert "hunter2" not in line


def history(home: Home, bot: str = "sol-mm") -> list[tuple[int, str, Any]]:
    with ConfigStore(home).reading() as found:
        return [(one.number, one.action, json.loads(one.text)) for one in found.versions(bot)]


def test_a_file_that_was_edited_by_hand_is_taken_into_the_history_once(home: Home) -> None:
    put(home, "a.json", config_with())
    assert [one.number for one in take_in_edits(home, {})] == [1]
    assert take_in_edits(home, {}) == []
    changed = config_with(strategy_config={"layers": 7})
    put(home, "a.json", changed)
    take_in_edits(home, {})
    assert history(home) == [(1, BY_HAND, config_with()), (2, BY_HAND, changed)]


def test_what_is_not_valid_does_not_get_there_nor_does_a_secret(home: Home) -> None:
    put(home, "a.json", "{")
    put(home, "b.json", config_with(exchange_config={"api_key": "hunter2"}))
    put(home, "c.json", config_with(metadata={"name": "sound"}, exchange_config={"api_key": "${KEY}"}))
    assert [one.bot for one in take_in_edits(home, {"KEY": "swordfish"})] == ["sound"]
    stored = b"".join(path.read_bytes() for path in home.history.iterdir())
    assert b"${KEY}" in stored
    assert b"hunter2" not in stored
    assert b"swordfish" not in stored


def test_an_archived_file_that_was_edited_by_hand_is_taken_in_too(home: Home) -> None:
    home.archived.mkdir()
    (home.archived / "a.json").write_bytes(text())
    assert [one.file for one in take_in_edits(home, {})] == ["config/archived/a.json"]


# ---------------------------------------------------------------- bases


def extending(base: str, **sections: Any) -> dict[str, Any]:
    return config_with(metadata={"extends": base}, **sections)


def test_against_a_base_count_the_bots_that_it_would_break(home: Home) -> None:
    put_base(home, "calm.json", {"strategy_config": {"layers": 2}})
    put(home, "a.json", extending("calm"))
    found = complaints_about_base(home, {"strategy_config": {"order_size_quote": 5}})
    assert found == [one for one in found if one.startswith("config/bases/calm.json:1:")]
    assert "both order_size and order_size_quote" in found[0]


def test_a_bot_that_was_not_valid_before_is_not_held_against_a_base(home: Home) -> None:
    put_base(home, "calm.json", {"strategy_config": {"layers": 2}})
    put(home, "a.json", extending("calm", daemon_config={"nice": 99}))
    assert complaints_about_base(home, {"strategy_config": {"order_size_quote": 5}}) == []


def test_a_base_that_would_make_two_bots_trade_one_symbol_is_refused(home: Home) -> None:
    put_base(home, "calm.json", {"exchange_config": {"latency_ms": 5}})
    for name in ("one", "two"):
        config = extending("calm")
        config["metadata"]["name"] = name
        put(home, f"{name}.json", config)
    assert complaints_about_base(home, {"exchange_config": {"latency_ms": 6}}) == []
    found = complaints_about_base(home, {"exchange_config": {"account": "both"}})
    assert len(found) == 2
    assert all("trades it too" in one for one in found)


def test_bots_that_a_base_changes_are_told_as_they_are_and_would_be(home: Home) -> None:
    put_base(home, "calm.json", {"risk_config": {"max_loss": 5}})
    put(home, "a.json", extending("calm"))
    put(home, "b.json", config_with(metadata={"name": "other"}, strategy_config={"symbol": "ETH-USDC"}))
    proposed = {home.bases / "calm.json": json.dumps({"risk_config": {"max_loss": 7}}).encode()}
    ((old, new),) = changed_by_bases(home, {}, proposed)
    assert old is not None
    assert (old.name, old.risk_config["max_loss"], new.risk_config["max_loss"]) == ("sol-mm", 5.0, 7.0)


def complaints_about_base(home: Home, base: dict[str, Any], **environ: str) -> list[str]:
    proposed = {home.bases / "calm.json": json.dumps(base).encode()}
    (judged,) = judge(home, environ, proposed).values()
    return [str(line) for line in judged.complaints]


def test_two_bases_that_say_the_same_have_a_version_each(home: Home) -> None:
    for name in ("calm.json", "copy.json"):
        put_base(home, name, {"risk_config": {"max_loss": 5}})
    assert {one.bot for one in take_in_edits(home, {})} == {"config/bases/calm.json", "config/bases/copy.json"}
    assert take_in_edits(home, {}) == []


def test_a_base_edited_by_hand_becomes_a_version_when_it_is_sound(home: Home) -> None:
    put_base(home, "calm.json", {"risk_config": {"max_loss": 5}})
    put_base(home, "torn.json", '{"risk_config": {')
    (version,) = take_in_edits(home, {})
    assert (version.bot, version.action, version.file) == ("config/bases/calm.json", BY_HAND, "config/bases/calm.json")
    assert take_in_edits(home, {}) == []
