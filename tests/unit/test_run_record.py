"""The run record on disk: marked clean in its place, whatever lies there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process.run_record import NAME, RunRecord
from utils.files import json_lines

CONFIG = BotConfig(
    "one", "paper", "grid", (Leg("main", "paper", "one", "X-Y"),), DaemonConfig(), {"é": "\n"}, {}, {}, {}, "", ""
)
RECORD = RunRecord(CONFIG, 7, clean=False)


def test_a_record_is_marked_clean_in_its_place_and_stays_what_it_was(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    before = (tmp_path / NAME).stat()
    RECORD.mark_clean(tmp_path)
    assert RunRecord.read(tmp_path) == replace(RECORD, clean=True)
    after = (tmp_path / NAME).stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    RECORD.mark_clean(tmp_path)
    assert RunRecord.read(tmp_path) == replace(RECORD, clean=True)


@pytest.mark.parametrize(
    "lies_there", ["", "{", json.dumps(RECORD.to_plain()), json.dumps(RECORD.to_plain(), indent=4)]
)
def test_a_record_in_another_form_is_written_anew(tmp_path: Path, lies_there: str) -> None:
    (tmp_path / NAME).write_text(lies_there)
    RECORD.mark_clean(tmp_path)
    assert RunRecord.read(tmp_path) == replace(RECORD, clean=True)


def test_a_record_that_is_gone_is_written_anew(tmp_path: Path) -> None:
    RECORD.mark_clean(tmp_path)
    assert RunRecord.read(tmp_path) == replace(RECORD, clean=True)


@pytest.mark.parametrize("value", [{}, {"b": {"d": 1, "c": [2]}, "a": None}, [1, {"x": 2}], "é", None])
def test_json_with_a_line_for_each_member_is_the_same_value(value: object) -> None:
    content = json_lines(value)
    assert json.loads(content) == value
    assert content.endswith(b"\n")
    assert len(content.splitlines()) == (len(value) + 2 if isinstance(value, dict) and value else 1)
