"""What a fork copies must not be shared: the checklist of a warm-fork parent, looked up in real processes."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.process import zygote
from core.process.zygote_link import ONE_THREAD
from tests.process.alone import alone
from tests.process.fleet_parts import Fleet
from tests.process.inside import SECRET, look_inside, told_by

ZYGOTE_MB, SUPERVISOR_MB = 150, 60  # resident; a fork takes longer with every page


@dataclass(frozen=True, slots=True)
class Pair:
    """Two bots with one config under one daemon, that tell what they are made of."""

    fleet: Fleet
    told: Path
    daemon: int
    zygote: int
    workers: tuple[int, int]

    def tell(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what both have told last."""
        one, two = (told_by(self.told, name) for name in ("one", "two"))
        return one, two


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both quote and have had fills. Only to be looked at."""
    root = tmp_path_factory.mktemp("pair")
    fleet = Fleet(root / "home")
    fleet.home.env_file.write_text(f"PAPER_SECRET={SECRET}\n")
    fleet.home.env_file.chmod(0o600)
    for name in ("one", "two"):
        fleet.add(name, exchange_config={"api_secret": "${PAPER_SECRET}"}, strategy_config={"interval_s": 0.2})
    try:
        fleet.start(PYTHONPATH=look_inside(root / "told"), OPENBLAS_NUM_THREADS="8").quoting("one", "two")
        fleet.until(lambda: all(row["fills"] > 0 for row in fleet.status()["bots"]))
        workers = fleet.bot("one")["pid"], fleet.bot("two")["pid"]
        fleet.until(lambda: all(told_by(root / "told", name) for name in ("one", "two")))
        yield Pair(fleet, root / "told", fleet.daemon_pid(), fleet.zygote_pid(), workers)
    finally:
        fleet.end()


def open_files(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except FileNotFoundError:
            continue
    return found


def environ(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def signals(pid: int, which: str) -> set[int]:
    """Return the signals that a process blocks (SigBlk), ignores (SigIgn) or catches (SigCgt)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith(which))
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


# ---------------------------------------------------------------- the parent


def test_supervisor_and_zygote_have_one_thread_each(pair: Pair) -> None:
    for pid in (pair.daemon, pair.zygote):
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


def test_a_zygote_with_a_second_thread_does_not_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygote, "KINDS", {})  # a child would leave at once
    ours, theirs = socket.socketpair()
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        answer = zygote.fork(ours, {"id": 1, "kind": "worker"}, theirs.detach(), os.getpid())
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        ours.close()
    assert (answer["op"], "second thread" in answer.get("error", "")) == ("failed", True)


def test_a_child_that_fails_before_it_has_a_log_says_why(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_end: socket.socket, _supervisor: int) -> None:
        raise ZeroDivisionError("at birth")

    def work() -> None:
        ours, theirs = socket.socketpair()
        answer = zygote.fork(ours, {"id": 1, "kind": "worker"}, theirs.detach(), os.getpid())
        assert os.waitstatus_to_exitcode(os.waitpid(answer["pid"], 0)[1]) == 70

    monkeypatch.setattr(zygote, "KINDS", {"worker": broken})
    alone(work)
    assert "ZeroDivisionError: at birth" in capfd.readouterr().err


def test_the_parent_is_small_and_has_no_data_in_it(pair: Pair) -> None:
    assert psutil.Process(pair.zygote).memory_info().rss < ZYGOTE_MB * 2**20
    assert psutil.Process(pair.daemon).memory_info().rss < SUPERVISOR_MB * 2**20
    mapped = Path(f"/proc/{pair.zygote}/maps").read_text()
    assert "numpy" in mapped
    assert "pandas" not in mapped
    assert ".npy" not in mapped  # a recording


def test_the_supervisor_has_nothing_of_a_bot_in_its_memory(pair: Pair) -> None:
    mapped = Path(f"/proc/{pair.daemon}/maps").read_text()
    assert [name for name in ("numpy", "cryptography", "_ssl", "sqlite", "websocket") if name in mapped] == []


def test_no_library_may_make_threads_of_its_own_whatever_the_environment_says(pair: Pair) -> None:
    for pid in (pair.zygote, *pair.workers):
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1
    assert [told["library_threads"] for told in pair.tell()] == [["1"] * len(ONE_THREAD)] * 2


def test_the_zygote_has_no_open_file_beyond_its_pipe(pair: Pair) -> None:
    names = sorted(os.readlink(entry) for entry in Path(f"/proc/{pair.zygote}/fd").iterdir())
    files = [name for name in names if name.startswith("/")]
    assert [Path(name).name for name in files] == ["null", "daemon.out", "daemon.out"]
    (line,) = [name for name in names if not name.startswith("/")]  # no database, selector or connection of its own
    assert line.startswith("socket:")


def test_the_zygote_ignores_the_signals_that_end_others(pair: Pair) -> None:
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} <= signals(pair.zygote, "SigIgn")
    assert signals(pair.zygote, "SigBlk") == set()


# ---------------------------------------------------------------- the child


def test_every_worker_is_the_supervisors_child_in_a_group_of_its_own(pair: Pair) -> None:
    for pid in pair.workers:
        assert psutil.Process(pid).ppid() == pair.daemon
        assert os.getpgid(pid) == pid


