"""`${NAME}` references and the Secret wrapper."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.env import BrokenReference, MissingVariables, Reference, Secret, interpolate, references, whole_reference


def test_a_reference_is_replaced_by_the_variable() -> None:
    assert interpolate("a ${X} b ${Y}", {"X": "1", "Y": "2"}) == "a 1 b 2"


def test_every_text_of_a_tree_is_resolved_and_nothing_else() -> None:
    tree = {"${X}": ["${X}", 1, None, {"k": "${X}"}]}
    assert interpolate(tree, {"X": "v"}) == {"${X}": ["v", 1, None, {"k": "v"}]}


@pytest.mark.parametrize("environ", [{}, {"X": ""}])
def test_a_default_stands_in_for_an_unset_or_empty_variable(environ: dict[str, str]) -> None:
    assert interpolate("${X:-5}", environ) == "5"


def test_a_default_gives_way_to_the_variable() -> None:
    assert interpolate("${X:-5}", {"X": "6"}) == "6"


def test_a_doubled_dollar_is_a_literal_one() -> None:
    assert interpolate("$${X}", {"X": "6"}) == "${X}"
    assert references("$${X} ${Y}") == ("Y",)


def test_a_variable_that_looks_like_a_reference_is_not_resolved_again() -> None:
    assert interpolate("${X}", {"X": "${Y}", "Y": "no"}) == "${Y}"


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(MissingVariables) as caught:
        interpolate({"a": "${ONE}", "b": ["${TWO} ${ONE}", "${SET}"]}, {"SET": "x"})
    assert caught.value.names == ("ONE", "TWO")
    assert "ONE, TWO" in str(caught.value)


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A-b}", "${A:-${B}}", "x ${A b}"])
def test_a_broken_reference_is_refused(text: str) -> None:
    with pytest.raises(BrokenReference):
        interpolate(text, {"A": "1", "B": "2"})


def test_only_a_text_that_is_nothing_but_a_reference_is_a_whole_one() -> None:
    assert whole_reference("${A:-}") == Reference("A", "")
    assert whole_reference("x${A}") is None
    assert whole_reference("$${A}") is None


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_a_text_without_a_dollar_stays_as_it_is(text: str) -> None:
    assert interpolate(text, {}) == text


@given(st.text())
def test_any_text_is_either_resolved_or_refused_with_an_error_of_ours(text: str) -> None:
    try:
        assert isinstance(interpolate(text, {"A": "1"}), str)
    except (BrokenReference, MissingVariables):
        pass


def test_a_secret_prints_as_stars_in_every_way() -> None:
    secret = Secret("hunter2")
    texts = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>20}",
        f"{[secret]}",
        str({"k": secret}),
    ]
    assert not any("hunter2" in text for text in texts)
    assert secret.reveal() == "hunter2"


def test_a_secret_cannot_leave_its_process() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hunter2"))
    with pytest.raises(TypeError):
        json.dumps({"key": Secret("hunter2")})


def test_secrets_compare_by_content_with_each_other_only() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert copy.deepcopy({"k": Secret("a")}) == {"k": Secret("a")}
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")
