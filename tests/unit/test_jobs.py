"""Jobs: their configs, the closed set of what can be run, and the two that are shipped."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.bot_config import BotConfig
from core.jobs import backup_ledgers, calibrate, heartbeat
from core.jobs.base import job_function
from core.registry.config_manager import explain, load_folder, load_plain
from core.trading.ledger_figures import FILE_NAME
from tests.registry_parts import complaints_of, config_with, make_home, put
from utils.errors import ConfigError, MakerdError
from utils.home import CHECKOUT, Home

BACKUP: dict[str, Any] = {
    "kind": "job",
    "metadata": {"name": "copies"},
    "daemon_config": {"schedule_s": 60},
    "job_config": {"job": "backup_ledgers", "keep": 3},
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


class Asked:
    """A job's context without a process; `beats_until_stop` is when a stop is asked."""

    def __init__(self, home: Home, beats_until_stop: int = 1000, **params: Any) -> None:
        self.name = "copies"
        self.params: Mapping[str, Any] = {"keep": 3, "min_free_mb": 0.0, **params}
        self.home = home
        self.log = logging.getLogger("makerd.job")
        self.phases: list[str] = []
        self._beats_until_stop = beats_until_stop

    @property
    def stop_asked(self) -> bool:
        return len(self.phases) >= self._beats_until_stop

    def beat(self, phase: str = "WORKING") -> None:
        self.phases.append(phase)

    def wait(self, _seconds: float, _fds: Sequence[int] = ()) -> bool:
        return not self.stop_asked


# ---------------------------------------------------------------- configs


def test_a_job_config_becomes_a_config_without_a_venue(home: Home) -> None:
    config = load_plain(BACKUP, "given", home, {})
    assert (config.kind, config.is_job, config.strategy, config.legs) == ("job", True, "backup_ledgers", ())
    assert (config.exchange, config.symbol, config.account, config.mode, config.network) == ("", "", "", "", None)
    assert config.job_config == {"job": "backup_ledgers", "keep": 3, "min_free_mb": 500.0}
    assert config.daemon.schedule_s == 60.0
    assert BotConfig.from_plain(config.to_plain()) == config


def test_a_config_without_a_kind_is_of_a_bot(home: Home) -> None:
    assert load_plain(config_with(), "given", home, {}).kind == "bot"
    assert load_plain({"kind": "bot", **config_with()}, "given", home, {}).kind == "bot"


@pytest.mark.parametrize("name", ["backup_ledger", "os", "base", "../../evil", "", "a" * 100])
def test_only_a_job_with_a_schema_can_be_named(home: Home, name: str) -> None:
    said = complaints_of(home, {**BACKUP, "job_config": {"job": name}})
    assert len(said) == 1
    assert "a known job: backup_ledgers, calibrate, heartbeat" in said[0]
    with pytest.raises(ConfigError, match="is not known"):
        job_function(name)


def test_a_misspelt_key_of_a_job_is_refused_with_the_nearest_one(home: Home) -> None:
    (said,) = complaints_of(home, {**BACKUP, "job_config": {"job": "backup_ledgers", "kepe": 3}})
    assert "job_config.kepe" in said
    assert "nearest known key: keep" in said


def test_sections_of_a_bot_are_unknown_in_a_job(home: Home) -> None:
    (said,) = complaints_of(home, {**BACKUP, "exchange_config": {}})
    assert "exchange_config: found an unknown key" in said


def test_an_unknown_kind_is_refused(home: Home) -> None:
    said = complaints_of(home, {**BACKUP, "kind": "jobb"})
    assert any('found "jobb", expected "bot" or "job"' in line for line in said)


def test_a_bot_cannot_have_a_schedule(home: Home) -> None:
    (said,) = complaints_of(home, config_with(daemon_config={"schedule_s": 60}))
    assert 'expected null, unless kind is "job"' in said


@pytest.mark.parametrize("daemon", [{"backoff_initial_s": 90}, {"schedule_s": 0}, {"schedule_s": "often"}])
def test_the_supervision_of_a_job_is_checked_as_a_bots_is(home: Home, daemon: dict[str, Any]) -> None:
    assert len(complaints_of(home, {**BACKUP, "daemon_config": daemon})) == 1


def test_a_bot_and_a_job_cannot_share_a_name(home: Home) -> None:
    put(home, "a.json", config_with(metadata={"name": "same"}))
    put(home, "b.json", {**BACKUP, "metadata": {"name": "same"}})
    found = load_folder(home.active, home, {})
    assert found.configs == ()
    assert len(found.invalid) == 2


