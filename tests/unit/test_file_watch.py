"""What a worker says of the files that its strategy goes by: each turn once."""

from __future__ import annotations

from core.process.file_watch import FileWatch


def test_a_bad_file_is_told_once_whatever_reasons_follow_and_once_when_it_is_good() -> None:
    watch = FileWatch()
    assert watch.news({}) == []
    assert watch.news({"params_file": "not JSON"}) == [{"t": "file", "key": "params_file", "error": "not JSON"}]
    assert watch.news({"params_file": "another symbol"}) == []
    assert watch.news({}) == [{"t": "file", "key": "params_file", "error": None}]
    assert watch.news({}) == []
    assert watch.news({"params_file": "gone"}) == [{"t": "file", "key": "params_file", "error": "gone"}]


def test_files_are_told_apart() -> None:
    watch = FileWatch()
    watch.news({"params_file": "gone"})
    assert watch.news({"regime_model_file": "gone"}) == [
        {"t": "file", "key": "params_file", "error": None},
        {"t": "file", "key": "regime_model_file", "error": "gone"},
    ]