def test_two_workers_share_no_file_but_the_mapped_recording(pair: Pair) -> None:
    one, two = pair.workers
    shared = {name for name in open_files(one) & open_files(two) if name.startswith("/")}
    assert {name for name in shared if not name.endswith(".npy")} <= {"/dev/null"}


def test_a_worker_holds_none_of_the_supervisors_or_zygotes_descriptors(pair: Pair) -> None:
    theirs = open_files(pair.daemon) | open_files(pair.zygote)
    common = {name for name in open_files(pair.workers[0]) & theirs if not name.startswith("/dev/null")}
    assert {name for name in common if not name.startswith("anon_inode:")} == set()


def test_a_worker_hears_its_own_signals_and_blocks_none(pair: Pair) -> None:
    for pid in pair.workers:
        assert signals(pid, "SigBlk") == set()
        assert {signal.SIGTERM, signal.SIGINT, signal.SIGUSR2} <= signals(pid, "SigCgt")
        assert signal.SIGCHLD not in signals(pid, "SigIgn")


def test_a_stop_that_meets_a_worker_at_its_birth_is_not_lost(fleet: Fleet, tmp_path: Path) -> None:
    told = tmp_path / "told"
    path = look_inside(told)
    (told / "term").touch()  # every child is told to stop before its first own instruction
    fleet.add("one")
    fleet.start(PYTHONPATH=path)
    row = fleet.until(lambda: (row := fleet.bot("one"))["state"] == "STOPPED" and row)
    assert (row["last_exit"]["status"], row["restarts"]) == (0, 0)
    assert "asked to stop" in row["last_exit"]["reason"]


def test_two_workers_do_not_draw_the_same_random_numbers(pair: Pair) -> None:
    one, two = pair.tell()
    assert set(one["draws"]).isdisjoint(two["draws"])


def test_a_worker_collects_garbage_again_and_leaves_what_it_inherited_alone(pair: Pair) -> None:
    for told in pair.tell():
        assert told["gc"] == [False, True]  # off in the zygote
        assert told["frozen"] > 10_000


def test_a_worker_imports_nothing_that_the_zygote_did_not(pair: Pair) -> None:
    """A module loaded after the fork is private memory in every worker: the warm tick must have loaded it."""
    assert [told["grown"] for told in pair.tell()] == [[], []]
    maps = {
        line.split()[-1] for line in Path(f"/proc/{pair.workers[0]}/maps").read_text().splitlines() if ".so" in line
    }
    warm = Path(f"/proc/{pair.zygote}/maps").read_text()
    assert {name for name in maps if name not in warm} == set()


def test_a_workers_secret_was_not_in_the_memory_that_it_was_forked_from(pair: Pair) -> None:
    for told in pair.tell():
        assert told["secret"] == [False, True]  # at its birth, and since it has read it


def test_workers_leave_no_core_dump(pair: Pair) -> None:
    limits = Path(f"/proc/{pair.workers[0]}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4] == "0"


def test_a_forked_child_runs_no_exit_handler_and_writes_nobodys_buffer_again(fleet: Fleet, tmp_path: Path) -> None:
    told = tmp_path / "told"
    fleet.add("one")
    fleet.start(PYTHONPATH=look_inside(told)).quoting("one")
    zygote_pid, worker = fleet.zygote_pid(), fleet.bot("one")["pid"]
    os.kill(worker, signal.SIGKILL)
    fleet.until(lambda: fleet.bot("one")["restarts"] == 1)
    fleet.quoting("one")
    fleet.run("stop")
    ends = dict(line.split() for line in (told / "ended").read_text().splitlines())
    assert ends  # of the commands
    assert "True" not in ends.values()
    printed = "".join(path.read_text() for path in fleet.home.log.glob("*.out"))
    assert printed.count(f"buffered by {zygote_pid}") == 1


def test_two_bots_on_the_same_config_do_not_draw_the_same_random_numbers_nor_ids(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two")
    fleet.start().quoting("one", "two")
    fleet.run("stop")
    ids = {name: _ids(fleet, name) for name in ("one", "two")}
    assert ids["one"]
    assert ids["one"].isdisjoint(ids["two"])
    assert {found[:10] for found in ids["one"]} != {found[:10] for found in ids["two"]}


def _ids(fleet: Fleet, name: str) -> set[str]:
    db = sqlite3.connect(fleet.home.bot_state(name) / "ledger.db")
    try:
        return {row[0] for row in db.execute("SELECT client_order_id FROM orders")}
    finally:
        db.close()


def test_a_secret_is_in_no_file_status_argument_or_foreign_environment(fleet: Fleet) -> None:
    env_file = fleet.home.env_file
    env_file.write_text(f"PAPER_SECRET={SECRET}\n")
    env_file.chmod(0o600)
    fleet.add("one", exchange_config={"api_key": "${PAPER_KEY}", "api_secret": "${PAPER_SECRET}"})
    fleet.start(PAPER_KEY=SECRET + "-key").quoting("one")
    worker = fleet.bot("one")["pid"]
    assert SECRET.encode() not in environ(fleet.zygote_pid())
    for pid in (fleet.daemon_pid(), fleet.zygote_pid(), worker):
        assert SECRET not in " ".join(psutil.Process(pid).cmdline())
    said = fleet.run("status", "--json").stdout + fleet.run("config", "explain", "one").stdout
    fleet.run("stop")
    assert SECRET not in said
    files = [path for path in fleet.home.root.rglob("*") if path.is_file() and path != env_file]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
