"""What `logs` shows: chosen by component, level and time, across rotated files, also while it follows."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.log_lines import LEVELS, chosen, since_utc
from core.log_manager import compress_rotated
from tests.cli.conftest import Run
from utils.home import CHECKOUT, Home
from utils.log_components import COMPONENTS

DOOR = CHECKOUT / "core" / "daemon_manager.py"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def entry(event: str, minute: int = 0, **keys: Any) -> dict[str, Any]:
    when = NOW - timedelta(minutes=minute)
    base = {"ts": when.isoformat(timespec="microseconds").replace("+00:00", "Z"), "level": "INFO", "bot": "sol-mm"}
    return {**base, "component": "orders", "event": event, **keys}


def write(path: Path, *entries: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(each) + "\n" for each in entries))


def events(run: Run, *arguments: str) -> list[str]:
    done = run("logs", "sol-mm", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [json.loads(line)["event"] for line in done.stdout.splitlines()]


@pytest.fixture
def history(home: Home) -> Home:
    """A log of three hours: the first compressed, the second rotated, the third live."""
    for hour in (3, 2):
        stamp = (NOW - timedelta(hours=hour - 1)).strftime("%Y%m%dT%H%M%S.%fZ")
        first, second = (entry(f"{word}-{hour}", 60 * hour - minute) for word, minute in (("early", 10), ("late", 50)))
        write(home.log / f"sol-mm.log.{stamp}", first, second | {"level": "ERROR", "component": "risk"})
        if hour == 3:
            compress_rotated(home.log)
    write(home.log / "sol-mm.log", entry("early-1", 50), entry("late-1", 10, level="ERROR", component="risk"))
    return home


def test_lines_since_a_time_come_from_all_files_and_all_of_them(run: Run, history: Home) -> None:
    assert events(run, "--since", "2026-03-01T09:30") == ["late-3", "early-2", "late-2", "early-1", "late-1"]
    assert events(run, "--since", "2026-03-01T12:30:00+02:00") == ["late-2", "early-1", "late-1"]
    assert events(run, "--since", "2026-03-01T09:30", "-n", "2") == ["early-1", "late-1"]
    assert events(run, "--since", "3000-01-01") == []


def test_a_file_that_was_finished_before_is_not_read(run: Run, history: Home) -> None:
    for path in history.log.glob("*.gz"):  # were it read, its line would be shown
        path.write_bytes(gzip.compress(json.dumps(entry("read", 0)).encode()))
    assert events(run, "--since", "2026-03-01T10:30") == ["late-2", "early-1", "late-1"]


def test_since_component_level_and_number_go_together(run: Run, history: Home) -> None:
    chosen_lines = ("--component", "risk", "--level", "ERROR")
    assert events(run, *chosen_lines) == ["late-3", "late-2", "late-1"]
    assert events(run, *chosen_lines, "--since", "2026-03-01T10:00") == ["late-2", "late-1"]
    assert events(run, *chosen_lines, "--since", "2026-03-01T10:00", "-n", "1") == ["late-1"]
    assert events(run, "--component", "orders", "--level", "ERROR") == []


def test_without_since_the_last_twenty_lines_are_shown(run: Run, home: Home) -> None:
    write(home.log / "sol-mm.log", *(entry(str(n)) for n in range(30)))
    assert events(run) == [str(n) for n in range(10, 30)]
    assert len(events(run, "--since", "2026-01-01")) == 30


def test_json_passes_the_lines_as_they_are(run: Run, history: Home) -> None:
    raw = (history.log / "sol-mm.log").read_text()
    assert run("logs", "sol-mm", "--json", "--since", "2026-03-01T11:00").stdout == raw


@pytest.mark.parametrize("word", ["yesterday", "10", "10 m", "-5m", "2026-13-01", "9" * 30 + "d"])
def test_a_time_that_is_none_is_refused_with_what_is_one(run: Run, history: Home, word: str) -> None:
    done = run("logs", "sol-mm", "--since", word)
    assert done.exit_code == 2
    assert "is neither a duration (10m, 2h, 1h30m, 3d) nor a time" in done.stderr


def test_a_component_that_no_line_can_have_is_refused_with_the_list(run: Run, history: Home) -> None:
    done = run("logs", "sol-mm", "--component", "venue")
    assert done.exit_code == 2
    assert all(component in done.stderr for component in COMPONENTS)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10m", "2026-03-01T11:50:00.000000Z"),
        ("2h", "2026-03-01T10:00:00.000000Z"),
        ("1h30m", "2026-03-01T10:30:00.000000Z"),
        ("45s", "2026-03-01T11:59:15.000000Z"),
        ("1w2d", "2026-02-20T12:00:00.000000Z"),
        ("2026-02-28", "2026-02-28T00:00:00.000000Z"),
        ("2026-02-28T08:00:00.5Z", "2026-02-28T08:00:00.500000Z"),
        ("2026-02-28 08:00+01:00", "2026-02-28T07:00:00.000000Z"),
    ],
)
def test_a_duration_counts_back_from_now_and_a_time_is_utc(text: str, meant: str) -> None:
    assert since_utc(text, NOW) == meant


@given(st.sampled_from(LEVELS), st.sampled_from(LEVELS), st.sampled_from(COMPONENTS), st.sampled_from(COMPONENTS))
def test_a_line_is_shown_when_every_choice_allows_it(asked: str, has: str, wanted: str, component: str) -> None:
    line = json.dumps(entry("e", level=has, component=component))
    expected = LEVELS.index(has) >= LEVELS.index(asked) and wanted == component
    assert chosen(wanted, asked, None)(line) == expected
    assert chosen(None, None, None)(line)


@pytest.mark.parametrize("line", ["", "torn {", "3", "[]", '{"event": "no level"}', '{"ts": 5, "level": []}'])
def test_a_torn_or_foreign_line_is_in_no_choice(line: str) -> None:
    assert not chosen(None, "INFO", None)(line)
    assert not chosen(None, None, "2026")(line)
    assert chosen(None, None, None)(line)


def test_following_shows_chosen_lines_only_across_a_rotation_by_hand(run: Run, home: Home) -> None:
    log = home.log / "sol-mm.log"
    write(log, entry("old"), entry("kept", component="risk"))
    command = [sys.executable, str(DOOR), "logs", "sol-mm", "-f", "--component", "risk", "--json"]
    command += ["--since", "2026-01-01", "--home", str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["event"] == "kept"
            assert run("logs", "sol-mm", "--rotate").stdout == "rotated: sol-mm.log\n"
            write(log, entry("no"), entry("new", component="risk"))
            assert json.loads(process.stdout.readline())["event"] == "new"
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def test_rotating_by_hand_begins_new_files_and_keeps_every_line(run: Run, history: Home) -> None:
    (history.log / "sol-mm.out").write_text("printed\n")
    before = events(run, "--since", "2026-01-01")
    done = run("logs", "sol-mm", "--rotate", "--json")
    assert json.loads(done.stdout) == {"rotated": ["sol-mm.log", "sol-mm.out"]}
    assert events(run, "--since", "2026-01-01") == before
    assert not (history.log / "sol-mm.log").exists()
    assert run("logs", "sol-mm", "--rotate").stdout == "rotated: nothing\n"