def test_explain_shows_every_key_of_a_job(home: Home) -> None:
    shown = {one.path: one.value_text for one in explain(put(home, "a.json", BACKUP), home, {})}
    assert (shown["job_config.keep"], shown["job_config.min_free_mb"]) == ("3", "500.0")
    assert shown["daemon_config.schedule_s"] == "60.0"
    assert not [path for path in shown if path.startswith(("exchange_config", "risk_config"))]


# ---------------------------------------------------------------- backup_ledgers


def make_ledger(home: Home, bot: str, rows: int = 10) -> Path:
    folder = home.bot_state(bot)
    folder.mkdir(parents=True)
    path = folder / backup_ledgers.LEDGER
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE fills (id INTEGER PRIMARY KEY, twin INTEGER, text TEXT)")
        db.executemany("INSERT INTO fills (twin, text) VALUES (?, ?)", [(n, "x" * 500) for n in range(1, rows + 1)])
        db.commit()
    return path


def rows_of(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT COUNT(*) FROM fills").fetchone()[0])


def copies_of(home: Home, bot: str) -> list[Path]:
    return sorted(backup_ledgers.copies(home.data / "backup" / bot))


def age(folder: Path, by_s: int) -> None:
    """Let everything in a folder be older."""
    for path in folder.iterdir():
        os.utime(path, ns=(path.stat().st_mtime_ns - by_s * 10**9,) * 2)


def write_to(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as db:
        db.execute("INSERT INTO fills (twin, text) VALUES (0, 'new')")
        db.commit()


def test_the_ledger_that_is_copied_is_the_one_that_bots_write() -> None:
    assert backup_ledgers.LEDGER == FILE_NAME


def test_a_copy_is_one_whole_file_that_only_its_owner_reads(home: Home) -> None:
    make_ledger(home, "one")
    make_ledger(home, "two", 3)
    backup_ledgers.run(Asked(home))
    (copy,) = copies_of(home, "one")
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    assert rows_of(copy) == 10
    assert rows_of(copies_of(home, "two")[0]) == 3
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_ledger_is_copied_as_of_one_moment_while_it_is_written(home: Home) -> None:
    ledger = make_ledger(home, "one", 20_000)  # some 12 MB: more than one step of the copy
    done = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(ledger, timeout=10)) as db:
            while not done.is_set():  # each transaction keeps the sum of `twin` what it is
                db.execute("INSERT INTO fills (twin, text) VALUES (7, 'a')")
                db.execute("INSERT INTO fills (twin, text) VALUES (-7, 'b')")
                db.execute("UPDATE fills SET twin = twin + 1 WHERE id = 1")
                db.execute("UPDATE fills SET twin = twin - 1 WHERE id = 20000")
                db.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        context = Asked(home)
        backup_ledgers.run(context)
    finally:
        done.set()
        writer.join()
    (copy,) = copies_of(home, "one")
    with closing(sqlite3.connect(copy)) as db:
        count, total = db.execute("SELECT COUNT(*), SUM(twin) FROM fills").fetchone()
    assert (total, count % 2) == (sum(range(1, 20_001)), 0)
    assert len(context.phases) > 2  # it beat between the steps


def test_a_ledger_that_has_not_changed_is_not_copied_again(home: Home) -> None:
    ledger = make_ledger(home, "one")
    age(ledger.parent, 10)
    backup_ledgers.run(Asked(home))
    backup_ledgers.run(Asked(home))
    assert len(copies_of(home, "one")) == 1


def test_the_oldest_copies_are_deleted(home: Home) -> None:
    ledger = make_ledger(home, "one")
    folder = home.data / "backup" / "one"
    folder.mkdir(parents=True)
    for day in range(1, 6):
        (folder / f"ledger-2020010{day}T000000Z.db").touch()
        os.utime(folder / f"ledger-2020010{day}T000000Z.db", (1, 1))
    (folder / "mine.db").touch()
    write_to(ledger)
    backup_ledgers.run(Asked(home))
    names = [path.name for path in copies_of(home, "one")]
    assert len(names) == 3
    assert names[:2] == ["ledger-20200104T000000Z.db", "ledger-20200105T000000Z.db"]
    assert (folder / "mine.db").exists()


def test_a_damaged_ledger_fails_after_the_others_were_copied_and_deletes_no_copy(home: Home) -> None:
    make_ledger(home, "one")
    bad = make_ledger(home, "bad", 400)
    content = bytearray(bad.read_bytes())
    content[8192:40960] = os.urandom(32768)
    bad.write_bytes(content)
    with pytest.raises(MakerdError, match="no backup of bad"):
        backup_ledgers.run(Asked(home))
    assert len(copies_of(home, "one")) == 1
    assert list((home.data / "backup" / "bad").iterdir()) == []


def test_a_copy_that_would_fill_the_disk_is_not_begun(home: Home) -> None:
    make_ledger(home, "one")
    with pytest.raises(MakerdError, match="no backup of one"):
        backup_ledgers.run(Asked(home, min_free_mb=1e12))
    assert copies_of(home, "one") == []


def test_a_stop_in_the_middle_of_a_copy_leaves_nothing_half_done(home: Home) -> None:
    make_ledger(home, "one", 20_000)
    backup_ledgers.run(Asked(home, beats_until_stop=2))
    assert list((home.data / "backup" / "one").iterdir()) == []


def test_what_a_kill_left_is_removed_by_the_next_run(home: Home) -> None:
    make_ledger(home, "one")
    folder = home.data / "backup" / "one"
    folder.mkdir(parents=True)
    for left in (".draft.db", ".draft.db-journal"):
        (folder / left).write_text("torn")
    backup_ledgers.run(Asked(home))
    assert [path.name for path in folder.iterdir()] == [copies_of(home, "one")[0].name]


# ---------------------------------------------------------------- heartbeat


def test_heartbeats_are_lines_of_pid_and_monotonic_time(tmp_path: Path) -> None:
    pauses = iter([True, True, False])
    heartbeat.beat(tmp_path / "one", 0.5, lambda _seconds: next(pauses))
    lines = [line.split() for line in (tmp_path / "one").read_text().splitlines()]
    assert [int(pid) for pid, _ in lines] == [os.getpid()] * 3
    assert sorted(int(at) for _, at in lines) == [int(at) for _, at in lines]


def test_a_long_file_of_heartbeats_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * (heartbeat.MAX_BYTES + 1))
    heartbeat.beat(tmp_path / "one", 0.5, lambda _seconds: False)
    assert (tmp_path / "one").stat().st_size < 100
    assert (tmp_path / "one.old").stat().st_size > heartbeat.MAX_BYTES


