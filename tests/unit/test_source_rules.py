"""What must not be written anywhere, because it bit others: shells, timers on the wall clock, threads beside a fork."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.source_parts import calls_in, dotted, last_two, tree_of
from tests.unit.test_import_table import PARENT_SIDE, ROOT, imports_of, sources

SHELLS = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn")
WALL_CLOCKS = ("time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "time.localtime")
# Where the wall clock is written down or shown, and nothing waits for it.
STAMPS = {
    "core.process.worker": "of a reset",
    "core.process.handover": "for people, beside the time since the boot that counts",
    "core.process.metrics": "for the file's reader",
    "core.process.event_desk": "of an event",
    "core.process.fleet_history": "the age of orders that are forgotten",
    "core.trading.clock": "UTC for records",
    "api.base_client": "UTC for signatures and records",
}
FORKERS = ("core.process.zygote", "core.process.venue_checks", "core.process.forked_validator")


def shells_in(tree: ast.AST) -> list[str]:
    found = []
    for called, call in calls_in(tree):
        shell = [one for one in call.keywords if one.arg == "shell" and ast.unparse(one.value) != "False"]
        if last_two(called) in SHELLS or shell:
            found.append(f"{call.lineno}: {called}")
    return found


def timers_in(tree: ast.AST) -> list[str]:
    """Return every mention of the wall clock, called or handed on."""
    mentions = (dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return [name for name in mentions if last_two(name) in WALL_CLOCKS]


def test_nothing_goes_through_a_shell() -> None:
    found = {name: shells for name, path in sources().items() if (shells := shells_in(tree_of(path)))}
    assert found == {}


def test_no_timer_is_on_the_wall_clock() -> None:
    rooms = ("core.process", "core.trading", "api")
    found = {
        name
        for name, path in sources().items()
        if name.startswith(rooms) and not name.startswith("api.simulator") and timers_in(tree_of(path))
    }
    assert found == set(STAMPS)


def test_whatever_forks_has_no_thread_and_whatever_supervises_has_neither() -> None:
    sides = {f"core.process.{name}" for name in PARENT_SIDE}
    threads = ("threading", "concurrent", "asyncio", "multiprocessing", "_thread")
    for name, path in sources().items():
        forks = any(last_two(called) == "os.fork" for called, _ in calls_in(tree_of(path)))
        assert not forks or name in FORKERS, name
        if name in sides or forks:
            assert not [one for one in imports_of(path) if one.partition(".")[0] in threads], name


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.system('ls ' + name)",
        "subprocess.run(text, shell=True)",
        "from subprocess import run\nrun(a, shell=b)",
    ],
)
def test_a_shell_is_noticed(source: str) -> None:
    assert shells_in(ast.parse(source))


@pytest.mark.parametrize("source", ["due = time.time() + 5", "Writer(clock=time.time)", "datetime.datetime.now(UTC)"])
def test_a_timer_on_the_wall_clock_is_noticed(source: str) -> None:
    assert timers_in(ast.parse(source))


def test_the_files_that_the_rules_name_exist() -> None:
    for name in (*STAMPS, *FORKERS):
        assert (Path(ROOT) / (name.replace(".", "/") + ".py")).exists()
