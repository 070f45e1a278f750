"""`.env` gets new values, keeps every other line, and means to the registry what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.registry.env_file import names_in, with_names
from core.registry.environment import Environment
from utils.errors import ConfigError

TEXT = "# mine\nA=1\nexport B='two'  # a note\n\nC=\"th\\nree\"\n"


def test_a_name_is_set_in_its_place_and_a_new_one_at_the_end() -> None:
    assert with_names(TEXT, {"A": "9", "D": "x y"}) == TEXT.replace("A=1", "A=9") + 'D="x y"\n'


def test_empty_lines_stay_where_they_are() -> None:
    assert with_names("A=1\n\n\nB=2\n", {"B": "3"}) == "A=1\n\n\nB=3\n"


def test_a_name_that_is_there_twice_is_there_once_afterwards() -> None:
    assert with_names("A=1\nB=2\nA=3\n", {"A": "4"}) == "A=4\nB=2\n"


def test_a_last_line_without_an_end_stays_a_line() -> None:
    assert with_names("A=1", {"B": "2"}) == "A=1\nB=2\n"


def test_a_file_that_cannot_be_read_is_not_changed_and_its_line_not_repeated() -> None:
    with pytest.raises(ConfigError, match=r"line 2 of \.env cannot be read") as told:
        with_names("A=1\n=hunter2\n", {"B": "1"})
    assert "hunter2" not in str(told.value)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        with_names("", {"A B": "1"})


NAMES = st.sampled_from(["A", "B", "C", "KEY", "OTHER"])
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t\"'\\$#= "))


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_what_was_set_is_what_is_read(before: dict[str, str], values: dict[str, str]) -> None:
    text = with_names(with_names("# head\n", before), values)
    assert names_in(text) == {**before, **values}
    assert text.startswith("# head\n")


def test_the_registry_reads_a_private_key_over_several_lines(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nabc+/=\n-----END PRIVATE KEY-----\n"
    file = tmp_path / ".env"
    file.write_text(with_names(TEXT, {"PEM": pem}))
    file.chmod(0o600)
    assert Environment({}, file)["PEM"] == pem
