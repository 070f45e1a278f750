"""Control groups on a folder tree that is shaped like cgroup v2: what is written where, and what is left alone."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bot_config import DaemonConfig
from core.doctor.limits import judge_limits
from core.process.cgroups import (
    CONTROLLERS,
    MAX_TASKS,
    OWN,
    Groups,
    delegated_folder,
    files_of,
    folder_of,
    group_in,
    is_delegated,
    mount_in,
    oom_kills,
)
from tests.simulation.world import World
from utils.home import CHECKOUT

MOUNTS = """25 30 0:23 / /proc rw,nosuid - proc proc rw
31 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
35 24 0:30 {root} /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate
"""
UNIT = "/system.slice/makerd.service"
CONFIG = DaemonConfig(memory_limit_mb=100, cpu_limit_pct=50)


def controls(folder: Path, controllers: str = "cpuset cpu io memory pids") -> Path:
    """Make a group with the files that the kernel puts into it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("cgroup.procs", "cgroup.subtree_control", "cgroup.kill", "memory.max", "memory.oom.group", "cpu.max")
    for name in (*names, "pids.max"):
        (folder / name).write_text("")
    (folder / "cgroup.controllers").write_text(controllers + "\n")
    (folder / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = controls(tmp_path / "makerd.service")
    controls(root / OWN)
    controls(root / "bot.a")
    return root


@pytest.fixture
def groups(root: Path) -> Groups:
    groups = Groups(root)
    assert groups.settle()
    return groups


@pytest.mark.parametrize(
    ("text", "group"),
    [
        (f"0::{UNIT}\n", UNIT),
        (f"9:name=systemd:/\n4:memory:/x\n0::{UNIT}\n", UNIT),
        ("4:memory:/x\n", None),
        ("", None),
    ],
)
def test_a_process_is_in_the_group_of_the_line_that_begins_with_0(text: str, group: str | None) -> None:
    assert group_in(text) == group


def test_the_mount_of_version_2_is_found_between_those_of_version_1() -> None:
    assert mount_in(MOUNTS.format(root="/")) == ("/sys/fs/cgroup", "/")
    assert mount_in(MOUNTS.splitlines()[1]) is None


@pytest.mark.parametrize(
    ("root", "group", "folder"),
    [
        ("/", UNIT, f"/sys/fs/cgroup{UNIT}"),
        ("/", "/", "/sys/fs/cgroup"),
        ("/", f"{UNIT}/{OWN}", f"/sys/fs/cgroup{UNIT}"),
        ("/docker/1", "/docker/1/x", "/sys/fs/cgroup/x"),
        ("/docker/1", "/docker/2", None),
    ],
)
def test_where_the_files_of_a_group_are(root: str, group: str, folder: str | None) -> None:
    found = folder_of(f"0::{group}\n", MOUNTS.format(root=root))
    assert (None if found is None else str(found)) == folder


@given(st.text(max_size=60), st.text(max_size=60))
def test_garbage_is_no_group(cgroup: str, mounts: str) -> None:
    found = folder_of(cgroup, mounts)
    assert found is None or "cgroup2" in mounts


def test_memory_processor_and_processes_are_written() -> None:
    assert files_of(CONFIG, CONTROLLERS) == {
        "memory.max": "200000000",
        "memory.oom.group": "1",
        "cpu.max": "50000 100000",
        "pids.max": str(MAX_TASKS),
    }


def test_without_a_limit_of_processor_time_there_is_none() -> None:
    assert files_of(DaemonConfig(), ["cpu"]) == {"cpu.max": "max 100000"}


@given(st.floats(0.0001, 100), st.sets(st.sampled_from(CONTROLLERS)))
def test_only_what_is_delegated_is_written_and_the_kernel_takes_it(share: float, controllers: set[str]) -> None:
    files = files_of(DaemonConfig(cpu_limit_pct=share), controllers)
    assert {file.partition(".")[0] for file in files} == controllers
    if "cpu.max" in files:
        assert 1000 <= int(files["cpu.max"].split()[0]) <= 100_000  # below 1 ms the kernel refuses it


@pytest.mark.parametrize(("text", "kills"), [("low 0\noom 3\noom_kill 2\n", 2), ("oom_kill 0\n", 0), ("", 0)])
def test_what_the_kernel_killed_is_counted(text: str, kills: int) -> None:
    assert oom_kills(text) == kills


def test_the_supervisor_moves_into_a_leaf_and_hands_down_what_is_there(root: Path) -> None:
    (root / "cgroup.controllers").write_text("cpuset memory pids\n")
    groups = Groups(root)
    assert groups.settle() and groups.controllers == ("memory", "pids")
    assert (root / OWN / "cgroup.procs").read_text() == "0"
    assert (root / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_a_group_that_is_not_ours_alone_is_left_as_it_was(root: Path) -> None:
    (root / "cgroup.subtree_control").unlink()  # the kernel says EBUSY; here it is not there at all
    assert not Groups(root).settle()
    assert (root / "cgroup.procs").read_text() == "0", "we went back"


def test_a_worker_gets_a_group_with_its_limits(groups: Groups, root: Path) -> None:
    assert groups.prepare("a", CONFIG) == str(root / "bot.a")
    assert (root / "bot.a" / "memory.max").read_text() == "200000000"
    assert (root / "bot.a" / "cpu.max").read_text() == "50000 100000"


def test_a_changed_limit_is_written_once(groups: Groups, root: Path) -> None:
    groups.prepare("a", CONFIG)
    groups.hold("a", DaemonConfig(memory_limit_mb=50))
    assert (root / "bot.a" / "memory.max").read_text() == "100000000"
    (root / "bot.a" / "memory.max").write_text("untouched")
    groups.hold("a", DaemonConfig(memory_limit_mb=50))
    assert (root / "bot.a" / "memory.max").read_text() == "untouched"


def test_a_kill_reaches_everything_in_the_group(groups: Groups, root: Path) -> None:
    groups.prepare("a", CONFIG)
    groups.kill("a")
    assert (root / "bot.a" / "cgroup.kill").read_text() == "1"


def test_a_worker_of_an_earlier_supervisor_keeps_its_group_and_is_not_killed_with_the_new_one(
    groups: Groups, root: Path
) -> None:
    (root / "bot.a" / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert groups.prepare("a", CONFIG) is None
    groups.kill("a")
    assert groups.ended("a") == ""
    assert (root / "bot.a" / "cgroup.kill").read_text() == ""


def test_the_end_of_a_worker_kills_what_it_left(groups: Groups, root: Path) -> None:
    groups.prepare("a", CONFIG)
    assert groups.ended("a") == ""
    assert (root / "bot.a" / "cgroup.kill").read_text() == "1"


def test_an_end_for_lack_of_memory_is_told_as_that(groups: Groups, root: Path) -> None:
    groups.prepare("a", CONFIG)
    (root / "bot.a" / "memory.events").write_text("max 7\noom 1\noom_kill 1\n")
    assert groups.ended("a") == "ended by the kernel: over 200 MB"


def test_nothing_that_is_missing_raises(tmp_path: Path) -> None:
    groups = Groups(tmp_path / "gone")
    assert not groups.settle()
    assert groups.prepare("a", CONFIG) is None
    groups.hold("a", CONFIG)
    groups.kill("a")
    assert groups.ended("a") == ""


def test_a_group_that_nobody_has_delegated_is_not_used(tmp_path: Path) -> None:
    assert not is_delegated(tmp_path)
    assert delegated_folder(delegated=lambda _folder: False) is None


def limited(config: str, then: str) -> str:
    code = f"""if True:
    import os, resource
    from core.bot_config import DaemonConfig
    from core.process.child_setup import take_limits
    take_limits(DaemonConfig({config}), None)
    print({then})"""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.strip()


LIMITS: list[tuple[str, str, Callable[[], str]]] = [
    ("open_files_limit=100", "resource.getrlimit(resource.RLIMIT_NOFILE)", lambda: "(100, 100)"),
    ("", "resource.getrlimit(resource.RLIMIT_NOFILE)", lambda: str(resource.getrlimit(resource.RLIMIT_NOFILE))),
    ("nice=3", "os.nice(0)", lambda: str(min(19, os.nice(0) + 3))),
    ("memory_limit_mb=32", "resource.getrlimit(resource.RLIMIT_AS)[0]", lambda: str(resource.RLIM_INFINITY)),
]


@pytest.mark.parametrize(("config", "then", "expected"), LIMITS)
def test_a_child_holds_itself_to_its_config(config: str, then: str, expected: Callable[[], str]) -> None:
    assert limited(config, then) == expected()


def test_a_child_joins_the_group_that_it_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("")
    code = f"from core.process.child_setup import *; take_limits(DaemonConfig(), {str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)
    assert (tmp_path / "cgroup.procs").read_text() == "0"


def test_the_doctor_says_which_limits_hold() -> None:
    assert judge_limits(None, ()).text == "no delegated cgroup: memory is watched, processor time only told"
    assert judge_limits(Path("/x"), ("pids", "memory", "io")).text == "cgroup /x fences in: memory, pids"
    assert judge_limits(Path("/x"), ()).level == "ok"


class Fence:
    """Remembers what a supervisor does with the groups of its workers."""

    def __init__(self, why: str = "") -> None:
        self.calls: list[str] = []
        self._why = why

    def prepare(self, name: str, _config: DaemonConfig) -> str:
        self.calls.append(f"prepare {name}")
        return f"/groups/{name}"

    def kill(self, name: str) -> None:
        self.calls.append(f"kill {name}")

    def ended(self, name: str) -> str:
        self.calls.append(f"ended {name}")
        return self._why


def fenced_world(why: str = "") -> tuple[World, Fence]:
    world, fence = World(1, random.Random(1)), Fence(why)
    assert world.fleet is not None
    world.fleet.actions.groups = fence  # type: ignore[assignment]
    world.run(5)
    first = world.of("bot-0")  # forked before there was a fence
    assert first is not None
    world.end(first, None, 9)
    world.run(30)
    del fence.calls[:]
    return world, fence


def test_a_killed_workers_group_is_emptied_before_its_sweep_and_made_anew_for_the_next() -> None:
    world, fence = fenced_world()
    worker = world.of("bot-0")
    assert worker is not None and worker.spec["cgroup"] == "/groups/bot-0"
    world.end(worker, None, 9)
    world.run(60)
    assert fence.calls == ["ended bot-0", "prepare bot-0"]


def test_a_stuck_workers_group_is_killed_after_its_process_group() -> None:
    world, fence = fenced_world()
    worker = world.of("bot-0")
    assert worker is not None
    worker.frozen = True
    world.run(60)
    assert fence.calls[:2] == ["kill bot-0", "ended bot-0"]


def test_a_worker_that_the_kernel_ended_for_its_memory_says_so() -> None:
    world, _fence = fenced_world("ended by the kernel: over 512 MB")
    worker = world.of("bot-0")
    assert worker is not None and world.fleet is not None
    world.end(worker, None, 9)
    world.run(0.5)
    last = world.fleet.bots["bot-0"].last_exit
    assert last is not None and last["reason"] == "ended by the kernel: over 512 MB"
