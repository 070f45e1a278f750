"""A file that somebody else writes: looked at now and then, read when it has changed."""

from __future__ import annotations

import os
from pathlib import Path

from core.market.model_file import FileText
from core.trading.clock import SECOND_NS
from core.trading.watched_file import WatchedFile, watched_files


def test_a_file_is_read_when_it_has_changed_and_at_its_interval_only(tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    watched = WatchedFile(path, 10.0)
    assert watched.look(0) is None
    path.write_text("one")
    assert watched.look(9 * SECOND_NS) is None
    first = watched.look(10 * SECOND_NS)
    assert first == FileText(1, "one")
    assert watched.look(20 * SECOND_NS) is first
    path.write_text("three")
    assert watched.look(29 * SECOND_NS) is first
    assert watched.look(30 * SECOND_NS) == FileText(2, "three")
    path.unlink()
    assert watched.look(40 * SECOND_NS) is None


def test_a_file_of_the_same_size_and_another_time_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_text("one")
    watched = WatchedFile(path, 1.0)
    watched.look(0)
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert watched.look(SECOND_NS) == FileText(2, "two")


def test_what_is_no_small_file_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.mkdir()
    assert WatchedFile(path, 1.0).look(0) is None
    large = tmp_path / "large.json"
    large.write_bytes(b" " * 70_000)
    assert WatchedFile(large, 1.0).look(0) is None


def test_bytes_that_are_no_text_are_shown_for_the_strategy_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_bytes(b"\xff{")
    text = WatchedFile(path, 1.0).look(0)
    assert text is not None
    assert text.text.endswith("{")


def test_each_key_that_names_a_file_has_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("first")
    (tmp_path / "two").write_text("second")
    config = {"a": "one", "b": str(tmp_path / "two"), "c": None, "params_refresh_s": 1}
    files = watched_files(("a", "b", "c", "d"), config, tmp_path)
    assert {key: file.look(0) for key, file in files.items()} == {"a": FileText(1, "first"), "b": FileText(1, "second")}
    assert watched_files((), {}, tmp_path) == {}
