"""The reader of JSON that knows where everything is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.registry.complaints import Problem
from core.registry.json_text import MAX_BYTES, MAX_DEPTH, read_json_text, scan_json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def problem_in(text: str | bytes) -> Problem:
    """Return the only problem of a text."""
    read = read_json_text(text.encode() if isinstance(text, str) else text)
    assert len(read.problems) == 1, read.problems
    return read.problems[0]


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_valid_json_reads_as_the_standard_reader_does(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    numbers_too_long = any(len(token) > 64 for token in text.replace(",", " ").split())
    read = read_json_text(text.encode())
    if not numbers_too_long:
        assert read.problems == []
        assert read.value == json.loads(text)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_problem_and_never_raise(content: bytes) -> None:
    read = read_json_text(content)
    assert read.problems or read.value == json.loads(content.decode("utf-8-sig"))


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \n\\u', max_size=60))
def test_what_the_standard_reader_refuses_is_refused(text: str) -> None:
    read = read_json_text(text.encode())
    try:
        json.loads(text)
    except ValueError:
        assert read.problems


def test_keys_and_values_know_their_line_and_column() -> None:
    read = read_json_text(b'{\n  "a": {"b": [1,\n   "x"]}\n}')
    assert read.key_places[("a", "b")] == (2, 9)
    assert read.value_places[("a", "b", 0)] == (2, 15)
    assert read.value_places[("a", "b", 1)] == (3, 4)
    assert read.value_places[()] == (1, 1)


def test_columns_count_characters_not_bytes() -> None:
    assert read_json_text('{"ü": 1}'.encode()).value_places[("ü",)] == (1, 7)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read_json_text(b"\xef\xbb\xbf{}").value == {}


def test_a_second_equal_key_is_refused_at_its_own_line() -> None:
    problem = problem_in('{"a": 1,\n "a": 2}')
    assert problem.place == (2, 2)
    assert problem.path == ("a",)
    assert "first on line 1" in problem.expected


def test_every_duplicate_is_reported() -> None:
    assert len(read_json_text(b'{"a": 1, "a": 2, "b": {"c": 1, "c": 1}}').problems) == 2


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "-NaN", "nan"])
def test_a_number_that_is_none_is_refused_with_its_path(word: str) -> None:
    problem = problem_in(f'{{"a": [0,\n {word}]}}')
    assert problem.path == ("a", 1)
    assert problem.place == (2, 2)


@pytest.mark.parametrize("number", ["1e999", "-1e400", "1" * 65])
def test_a_number_that_no_double_holds_is_refused(number: str) -> None:
    assert problem_in(f"[{number}]").path == (0,)


@pytest.mark.parametrize(
    "text", ["", " ", "{", '{"a"', '{"a":', '{"a": 1,}', "[1,]", "[1 2]", "{a: 1}", "01", "1.", "+1", "'a'", "{} {}"]
)
def test_what_is_not_json_is_refused_once(text: str) -> None:
    assert problem_in(text).place is not None


@pytest.mark.parametrize("text", ['"a', '"a\nb"', '"\\x"', '"\\u12"', '"\t"'])
def test_a_broken_text_is_refused(text: str) -> None:
    assert problem_in(f"[{text}]").path == (0,)


def test_half_a_surrogate_pair_is_refused() -> None:
    assert "surrogate" in problem_in(r'["\ud800"]').found


def test_a_comment_is_refused_in_its_line() -> None:
    problem = problem_in('{\n  // note\n  "a": 1\n}')
    assert problem.place == (2, 3)
    assert "no comments" in problem.expected


def test_a_text_without_quotes_is_not_repeated() -> None:
    assert "hunter2" not in str(problem_in('{"api_key": hunter2}'))


def test_nesting_is_bounded() -> None:
    assert read_json_text(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).problems == []
    assert "levels" in problem_in(b"[" * 100_000).expected


def test_a_file_that_is_too_large_is_refused() -> None:
    assert "256 KiB" in problem_in(b" " * (MAX_BYTES + 1)).found


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    problem = problem_in(b'{"a": 1,\n "b": "\xff"}')
    assert problem.place == (2, 8)


def test_a_long_text_without_an_end_is_refused_at_once() -> None:
    assert problem_in('["' + "a" * 200_000).path == (0,)


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \n\\uNaIity', max_size=60) | VALUES.map(json.dumps))
def test_the_quick_reader_and_the_scanner_agree(text: str) -> None:
    quick, scanned = read_json_text(text.encode()), scan_json_text(text)
    assert repr(quick.value) == repr(scanned.value)
    assert quick.problems == scanned.problems
    assert quick.value_places == scanned.value_places
    assert quick.key_places == scanned.key_places