def test_heartbeat_runs_by_itself_says_when_it_beats_and_ends_on_term(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    script = CHECKOUT / "core" / "jobs" / "heartbeat.py"
    process = subprocess.Popen(
        [sys.executable, str(script), "one", str(tmp_path), "0.02"],
        env={**os.environ, heartbeat.READY_FD: str(writer)},
        pass_fds=(writer,),
        cwd="/",
    )
    os.close(writer)
    try:
        assert os.read(reader, 10) == b"\n"
        assert (tmp_path / "one").read_text().startswith(f"{process.pid} ")
        process.terminate()
        assert process.wait(20) == 0
    finally:
        os.close(reader)
        process.kill()
        process.wait()


# calibrate


AVELLANEDA = "config/templates/paper_avellaneda_stoikov.json"


def calibrating(home: Home, **params: Any) -> Asked:
    """Return the context of a calibration of the shipped bot over the shipped recording."""
    plain = json.loads((CHECKOUT / AVELLANEDA).read_text())
    plain["strategy_config"] |= {"params_file": "params.json", "intensity_min_bursts": 20}
    put(home, "paper-avellaneda.json", plain)
    asked = {"bot": "paper-avellaneda", "data": "slice20s*.csv.gz", "files": 1, "hours": 4.0, "only": []}
    return Asked(home, **(asked | params))


def test_a_calibration_writes_the_file_that_its_bot_reads(home: Home) -> None:
    context = calibrating(home)
    job_function("calibrate")(context)
    written = json.loads((home.bot_state("paper-avellaneda") / "params.json").read_text())
    assert written["sigma"] > 0 and written["gamma"] > 0 and written["symbol"] == "BTC-PERP"
    assert context.phases[0] == "READING" and "MEASURING" in context.phases


def test_a_calibration_of_a_bot_that_reads_no_file_is_told_in_the_log(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    context = calibrating(home)
    put(home, "paper-avellaneda.json", json.loads((CHECKOUT / AVELLANEDA).read_text()))
    job_function("calibrate")(context)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == ["calibration_not_written"]


def test_a_calibration_that_is_asked_to_stop_writes_nothing(home: Home) -> None:
    context = calibrating(home)
    context._beats_until_stop = 2
    job_function("calibrate")(context)
    assert not (home.bot_state("paper-avellaneda") / "params.json").exists()


def test_a_calibration_without_data_or_a_bot_says_so(home: Home) -> None:
    with pytest.raises(MakerdError, match="nothing-like-it"):
        job_function("calibrate")(calibrating(home, data="nothing-like-it*"))
    with pytest.raises(ConfigError):
        job_function("calibrate")(calibrating(home, bot="nobody"))


def test_the_newest_files_of_a_pattern_are_read(tmp_path: Path) -> None:
    for number, name in enumerate(("c.events", "a.events", "b.events", "d.other")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(number, number))
    assert [path.name for path in calibrate.newest("*.events", 2, [tmp_path])] == ["a.events", "b.events"]
