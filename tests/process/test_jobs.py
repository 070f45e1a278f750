"""Jobs under a real daemon: run, scheduled, killed, hung, broken, stopped; and never swept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from tests.process.fleet_parts import is_living
from tests.process.job_parts import JobFleet, checkout_with_jobs


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout_with_jobs(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def fleet(tmp_path: Path, checkout: Path) -> Iterator[JobFleet]:
    """A home without configs; whatever runs in it at the end is stopped."""
    fleet = JobFleet(tmp_path / "home", checkout)
    yield fleet
    fleet.end()


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[JobFleet]:
    """A daemon with jobs for each test, which harms its own ones only; `good` shows that nobody else was harmed."""
    fleet = JobFleet(tmp_path_factory.mktemp("crew") / "home", checkout)
    fleet.add_job("good", do="wait")
    fleet.add_job("beats", "heartbeat", interval_s=0.05)
    fleet.add_job("often", supervised={"schedule_s": 1})
    fleet.add_job("seldom", supervised={"schedule_s": 3600})
    fleet.add_job("same", do="wait")
    fleet.add_job("changed", "heartbeat", interval_s=1)
    fleet.add_job("gone", do="wait")
    fleet.add_job("raises", do="crash", supervised={"max_restarts": 2, "min_uptime_s": 60})
    fleet.add_job("not-there", "broken", supervised={"autostart": False})
    fleet.add_job("leaves", "leaving", supervised={"autostart": False})
    fleet.add_job("hangs", do="hang", supervised={"autostart": False, "heartbeat_timeout_s": 2, "stop_timeout_s": 1})
    fleet.add_job("frozen", do="wait", supervised={"heartbeat_timeout_s": 2})
    try:
        fleet.start()
        running(fleet, "good")
        yield fleet
        assert len(fleet.runs("good")) == 1
    finally:
        fleet.end()


def running(fleet: JobFleet, name: str) -> int:
    """Wait until a job runs and return its pid."""
    return int(fleet.until(lambda: (row := fleet.bot(name))["state"] == "RUNNING" and row["pid"]))


def gone(pid: int, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while is_living(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_living(pid)


def test_a_killed_job_comes_back_without_a_sweep(crew: JobFleet) -> None:
    first = running(crew, "beats")
    os.kill(first, signal.SIGKILL)
    crew.until(lambda: crew.bot("beats")["restarts"] == 1)
    second = running(crew, "beats")
    beats = crew.home.data / "heartbeats" / "beats"
    crew.until(lambda: f"{second} " in beats.read_text())
    row = crew.bot("beats")
    assert (row["last_exit"]["signal"], row["phase"]) == (signal.SIGKILL, "BEATING")
    assert crew.states_of("beats") == ["STARTING", "RUNNING", "BACKOFF", "STARTING", "RUNNING"]
    assert not crew.home.bot_state("beats").exists()


def test_a_scheduled_job_runs_again_and_again_and_is_healthy_while_it_waits(crew: JobFleet) -> None:
    crew.until(lambda: len(crew.runs("often")) >= 3, 30)
    starts = [at for _, at in crew.runs("often")]
    assert min(later - sooner for sooner, later in pairwise(starts)) > 0.2e9  # a fork may have been late
    row = crew.until(lambda: (row := crew.bot("seldom"))["state"] == "BACKOFF" and row)
    assert row["reason"].startswith("next run in 3")
    assert (row["kind"], row["exchange"], row["symbol"], row["strategy"]) == ("job", "", "", "scripted")
    assert (row["legs"], row["last_exit"]["status"], row["restarts"]) == ([], 0, 0)
    assert crew.run("bot", "stop", "often").returncode == 0
    assert [crew.run("status", name, "--check").returncode for name in ("often", "seldom")] == [0, 0]
    table = crew.run("status").stdout
    assert "seldom: next run in 3" in table
    assert crew.run("bot", "start", "seldom").returncode == 0  # now, without waiting for the clock
    crew.until(lambda: len(crew.runs("seldom")) == 2)
    states = set(crew.states_of("often")) - {"STOPPING"}  # where the stop met it while it ran
    assert states == {"STARTING", "RUNNING", "BACKOFF", "STOPPED"}


def test_a_stop_ends_a_waiting_job_at_once_and_the_others_go_on(fleet: JobFleet) -> None:
    fleet.add_job("waits", do="wait")
    fleet.add_job("beats", "heartbeat")
    fleet.start()
    running(fleet, "waits")
    beats = running(fleet, "beats")
    assert fleet.run("bot", "stop", "waits").stdout.startswith("waits STOPPED")
    row = fleet.bot("waits")
    assert (row["last_exit"]["status"], row["last_exit"]["reason"]) == (0, "asked to stop")
    assert fleet.bot("beats")["pid"] == beats
    done = fleet.run("stop")
    assert (done.returncode, done.stdout.strip()) == (0, "stopped: 2 clean; no order is left")
    assert not is_living(beats)


def test_a_reload_starts_restarts_and_stops_jobs_like_bots(crew: JobFleet) -> None:
    same, changed, left = (running(crew, name) for name in ("same", "changed", "gone"))
    before = {row["name"] for row in crew.status()["bots"]}
    crew.add_job("changed", "heartbeat", interval_s=0.5)
    crew.add_job("new", do="wait")
    (crew.home.active / "gone.json").unlink()
    assert crew.run("reload").returncode == 0
    crew.until(lambda: {row["name"] for row in crew.status()["bots"]} == before - {"gone"} | {"new"})
    crew.until(lambda: crew.bot("changed")["pid"] not in (None, changed))
    running(crew, "new")
    assert crew.bot("same")["pid"] == same
    assert gone(left)


def test_a_job_that_raises_says_so_and_ends_fatal_after_too_many(crew: JobFleet) -> None:
    row = crew.until(lambda: (row := crew.bot("raises"))["state"] == "FATAL" and row)
    assert (row["last_exit"]["status"], row["restarts"]) == (70, 2)
    assert "ZeroDivisionError: as asked" in row["last_exit"]["reason"]
    assert "traceback" in " ".join(row["last_exit"]["log_tail"])
    assert [crew.run("status", name, "--check").returncode for name in ("raises", "good")] == [1, 0]


def test_a_job_whose_import_fails_is_fatal_and_costs_nobody_else_anything(crew: JobFleet) -> None:
    good = running(crew, "good")
    for name, why in (("not-there", "a_module_that_nobody_has"), ("leaves", "its import ended the process")):
        crew.run("bot", "start", name)
        row = crew.until(lambda name=name: (row := crew.bot(name))["state"] == "FATAL" and row)
        assert why in row["reason"]
        assert crew.runs(name) == []
    assert crew.bot("good")["pid"] == good


def test_a_job_that_hangs_is_dumped_killed_and_replaced(crew: JobFleet) -> None:
    assert crew.run("bot", "start", "hangs").returncode == 0
    crew.until(lambda: crew.bot("hangs")["restarts"] >= 1, 30)
    assert "no heartbeat" in crew.bot("hangs")["last_exit"]["reason"]
    assert "scripted.py" in (crew.home.log / "hangs.out").read_text()  # where it hung
    assert "SWEEPING" not in crew.states_of("hangs")
    crew.run("bot", "stop", "hangs")


def test_a_job_that_is_stopped_by_a_signal_is_noticed_and_replaced(crew: JobFleet) -> None:
    os.kill(running(crew, "frozen"), signal.SIGSTOP)
    crew.until(lambda: crew.bot("frozen")["restarts"] == 1, 30)
    running(crew, "frozen")


def test_a_job_that_does_not_want_to_stop_is_killed_at_its_deadline(fleet: JobFleet) -> None:
    fleet.add_job("stays", do="stubborn", supervised={"stop_timeout_s": 1})
    fleet.start()
    pid = running(fleet, "stays")
    done = fleet.run("stop")
    assert (done.returncode, done.stdout.strip()) == (0, "stopped: 1 killed; no order is left")
    assert not is_living(pid)


def test_no_job_outlives_its_supervisor(fleet: JobFleet) -> None:
    fleet.add_job("stays", do="stubborn")
    fleet.add_job("hangs", do="hang")
    fleet.start()
    pids = [running(fleet, "stays"), running(fleet, "hangs")]
    os.kill(fleet.daemon_pid(), signal.SIGKILL)
    assert all(gone(pid) for pid in pids)


def test_a_bot_that_becomes_a_job_is_swept_before_the_job_starts(fleet: JobFleet) -> None:
    fleet.add("one")
    fleet.start().quoting("one")
    os.kill(fleet.bot("one")["pid"], signal.SIGSTOP)  # it cannot prove that it leaves nothing
    fleet.add_job("one", do="wait", supervised={"stop_timeout_s": 1})
    assert fleet.run("reload").returncode == 0
    fleet.until(lambda: (row := fleet.bot("one"))["kind"] == "job" and row["state"] == "RUNNING", 40)
    states = fleet.states_of("one")
    assert states[-3:] == ["SWEEPING", "STARTING", "RUNNING"]
    assert fleet.open_paper_orders() == []


def test_a_bot_goes_on_from_a_copy_of_its_ledger_and_reads_back_what_it_missed(fleet: JobFleet) -> None:
    fleet.add("one")
    fleet.add_job("copies", "backup_ledgers", supervised={"autostart": False}, min_free_mb=0)
    fleet.start().quoting("one")
    fleet.until(lambda: fleet.bot("one")["fills"] > 0)
    fleet.run("bot", "start", "copies")
    fleet.until(lambda: fleet.bot("copies")["last_exit"])
    copied = fleet.bot("one")["fills"]
    fleet.until(lambda: fleet.bot("one")["fills"] > copied + 2, 40)
    fleet.run("stop")
    ledger = fleet.home.bot_state("one") / "ledger.db"
    for left in ledger.parent.glob("ledger.db*"):
        left.unlink()
    shutil.copy(max((fleet.home.data / "backup" / "one").glob("ledger-*.db")), ledger)
    fleet.start().quoting("one")
    fleet.run("stop")
    (venue,) = (fleet.home.state / "paper").glob("*.db")
    assert trade_ids(ledger) == trade_ids(venue)


def trade_ids(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {row[0] for row in db.execute("SELECT trade_id FROM fills")}


def test_the_ledger_of_a_quoting_bot_is_backed_up(fleet: JobFleet) -> None:
    fleet.add("one")
    fleet.add_job("copies", "backup_ledgers", supervised={"schedule_s": 1}, keep=2, min_free_mb=0)
    fleet.start().quoting("one")
    worker = fleet.bot("one")["pid"]
    folder = fleet.home.data / "backup" / "one"
    fleet.until(lambda: fleet.bot("one")["fills"] > 0 and len(list(folder.glob("ledger-*.db"))) == 2, 40)
    assert fleet.run("bot", "stop", "copies").returncode == 0
    newest = max(folder.glob("ledger-*.db"))
    with closing(sqlite3.connect(newest)) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    assert {"orders", "fills"} <= tables
    assert fleet.bot("one")["pid"] == worker
    lines = [json.loads(line) for line in (fleet.home.log / "copies.log").read_text().splitlines()]
    assert any(line["event"] == "backup_ended" and line["copied"] == ["one"] for line in lines)
    assert {line["component"] for line in lines} == {"process"}
