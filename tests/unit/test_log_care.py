"""The supervisor's care for logs: when its own are tended, the zygote told, the folder looked after by a child."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from core.process import log_care
from core.process.log_care import COMPRESS_NS, TEND_NS, LogCare


class Own:
    """The supervisor's own logs, which say each time whether the output is another file now."""

    def __init__(self, *rotated: bool) -> None:
        self.rotated = list(rotated)
        self.tended = 0
        self.rules: Mapping[str, Any] = {}

    def keep(self, rules: Mapping[str, Any]) -> None:
        self.rules = rules

    def tend(self) -> bool:
        self.tended += 1
        return self.rotated.pop(0) if self.rotated else False


class Zygote:
    """Takes the new output, or cannot now."""

    def __init__(self, *able: bool) -> None:
        self.able = list(able)
        self.told = 0

    def __call__(self) -> bool:
        self.told += 1
        return self.able.pop(0) if self.able else True


def care(folder: Path, own: Own, zygote: Zygote) -> LogCare:
    made = LogCare(folder, 2, zygote, now_ns=0)
    made.own = own
    return made


def test_own_logs_are_tended_once_a_second_whatever_wakes_the_loop(tmp_path: Path) -> None:
    own = Own()
    logs = care(tmp_path, own, Zygote())
    for now_ns in range(0, 3 * TEND_NS + 1, TEND_NS // 10):
        logs.tend(now_ns)
    assert own.tended == 3


def test_the_zygote_is_told_of_a_new_output_once_and_again_when_it_could_not_be(tmp_path: Path) -> None:
    zygote = Zygote(False, False, True)
    logs = care(tmp_path, Own(False, True), zygote)
    told = []
    for second in range(1, 8):
        logs.tend(second * TEND_NS)
        told.append(zygote.told)
    assert told == [0, 1, 2, 3, 3, 3, 3]


def test_rules_are_followed_by_the_supervisors_own_logs_and_kept_for_its_children(tmp_path: Path) -> None:
    own = Own()
    logs = care(tmp_path, own, Zygote())
    assert logs.rules == {}
    logs.use({"keep_files": 3})
    assert own.rules == logs.rules == {"keep_files": 3}


def test_every_five_minutes_a_child_looks_after_the_folder_by_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, pids = log_care.spawn_module, []
    monkeypatch.setattr(log_care, "spawn_module", lambda *arguments: pids.append(real(*arguments)))
    for hour in (1, 2, 3):
        (tmp_path / f"bot.out.2999010{hour}T000000.000000Z").write_text("x\n")
    logs = care(tmp_path, Own(), Zygote())
    logs.use({"keep_files": 2})
    logs.tend(COMPRESS_NS - 1)
    assert pids == []
    logs.tend(COMPRESS_NS)
    logs.tend(COMPRESS_NS + 1)
    (pid,) = pids
    assert os.waitpid(pid, 0)[1] == 0
    assert sorted(path.name[8:16] for path in tmp_path.iterdir()) == ["29990102", "29990103"]
    assert all(path.suffix == ".gz" for path in tmp_path.iterdir())


def test_a_child_that_cannot_be_started_costs_only_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError("no process to be had")

    monkeypatch.setattr(log_care, "spawn_module", fail)
    own = Own()
    logs = care(tmp_path, own, Zygote())
    logs.tend(COMPRESS_NS)
    logs.tend(COMPRESS_NS + TEND_NS)
    assert own.tended == 2
