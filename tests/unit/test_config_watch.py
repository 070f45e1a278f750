"""Changed config files are noticed once, when they are at rest again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.process.config_watch import LOOK_NS, MAX_FILES, QUIET_NS, ConfigWatch, Look, QuietChange

S = 1_000_000_000
A: Look = (("a.json", 1, 1, 1),)
B: Look = (("a.json", 2, 1, 1),)


def test_a_change_is_told_once_it_was_quiet() -> None:
    change = QuietChange(A)
    assert [change.offer(look, at * S) for at, look in enumerate((A, B, B, B))] == [False, False, True, False]


def test_a_file_that_keeps_changing_is_not_told_until_it_rests() -> None:
    change = QuietChange(A)
    looks: list[Look] = [(("a.json", n, 1, 1),) for n in range(5)]
    assert not any(change.offer(look, at * S) for at, look in enumerate(looks))
    assert change.offer(looks[-1], 5 * S)


def test_what_is_again_as_it_was_is_no_change() -> None:
    change = QuietChange(A)
    assert not any(change.offer(look, at * S) for at, look in enumerate((B, A, A, A)))


@given(st.lists(st.integers(0, 3), max_size=30))
def test_what_rests_long_enough_is_always_known_in_the_end_and_never_told_twice(states: list[int]) -> None:
    looks: list[Look] = [(("a.json", n, 0, 0),) for n in [*states, *states[-1:] * 2]]
    change, known = QuietChange(looks[0] if looks else A), looks[0] if looks else A
    for at, look in enumerate(looks):
        if change.offer(look, at * QUIET_NS):
            assert look != known
            known = look
    assert not looks or known == looks[-1]


class Watched:
    """A watch on a folder, under a clock of its own."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "active"
        self.folder.mkdir()
        self.told = 0
        self.now_ns = 0
        (self.folder / "a.json").write_text("{}")
        self.watch = ConfigWatch((self.folder, root / "bases"), (root / ".env",), self.tell)
        self.watch.on = True

    def tell(self) -> None:
        self.told += 1

    def rest(self) -> int:
        """Let some seconds pass; return how often something was told meanwhile."""
        before = self.told
        for _ in range(5):
            self.now_ns += LOOK_NS
            self.watch.tend(self.now_ns)
        return self.told - before


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_new_a_changed_a_replaced_and_a_deleted_file_are_noticed(watched: Watched) -> None:
    file, other = watched.folder / "a.json", watched.folder / "b.json"
    assert watched.rest() == 0
    file.write_text('{"a": 1}')
    assert watched.rest() == 1
    other.write_text('{"b": 1}')
    assert watched.rest() == 1
    os.replace(other, file)
    assert watched.rest() == 1
    file.unlink()
    assert watched.rest() == 1


def test_the_environment_file_counts_and_other_files_do_not(watched: Watched) -> None:
    (watched.folder / ".a.json.1.tmp").write_text("x")
    (watched.folder / ".hidden.json").write_text("x")
    (watched.folder / "notes.txt").write_text("x")
    assert watched.rest() == 0
    (watched.folder.parent / ".env").write_text("A=1")
    assert watched.rest() == 1


def test_a_second_folder_counts_once_it_is_there(watched: Watched) -> None:
    bases = watched.folder.parent / "bases"
    bases.mkdir()
    assert watched.rest() == 1
    (bases / "base.json").write_text("{}")
    assert watched.rest() == 1


def test_a_folder_that_goes_and_comes_is_noticed_and_breaks_nothing(watched: Watched) -> None:
    watched.folder.rename(watched.folder.with_name("away"))
    assert watched.rest() == 1
    watched.folder.with_name("away").rename(watched.folder)
    assert watched.rest() == 1


def test_while_it_is_off_nothing_is_told_and_what_changed_meanwhile_is_told_afterwards(watched: Watched) -> None:
    watched.watch.on = False
    (watched.folder / "a.json").write_text('{"a": 1}')
    assert watched.rest() == 0
    watched.watch.on = True
    assert watched.rest() == 1


def test_a_folder_of_very_many_files_is_not_looked_through_to_its_end(watched: Watched) -> None:
    for number in range(MAX_FILES + 100):
        (watched.folder / f"{number}.json").touch()
    assert len(watched.watch._look()) <= MAX_FILES + 1  # and that the other folder is not there
