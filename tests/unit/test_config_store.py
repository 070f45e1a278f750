"""Config files are written whole, by one at a time, on record; also by processes that are killed at any moment."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.registry.history import BY_HAND, UNKNOWN, Version, file_digest, open_history
from core.registry.store import Change, ConfigStore, StaleChange, content_of, this_user
from tests.registry_parts import make_home
from utils.errors import ConfigError
from utils.files import open_locked
from utils.home import CHECKOUT, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def store(home: Home) -> ConfigStore:
    return ConfigStore(home, "ann")


def versions(store: ConfigStore, bot: str = "a") -> list[Version]:
    with store.reading() as history:
        return history.versions(bot)


def write(store: ConfigStore, file: Path, new: bytes | None, action: str = "edit") -> list[Version]:
    return store.apply([Change("a", file, new, file_digest(content_of(file)))], action)


def test_a_change_is_the_file_and_a_version_with_who_when_what_and_the_text(store: ConfigStore, home: Home) -> None:
    file = home.active / "a.json"
    write(store, file, b"1", "create")
    (made,) = store.apply([Change("a", file, b"2", file_digest(b"1"), "a note")], "edit")
    assert file.read_bytes() == b"2"
    first, second = versions(store)
    assert second == made
    assert (first.number, first.text, first.action) == (1, b"1", "create")
    assert (second.number, second.text, second.who, second.note) == (2, b"2", "ann", "a note")
    assert (second.file, second.digest) == ("config/active/a.json", file_digest(b"2"))
    assert first.at_ns <= second.at_ns


def test_a_writer_that_started_from_something_else_is_refused_and_told_who_was_first(
    store: ConfigStore, home: Home
) -> None:
    file = home.active / "a.json"
    write(store, file, b"1", "create")
    write(store, file, b"2", "set")
    with pytest.raises(StaleChange, match=r"config/active/a.json was changed meanwhile by ann \(set, version 2\)"):
        store.apply([Change("a", file, b"3", file_digest(b"1"))], "edit")
    assert file.read_bytes() == b"2"
    assert len(versions(store)) == 2


def test_a_file_that_was_changed_by_hand_meanwhile_is_not_written_over(store: ConfigStore, home: Home) -> None:
    file = home.active / "a.json"
    write(store, file, b"1")
    file.write_bytes(b"by hand")
    with pytest.raises(StaleChange, match="changed meanwhile; nothing was written"):
        store.apply([Change("a", file, b"3", file_digest(b"1"))], "edit")
    assert file.read_bytes() == b"by hand"


def test_a_new_file_does_not_replace_one_that_came_meanwhile(store: ConfigStore, home: Home) -> None:
    (home.active / "a.json").write_bytes(b"theirs")
    with pytest.raises(StaleChange):
        store.apply([Change("a", home.active / "a.json", b"ours", None)], "create")


def test_of_several_files_all_are_written_or_none(store: ConfigStore, home: Home) -> None:
    one, two = home.active / "a.json", home.active / "b.json"
    one.write_bytes(b"1")
    with pytest.raises(StaleChange):
        store.apply([Change("a", one, b"2", file_digest(b"1")), Change("b", two, b"2", "another")], "set")
    assert (one.read_bytes(), two.exists()) == (b"1", False)


def test_what_changes_nothing_is_no_version(store: ConfigStore, home: Home) -> None:
    write(store, home.active / "a.json", b"1")
    assert write(store, home.active / "a.json", b"1") == []
    assert len(versions(store)) == 1


def test_a_file_keeps_its_mode_and_a_new_one_is_its_owners(store: ConfigStore, home: Home) -> None:
    file = home.active / "a.json"
    write(store, file, b"1")
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    write(store, file, b"2")
    assert file.stat().st_mode & 0o777 == 0o640


def test_what_root_writes_belongs_to_the_owner_of_what_was_there(store: ConfigStore, home: Home) -> None:
    file, other = home.active / "a.json", home.archived / "b.json"
    write(store, file, b"1")
    if os.geteuid() == 0:
        for path in (home.root, home.active, home.history, file):
            os.chown(path, 12345, 12345)
    write(store, file, b"2")
    write(store, other, b"3")
    owner = home.root.stat().st_uid
    assert [one.stat().st_uid for one in (file, other, home.archived, *home.history.iterdir())] == [owner] * 5


def test_what_was_edited_by_hand_is_taken_in_once(store: ConfigStore, home: Home) -> None:
    file = home.active / "a.json"
    write(store, file, b"1")
    file.write_bytes(b"2")
    (made,) = store.take_in([("a", file, b"2")])
    assert (made.number, made.who, made.action) == (2, UNKNOWN, BY_HAND)
    assert store.take_in([("a", file, b"2")]) == []


def test_what_was_seen_and_is_not_there_any_more_is_not_taken_in(store: ConfigStore, home: Home) -> None:
    file = home.active / "a.json"
    write(store, file, b"3")
    assert store.take_in([("a", file, b"seen before")]) == []
    assert [one.text for one in versions(store)] == [b"3"]


def test_links_folders_and_files_outside_the_home_are_refused(store: ConfigStore, home: Home, tmp_path: Path) -> None:
    (home.active / "real").write_bytes(b"1")
    (home.active / "a.json").symlink_to("real")
    (home.active / "b.json").mkdir()
    for file in (home.active / "a.json", home.active / "b.json", Path("/outside.json")):
        with pytest.raises(ConfigError):
            store.apply([Change("a", file, b"2", file_digest(b"1"))], "edit")
    assert (home.active / "real").read_bytes() == b"1"


def test_a_lock_that_is_never_given_up_is_told(home: Home) -> None:
    held = open_locked(home.history / "lock")
    assert held is not None
    with pytest.raises(ConfigError, match="another command is writing configs"):
        write(ConfigStore(home, "ann", patience_s=0.0), home.active / "a.json", b"1")
    os.close(held)
    write(ConfigStore(home, "ann", patience_s=0.0), home.active / "a.json", b"1")


def test_a_damaged_history_is_told_and_no_file_is_written(store: ConfigStore, home: Home) -> None:
    (home.history / "configs.db").write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigError, match="history of the configs cannot be read or written"):
        write(store, home.active / "a.json", b"1")
    assert not (home.active / "a.json").exists()


def test_the_end_of_the_record_that_a_power_loss_tore_is_not_read_and_the_rest_is(home: Home) -> None:
    store = ConfigStore(home, "ann")
    reader = sqlite3.connect(home.history / "configs.db")  # keeps the log of SQLite from being folded in
    reader.execute("PRAGMA journal_mode = WAL")
    reader.execute("SELECT * FROM sqlite_master").fetchall()
    for number in (b"1", b"2", b"3"):
        write(store, home.active / "a.json", number)
    torn, log = home.root / "torn", home.history / "configs.db-wal"
    torn.mkdir()
    (torn / "configs.db").write_bytes((home.history / "configs.db").read_bytes())
    (torn / "configs.db-wal").write_bytes(log.read_bytes()[:-1000])
    reader.close()
    with open_history(torn) as history:
        assert [one.text for one in history.versions("a")] == [b"1", b"2"]


def test_there_is_a_name_for_who_asks() -> None:
    assert this_user()


STEP = st.tuples(st.sampled_from(["ours", "stale", "hand", "seen", "back"]), st.integers(0, 3))


@settings(max_examples=12, deadline=None)
@given(st.lists(STEP, max_size=6))
def test_whatever_is_done_in_turn_the_newest_version_is_the_file_and_the_rest_is_how_it_came_about(
    steps: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder))
        store, file = ConfigStore(home, "ann"), home.active / "a.json"
        write(store, file, b"0")
        expected = [b"0"]
        for what, number in steps:
            text, now = str(number).encode(), content_of(file)
            assert now is not None
            if what == "stale":
                with pytest.raises(StaleChange):
                    store.apply([Change("a", file, text + b"!", "another")], "edit")
                continue
            if what == "hand":
                file.write_bytes(text)  # nobody is told
                continue
            store.take_in([("a", file, now)])
            expected += [now] if expected[-1] != now else []
            if what != "seen":
                new = text if what == "ours" else expected[number % len(expected)]
                write(store, file, new)
                expected += [new] if new != now else []
        assert [one.text for one in versions(store)] == expected
        assert [one.number for one in versions(store)] == list(range(1, len(expected) + 1))


# ---------------------------------------------------------------- real processes


def parts(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store_parts", *arguments]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("what", ["edit", "move"])
def test_a_kill_at_any_step_of_a_write_leaves_the_old_or_the_new_file_and_a_history_that_agrees(
    home: Home, what: str
) -> None:
    child = parts(what, str(home.root))
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    found = json.loads(out)
    assert found["steps"] > 30
    assert found["old"] > 10
    assert found["new"] > 5  # killed after the file was replaced, before the record said so


def test_of_two_hundred_edits_by_several_processes_none_is_lost(home: Home) -> None:
    ConfigStore(home, "ann").apply([Change("a", home.active / "a.json", b'{"number": 0}', None)], "create")
    children = [parts("count", str(home.root), "50") for _ in range(4)]
    errors = [child.communicate(timeout=300)[1] for child in children]
    assert [child.returncode for child in children] == [0] * 4, errors
    assert json.loads((home.active / "a.json").read_bytes()) == {"number": 200}
    found = versions(ConfigStore(home))
    assert [json.loads(one.text)["number"] for one in found] == list(range(201))
    assert len({one.who for one in found}) == 5
