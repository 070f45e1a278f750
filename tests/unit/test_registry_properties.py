"""Whatever valid config the schemas allow is read and comes back; whatever single mistake is told where it is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.bot_config import BotConfig
from core.registry.bases import merged
from core.registry.config_manager import InvalidConfig, load_plain
from core.registry.document import Document
from core.registry.environment import Environment
from core.registry.json_text import read_json_text
from core.registry.layers import Bases, layered
from core.registry.loader import load_document
from tests.config_strategies import SECTIONS, Mistake, Tree, mistakes, valid_configs
from utils.home import Home

HOME = Home(Path("/nonexistent"))
ENVIRONMENT = Environment({}, HOME.env_file)


def complaints_of(text: str) -> list[tuple[str, int | None]]:
    """Return path and line of each complaint about a text."""
    document = layered(Document("x.json", "x.json", read_json_text(text.encode())), ENVIRONMENT, Bases(HOME))
    return [(one.path, one.line) for one in load_document(document, ENVIRONMENT).complaints]


def sections_of(config: BotConfig) -> Tree:
    """Return the filled sections of a config as a config of its own."""
    sections = {name: dict(getattr(config, name)) for name in ("metadata", *SECTIONS) if name != "daemon_config"}
    return {**sections, "daemon_config": asdict(config.daemon)}


@given(valid_configs())
def test_a_valid_config_is_valid_and_says_what_it_said(tree: Tree) -> None:
    assert complaints_of(json.dumps(tree, indent=1)) == []
    config = load_plain(tree, "given", HOME, {})
    for section in SECTIONS:
        read = sections_of(config)[section]
        assert {key: read[key] for key in tree[section]} == tree[section]


@given(valid_configs())
def test_a_config_written_out_with_its_defaults_is_the_same_bot(tree: Tree) -> None:
    first = load_plain(tree, "given", HOME, {})
    again = load_plain(sections_of(first), "given", HOME, {})
    assert sections_of(again) == sections_of(first)
    assert (again.restart_digest, again.identity_digest) == (first.restart_digest, first.identity_digest)


@given(mistakes())
def test_a_single_mistake_is_told_with_its_path_and_line(mistake: Mistake) -> None:
    said = complaints_of(mistake.text)
    assert said
    for path, line in said:
        assert path == mistake.path or path.startswith((f"{mistake.path}[", f"{mistake.path}."))
        assert line == mistake.line or path != mistake.path


@given(valid_configs(), st.sampled_from(SECTIONS), st.data())
def test_a_value_may_stand_in_a_variable_as_well(tree: Tree, section: str, data: st.DataObject) -> None:
    plain = {key: value for key, value in tree[section].items() if value is not None and value != ""}
    texts = {key: value for key, value in plain.items() if not isinstance(value, str) or "$" not in value}
    if not texts:
        return
    key = data.draw(st.sampled_from(sorted(texts)))
    value = texts[key]
    environ = {"VALUE": value if isinstance(value, str) else json.dumps(value)}
    moved = {**tree, section: {**tree[section], key: "${VALUE}"}}
    assert sections_of(load_plain(moved, "given", HOME, environ)) == sections_of(load_plain(tree, "given", HOME, {}))


@given(valid_configs(), st.sampled_from(SECTIONS), st.data())
def test_a_value_may_be_supplied_by_the_environment_as_well(tree: Tree, section: str, data: st.DataObject) -> None:
    given_keys = sorted(key for key, value in tree[section].items() if isinstance(value, int | float))
    if not given_keys:
        return
    key = data.draw(st.sampled_from(given_keys))
    rest = {**tree, section: {name: value for name, value in tree[section].items() if name != key}}
    environ = {f"MAKERD__{section}__{key}".upper(): json.dumps(tree[section][key])}
    assert sections_of(load_plain(rest, "given", HOME, environ)) == sections_of(load_plain(tree, "given", HOME, {}))


TREES = st.recursive(
    st.integers(0, 3) | st.none(), lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
)


@given(TREES, TREES)
def test_merging_takes_every_key_of_both_and_prefers_the_own(base: Any, own: Any) -> None:
    both = merged(base, own)
    if isinstance(base, dict) and isinstance(own, dict):
        assert set(both) == {*base, *own}
        assert all(both[key] == merged(base[key], own[key]) for key in {*base} & {*own})
        assert all(both[key] == base[key] for key in {*base} - {*own})
    else:
        assert both == own
    assert merged({}, own) == own
    assert merged(base, own) == merged(base, both)


@settings(max_examples=20)
@given(valid_configs(), valid_configs())
def test_a_base_is_as_good_as_its_keys_in_the_file(one: Tree, two: Tree) -> None:
    base = {section: one[section] for section in ("daemon_config", "risk_config")}
    assert merged(base, two)["daemon_config"] == {**one["daemon_config"], **two["daemon_config"]}
    try:
        together = load_plain(merged(base, two), "given", HOME, {})
    except InvalidConfig:
        return  # two that do not go together
    assert together.daemon.nice == two["daemon_config"].get("nice", one["daemon_config"].get("nice", 0))
