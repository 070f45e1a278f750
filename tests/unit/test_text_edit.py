"""A key is set in the text of a config; what a person wrote around it stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.registry.text_edit import with_value, with_values

TEXT = b"""{
   "metadata": {"name": "a",   "exchange": "paper"},
   "daemon_config": {},

   "strategy_config": {
      "symbol": "SOL-USDC",
      "layers":   3
   }
}
"""


def lines_changed(new: bytes, old: bytes = TEXT) -> list[str]:
    before = old.decode().split("\n")
    return [line for line in new.decode().split("\n") if line not in before]


def test_a_value_is_replaced_and_nothing_else() -> None:
    assert with_value(TEXT, ("strategy_config", "layers"), 5) == TEXT.replace(b"3", b"5")


def test_a_key_is_added_behind_the_last_of_its_object_with_the_same_indent() -> None:
    new = with_value(TEXT, ("strategy_config", "spread_pct"), 0.5)
    assert lines_changed(new) == ['      "layers":   3,', '      "spread_pct": 0.5']


def test_a_key_is_added_to_an_object_on_one_line() -> None:
    new = with_value(TEXT, ("metadata", "description"), "ü")
    assert lines_changed(new) == ['   "metadata": {"name": "a",   "exchange": "paper", "description": "ü"},']


def test_a_key_is_added_to_an_empty_object_and_to_a_section_that_is_missing() -> None:
    new = with_values(TEXT, {("daemon_config", "nice"): 3, ("risk_config", "max_loss"): 10})
    assert lines_changed(new)[:2] == ['   "daemon_config": {', '     "nice": 3']
    assert json.loads(new)["risk_config"] == {"max_loss": 10}


def test_a_text_with_mistakes_is_left_alone() -> None:
    for bad in (b"{", b"[]", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xff"):
        with pytest.raises(ValueError, match="not a JSON object"):
            with_value(bad, ("a",), 1)
    with pytest.raises(ValueError, match="a is not an object"):
        with_value(b'{"a": 1}', ("a", "b"), 1)


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.lists(KEYS, min_size=1, max_size=3),
    VALUES,
    st.sampled_from([None, 1, 4]),
    st.booleans(),
)
def test_the_text_then_means_what_setting_the_key_in_the_tree_means(
    tree: dict[str, Any], path: list[str], value: Any, indent: int | None, plain: bool
) -> None:
    content = json.dumps(tree, indent=indent, ensure_ascii=plain).encode()
    wanted: Any = json.loads(content)
    node = wanted
    for key in path[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            with pytest.raises(ValueError, match="is not an object"):
                with_value(content, tuple(path), value)
            return
    node[path[-1]] = value
    assert json.loads(with_value(content, tuple(path), value)) == wanted
