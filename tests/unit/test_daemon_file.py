"""The daemon file: optional, validated like a config, its webhook never resolved before it is sent to."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fleet_config import FleetConfig
from core.registry.config_manager import LoadResult, load_daemon_file, load_folder
from tests.registry_parts import config_with, make_home, put, put_env
from utils.home import CHECKOUT, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def load(home: Home, content: Any, **environ: str) -> LoadResult:
    """Write the daemon file, a text as it is, anything else as JSON, and load it."""
    home.daemon_file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return load_daemon_file(home, {"PATH": "/usr/bin:/bin", **environ})


def complaints(home: Home, content: Any, **environ: str) -> list[str]:
    """Return what is said against a daemon file, none when it is valid."""
    result = load(home, content, **environ)
    said = [str(complaint) for entry in result.invalid for complaint in entry.complaints]
    assert bool(said) == (result.fleet is None)
    return said


def test_without_a_file_everything_has_its_default(home: Home) -> None:
    assert load_daemon_file(home, {}) == LoadResult((), (), fleet=FleetConfig())


def test_an_empty_object_means_the_defaults(home: Home) -> None:
    fleet = load(home, {}).fleet
    assert fleet is not None
    assert dataclasses.replace(fleet, digest="") == FleetConfig()


def test_what_is_given_replaces_its_default_alone(home: Home) -> None:
    fleet = load(
        home, {"supervision": {"parallel_starts": 3}, "alerts": {"hook": ["cat", "-"], "events": ["halt"]}}
    ).fleet
    assert fleet is not None
    assert (fleet.supervision.parallel_starts, fleet.supervision.venue_guard_s) == (3, 5.0)
    assert (fleet.alerts.hook, fleet.alerts.events) == (("cat", "-"), ("halt",))


@given(
    st.integers(1, 1000), st.booleans(), st.lists(st.text(min_size=1), min_size=1), st.floats(1, 86400), st.text("abc")
)
def test_plain_data_and_back_is_the_same(
    starts: int, pause: bool, hook: list[str], interval: float, digest: str
) -> None:
    fleet = FleetConfig(digest=digest)
    fleet = dataclasses.replace(
        fleet,
        supervision=dataclasses.replace(fleet.supervision, parallel_starts=starts, pause_account_on_deaths=pause),
        alerts=dataclasses.replace(fleet.alerts, hook=tuple(hook), webhook_url="${HOOK}"),
        metrics=dataclasses.replace(fleet.metrics, textfile="x.prom", interval_s=interval),
    )
    assert FleetConfig.from_plain(json.loads(json.dumps(fleet.to_plain()))) == fleet


@pytest.mark.parametrize(("value", "enabled"), [("true", True), ("false", False), ("", False)])
def test_the_database_can_be_asked_for_by_its_variable_without_a_file(home: Home, value: str, enabled: bool) -> None:
    fleet = load_daemon_file(home, {"ENABLE_DATABASE": value}).fleet
    assert fleet is not None
    assert (fleet.database.enabled, fleet.database.interval_s) == (enabled, 30.0)


def test_a_file_that_speaks_of_the_database_counts_before_its_variable(home: Home) -> None:
    fleet = load(home, {"database": {"enabled": False}}, ENABLE_DATABASE="true").fleet
    assert fleet is not None and not fleet.database.enabled


def test_a_daemon_that_hands_over_without_a_database_has_none() -> None:
    plain = FleetConfig().to_plain()
    del plain["database"]
    assert FleetConfig.from_plain(plain) == FleetConfig()


def test_all_mistakes_are_told_at_once_with_line_path_expectation_and_nearest_key(home: Home) -> None:
    content = {
        "supervision": {"parallel_starts": 0, "venue_gard_s": 1},
        "alerts": {"events": ["halt", "crashloop"], "min_interval_s": "soon"},
        "metrics": {"interval_s": 0},
        "log": {},
    }
    said = complaints(home, content)
    assert len(said) == 6
    assert said[0].startswith("config/daemon.json:3:")
    assert "supervision.parallel_starts: found 0, expected a whole number from 1 to 1000 (count)" in said[0]
    assert said[1].endswith("nearest known key: venue_guard_s")
    assert 'alerts.events[1]: found "crashloop"' in said[2]
    assert said[2].endswith("nearest known key: crash_loop")
    assert said[5].endswith("nearest known key: logs")


@pytest.mark.parametrize("content", ["[]", "{", "null", '{"alerts": []}', '{"supervision": 5, "metrics": "x"}'])
def test_a_file_of_another_shape_is_told(home: Home, content: str) -> None:
    assert complaints(home, content)


def test_a_dangling_link_is_not_a_missing_file(home: Home) -> None:
    home.daemon_file.symlink_to("nowhere")
    assert load_daemon_file(home, {}).fleet is None


def test_the_first_pause_of_a_venue_is_at_most_the_longest(home: Home) -> None:
    (said,) = complaints(home, {"supervision": {"venue_guard_s": 61}})
    assert "supervision.venue_guard_s: found 61" in said


@pytest.mark.parametrize("command", ["./hook", "no-such-command-here", "/nowhere/hook", __file__])
def test_a_hook_that_cannot_be_run_is_told(home: Home, command: str) -> None:
    (said,) = complaints(home, {"alerts": {"hook": [command, "x"]}})
    assert "alerts.hook[0]: " in said


# ---------------------------------------------------------------- the webhook's address is a secret


def test_a_webhook_stays_a_reference(home: Home) -> None:
    result = load(home, {"alerts": {"webhook_url": "${HOOK}"}}, HOOK="https://example.invalid/swordfish")
    assert result.fleet is not None
    assert result.fleet.alerts.webhook_url == "${HOOK}"
    assert result.secret_names == ("HOOK",)


@pytest.mark.parametrize("url", ["https://example.invalid/swordfish", "${HOOK:-swordfish}", "x${HOOK}"])
def test_a_literal_webhook_is_refused_without_repeating_it(home: Home, url: str) -> None:
    (said,) = complaints(home, {"alerts": {"webhook_url": url}}, HOOK="swordfish")
    assert "alerts.webhook_url: found ***, expected ${NAME}" in said
    assert "swordfish" not in said


def test_a_missing_webhook_variable_is_named(home: Home) -> None:
    put_env(home, "ALERT_HOOK=x\n")
    (said,) = complaints(home, {"alerts": {"webhook_url": "${ALERT_HOK}"}})
    assert "ALERT_HOK to be set in .env" in said
    assert said.endswith("nearest known key: ALERT_HOOK")


def test_a_bots_secret_reaches_no_hook_and_the_webhook_no_bot(home: Home) -> None:
    home.daemon_file.write_text(json.dumps({"alerts": {"hook": ["cat", "${KEY}"], "webhook_url": "${HOOK}"}}))
    put(home, "a.json", config_with(exchange_config={"api_key": "${KEY}", "account": "${HOOK}"}))
    result = load_folder(home.active, home, {"KEY": "hunter2", "HOOK": "swordfish", "PATH": "/bin"})
    said = {entry.file: "\n".join(map(str, entry.complaints)) for entry in result.invalid}
    assert "KEY holds a secret" in said["config/daemon.json"]
    assert "HOOK holds a secret" in said["config/active/a.json"]
    assert result.secret_names == ("HOOK", "KEY")


# ---------------------------------------------------------------- the validator child


def answer(home: Home, *arguments: str) -> dict[str, Any]:
    """Return what the real child says."""
    ended = subprocess.run(
        [sys.executable, "-m", "core.process.validator", "--home", str(home.root), *arguments],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def test_the_child_answers_with_the_fleets_config_beside_the_bots(home: Home) -> None:
    put(home, "a.json", config_with())
    home.daemon_file.write_text('{"supervision": {"parallel_starts": 2}}')
    said = answer(home)
    assert FleetConfig.from_plain(said["daemon"]).supervision.parallel_starts == 2
    assert [bot["name"] for bot in said["bots"]] == ["sol-mm"]


def test_an_invalid_daemon_file_is_told_beside_an_invalid_bot_and_hides_no_other(home: Home) -> None:
    put(home, "a.json", config_with())
    put(home, "b.json", "{")
    home.daemon_file.write_text('{"supervision": {"parallel_starts": -2}}')
    said = answer(home)
    assert said["daemon"] is None
    assert [entry["file"] for entry in said["invalid"]] == ["config/daemon.json", "config/active/b.json"]
    assert [bot["name"] for bot in said["bots"]] == ["sol-mm"]


def test_the_daemon_file_can_be_validated_alone(home: Home) -> None:
    put(home, "b.json", "{")
    home.daemon_file.write_text("{}")
    said = answer(home, "--file", str(home.daemon_file))
    assert (said["bots"], said["invalid"], bool(said["daemon"])) == ([], [], True)
