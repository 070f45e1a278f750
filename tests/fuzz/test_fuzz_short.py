"""A short form of `make fuzz`, and that it would notice."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from tests.fuzz import run
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_thrown_at_it_the_registry_answers(name: str) -> None:
    run.throw(name, 40)


def test_a_target_that_does_not_hold_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(text: str) -> None:
        assert "x" not in text

    monkeypatch.setitem(TARGETS, "references", (st.sampled_from(["a", "x"]), breaks))
    assert run.main(["--examples", "50", "references"]) == 1
    assert "references: FAILED" in capsys.readouterr().out


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(SystemExit):
        run.main(["nonsense"])
