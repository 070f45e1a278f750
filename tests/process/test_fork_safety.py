"""What a fork copies must not be shared: the checklist of a warm-fork parent, looked up in real processes."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from tests.process.fleet_parts import Fleet

SECRET = "s3cr3t-value-of-a-key-4711"


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


def two_bots(fleet: Fleet) -> tuple[int, int]:
    fleet.add("one")
    fleet.add("two", exchange_config={"seed": 2})
    fleet.start().quoting("one", "two")
    return fleet.bot("one")["pid"], fleet.bot("two")["pid"]


def test_supervisor_and_zygote_have_one_thread_each(fleet: Fleet) -> None:
    two_bots(fleet)
    for pid in (fleet.daemon_pid(), fleet.zygote_pid()):
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


def test_every_worker_is_the_supervisors_child_in_a_group_of_its_own(fleet: Fleet) -> None:
    for pid in two_bots(fleet):
        assert psutil.Process(pid).ppid() == fleet.daemon_pid()
        assert os.getpgid(pid) == pid


def test_two_workers_share_no_file_but_the_mapped_recording(fleet: Fleet) -> None:
    one, two = two_bots(fleet)
    shared = {name for name in open_files(one) & open_files(two) if name.startswith("/")}
    assert {name for name in shared if not name.endswith(".npy")} <= {"/dev/null"}


def test_a_worker_holds_none_of_the_supervisors_or_zygotes_descriptors(fleet: Fleet) -> None:
    one, _ = two_bots(fleet)
    theirs = open_files(fleet.daemon_pid()) | open_files(fleet.zygote_pid())
    common = {name for name in open_files(one) & theirs if not name.startswith("/dev/null")}
    assert {name for name in common if not name.startswith("anon_inode:")} == set()


def test_the_zygote_has_no_open_file_beyond_its_pipe(fleet: Fleet) -> None:
    two_bots(fleet)
    files = [name for name in open_files(fleet.zygote_pid()) if name.startswith("/") and name != "/dev/null"]
    assert [Path(name).name for name in files] == ["daemon.out"]


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
    import sqlite3

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


def test_workers_leave_no_core_dump(fleet: Fleet) -> None:
    one, _ = two_bots(fleet)
    limits = Path(f"/proc/{one}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4] == "0"


def test_a_worker_imports_nothing_in_its_first_seconds_that_the_zygote_did_not(fleet: Fleet) -> None:
    """A module loaded after the fork is private memory in every worker: the warm tick must have loaded it."""
    one, _ = two_bots(fleet)
    fleet.until(lambda: fleet.bot("one")["fills"] > 0)
    maps = {line.split()[-1] for line in Path(f"/proc/{one}/maps").read_text().splitlines() if ".so" in line}
    warm = Path(f"/proc/{fleet.zygote_pid()}/maps").read_text()
    assert {name for name in maps if name not in warm} == set()
