"""The command `events` as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from utils.home import Home

Run = Callable[..., Result]
BASE = {
    "ts": "2026-01-02T03:04:05.678901Z",
    "daemon": 7,
    "from": None,
    "to": None,
    "reason": "",
    "by": None,
    "alert": None,
}
ROWS: list[dict[str, Any]] = [
    {**BASE, "seq": 1, "kind": "daemon_started", "bot": None, "version": "0.1.0"},
    {**BASE, "seq": 2, "kind": "state", "bot": "a", "from": "RUNNING", "to": "SWEEPING", "then": "FATAL",
     "reason": "boom\x1b[31m", "alert": "crash_loop"},
    {**BASE, "seq": 3, "kind": "command", "bot": None, "verb": "stop", "by": {"uid": 0, "pid": 9}},
    {**BASE, "seq": 4, "kind": "state", "bot": "b", "from": "STOPPED", "to": "STARTING", "reason": ""},
]  # fmt: skip


@pytest.fixture(autouse=True)
def written(home: Home) -> None:
    home.make_folders()
    lines = [*(json.dumps(row) for row in ROWS), '{"seq": 5, "ki']
    (home.log / "events.jsonl").write_text("\n".join(lines))


def shown(result: Result) -> list[int]:
    """Return the numbers of the events in a JSON answer."""
    assert result.exit_code == 0
    return [json.loads(line)["seq"] for line in result.stdout.splitlines()]


def test_the_last_events_are_shown_and_a_torn_line_is_left_out(run: Run) -> None:
    assert shown(run("events", "--json")) == [1, 2, 3, 4]
    assert shown(run("events", "--json", "-n", "2")) == [3, 4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--bot", "a"), [2]),
        (("--kind", "state"), [2, 4]),
        (("--kind", "crash_loop"), [2]),
        (("--kind", "state", "--bot", "b"), [4]),
        (("--bot", "nobody"), []),
    ],
)
def test_events_are_chosen_by_bot_and_by_kind_of_event_or_alert(
    run: Run, options: tuple[str, ...], expected: list[int]
) -> None:
    assert shown(run("events", "--json", *options)) == expected


def test_a_line_for_people_says_when_who_what_and_why(run: Run) -> None:
    lines = run("events").stdout.splitlines()
    assert lines[1].startswith(
        "2026-01-02 03:04:05.678Z a            state!        RUNNING -> SWEEPING (then FATAL) boom"
    )
    assert lines[1].isprintable()
    assert lines[2].endswith("asked by uid=0 pid=9 verb=stop")


def test_no_event_file_is_no_mistake(run: Run, home: Home) -> None:
    (home.log / "events.jsonl").unlink()
    assert shown(run("events", "--json")) == []
