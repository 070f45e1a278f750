"""Folders for a moment: gone with the block, and what a killed process left is gone with the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from utils.home import CHECKOUT
from utils.scratch import PREFIX, remove_leftovers, scratch_folder, temporary_files_in_scratch

AT_WORK = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from utils.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def at_work(temp: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Have another process with a scratch folder."""
    command = [sys.executable, "-c", AT_WORK, str(temp)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, temp / process.stdout.readline().strip()


def test_a_folder_is_there_for_the_block_and_gone_behind_it_also_when_that_fails(temp: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder() as folder:
        (folder / "file").write_text("x")
        assert (folder.parent, folder.stat().st_mode & 0o777) == (temp, 0o700)
        raise ZeroDivisionError
    assert list(temp.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next_one(temp: Path) -> None:
    with at_work(temp) as (process, left):
        process.send_signal(signal.SIGKILL)
    assert (left / "deep" / "file").exists()
    with scratch_folder() as folder:
        assert list(temp.iterdir()) == [folder]


def test_what_a_living_process_has_stays_until_it_ends(temp: Path) -> None:
    with at_work(temp) as (_process, theirs), scratch_folder() as ours:
        remove_leftovers()
        assert {*temp.iterdir()} == {ours, theirs}
        assert (theirs / "deep" / "file").exists()
    assert list(temp.iterdir()) == []


def test_what_is_not_ours_is_left_alone(temp: Path) -> None:
    (temp / "makerd-scratch").mkdir()
    (temp / f"{PREFIX}file").write_text("no folder")
    elsewhere = temp / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    with at_work(temp) as (process, left):
        (left / "link").symlink_to(elsewhere)
        process.send_signal(signal.SIGKILL)
    remove_leftovers()
    assert {one.name for one in temp.iterdir()} == {"makerd-scratch", f"{PREFIX}file", "elsewhere"}
    assert (elsewhere / "kept").exists()


def test_no_link_of_somebody_else_is_followed(temp: Path) -> None:
    elsewhere, linked = temp / "elsewhere", temp / f"{PREFIX}linked"
    elsewhere.mkdir()
    (temp / f"{PREFIX}link").symlink_to(elsewhere)  # the folder is a link
    linked.mkdir()
    (linked / "lock").symlink_to(temp / "victim")  # the lock is one
    remove_leftovers()
    assert list(elsewhere.iterdir()) == []
    assert not (temp / "victim").exists()
    assert linked.exists()
    (temp / "victim").write_text("x")  # and where it leads to a file of ours
    remove_leftovers()
    assert linked.exists()


def test_a_folder_that_has_only_the_name_is_left_alone(temp: Path) -> None:
    for name in ("notes", "pipe", "folder"):
        (temp / f"{PREFIX}{name}").mkdir()
        (temp / f"{PREFIX}{name}" / "important").write_text("mine")
    os.mkfifo(temp / f"{PREFIX}pipe" / "lock")
    (temp / f"{PREFIX}folder" / "lock").mkdir()
    remove_leftovers()
    assert sorted(one.parent.name.removeprefix(PREFIX) for one in temp.glob("*/important")) == [
        "folder",
        "notes",
        "pipe",
    ]
    assert not (temp / f"{PREFIX}notes" / "lock").exists()


@pytest.mark.parametrize("strange", ["folder", "lock"])
def test_what_belongs_to_another_user_is_left_alone(temp: Path, monkeypatch: pytest.MonkeyPatch, strange: str) -> None:
    with at_work(temp) as (process, left):
        process.send_signal(signal.SIGKILL)
    theirs = (left if strange == "folder" else left / "lock").stat().st_ino
    real = os.fstat

    def fstat(fd: int) -> os.stat_result:
        found = real(fd)
        return os.stat_result((*found[:4], found.st_uid + 1, *found[5:10])) if found.st_ino == theirs else found

    with monkeypatch.context() as patch:  # to give a file away takes root
        patch.setattr("os.fstat", fstat)
        remove_leftovers()
    assert (left / "deep" / "file").exists()
    remove_leftovers()
    assert not left.exists()


def killed(folder: str | Path, **_more: object) -> None:
    """Get no further with a folder than its lock."""
    (Path(folder) / "lock").unlink(missing_ok=True)


def test_the_lock_goes_last_so_that_the_rest_is_found_after_a_kill(temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with at_work(temp) as (process, left):
        process.send_signal(signal.SIGKILL)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        remove_leftovers()
    assert (left / "lock").exists()
    remove_leftovers()
    assert list(temp.iterdir()) == []


def test_temporary_files_are_in_the_folder_and_afterwards_where_they_always_were(temp: Path) -> None:
    with temporary_files_in_scratch():
        made = Path(tempfile.mkdtemp())
        assert (made.parent.parent, made.parent.name.startswith(PREFIX)) == (temp, True)
    assert (tempfile.gettempdir(), list(temp.iterdir())) == (str(temp), [])
