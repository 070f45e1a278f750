"""What the doctor makes of what it sees: tables, no looking."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from core.doctor.clock import OLDEST_S, ClockFacts, judge_clock
from core.doctor.finding import Finding, judged
from core.doctor.home import (
    DaemonFacts,
    DiskFacts,
    Place,
    judge_configs,
    judge_daemon,
    judge_disk,
    judge_left_overs,
    judge_places,
)
from core.doctor.host import (
    PROBES,
    judge_features,
    judge_files,
    judge_kernel,
    judge_memory,
    judge_packages,
    judge_processes,
    judge_python,
)
from core.doctor.venues import Target, targets_of
from core.registry.config_manager import load_plain
from tests.registry_parts import config_with, make_home
from utils.env import Secret

GB = 10**9
NOW = OLDEST_S + 10**7


def levels(*findings: Finding) -> list[str]:
    """Return the levels of findings; whatever is not well says what to do."""
    assert all(bool(finding.todo) == (finding.level != "ok") for finding in findings)
    return [finding.level for finding in findings]


def test_the_worse_advice_sets_the_level() -> None:
    assert judged("a", "b", "mend", "look") == Finding("a", "fail", "b", "mend")
    assert judged("a", "b", "", "look") == Finding("a", "warn", "b", "look")
    assert judged("a", "b") == Finding("a", "ok", "b", "")


@pytest.mark.parametrize(("release", "level"), [("5.3.0", "fail"), ("5.4.0-1-amd64", "ok"), ("6.18.44-x", "ok")])
def test_an_old_kernel_is_refused(release: str, level: str) -> None:
    assert levels(judge_kernel(release)) == [level]


@pytest.mark.parametrize(("version", "level"), [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 14, 0), "fail")])
def test_a_foreign_python_is_refused(version: tuple[int, ...], level: str) -> None:
    assert levels(judge_python(version, "python")) == [level]


def test_missing_packages_and_features_are_named() -> None:
    assert "numpy" in judge_packages(["numpy"]).text
    assert levels(judge_packages([])) == ["ok"]
    found = list(judge_features({"pidfd": "Operation not permitted", "boot id": ""}))
    assert levels(*found) == ["fail", "ok"]
    assert "Operation not permitted" in found[0].text


@pytest.mark.parametrize("name", PROBES)
def test_every_feature_is_there_where_the_tests_run(name: str) -> None:
    PROBES[name]()


@pytest.mark.parametrize(
    ("hard", "bots", "level"),
    [(256, 0, "ok"), (1024, 100, "fail"), (4096, 200, "ok"), (resource.RLIM_INFINITY, 10**6, "ok")],
)
def test_the_limit_of_open_files_fits_the_fleet(hard: int, bots: int, level: str) -> None:
    assert levels(judge_files(hard, bots)) == [level]


@pytest.mark.parametrize(
    ("limit", "own", "bots", "level"),
    [(1000, 10, 10, "ok"), (1000, 990, 10, "warn"), (100, 10, 20, "warn"), (resource.RLIM_INFINITY, 10**6, 9, "ok")],
)
def test_the_limit_of_processes_fits_the_fleet(limit: int, own: int, bots: int, level: str) -> None:
    assert levels(judge_processes(limit, own, bots)) == [level]


@pytest.mark.parametrize(("mb", "bots", "level"), [(1000.0, 10, "ok"), (1000.0, 100, "warn"), (None, 0, "warn")])
def test_the_memory_fits_the_fleet(mb: float | None, bots: int, level: str) -> None:
    assert levels(judge_memory(mb, bots)) == [level]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (ClockFacts(NOW, 0.0, NOW, True, 0.01), ["ok", "ok"]),
        (ClockFacts(NOW, 0.0, None, None), ["ok", "ok"]),
        (ClockFacts(NOW, 0.0, None, False), ["ok", "warn"]),
        (ClockFacts(NOW, 0.2, None, True), ["warn", "ok"]),
        (ClockFacts(NOW, 0.0, NOW + 100, True), ["warn", "ok"]),
        (ClockFacts(0.0, 0.0, NOW, False), ["fail", "warn"]),
    ],
)
def test_the_clock_is_judged_by_age_steps_our_files_and_its_service(facts: ClockFacts, expected: list[str]) -> None:
    assert levels(*judge_clock(facts)) == expected


PRIVATE, STEADY = 0o077, 0o022


@pytest.mark.parametrize(
    ("place", "uid", "level"),
    [
        (Place(Path("/h/.env"), PRIVATE, 0o600, 5), 5, "ok"),
        (Place(Path("/h/.env"), PRIVATE, 0o640, 5), 5, "fail"),
        (Place(Path("/h/.env"), PRIVATE, 0o604, 0), 0, "fail"),
        (Place(Path("/h/.env"), PRIVATE, None), 5, "ok"),
        (Place(Path("/h"), STEADY, 0o755, 5), 5, "ok"),
        (Place(Path("/h"), STEADY, 0o775, 5), 5, "warn"),
        (Place(Path("/h"), STEADY, 0o757, 5), 5, "fail"),
        (Place(Path("/h"), STEADY, 0o755, 6), 5, "fail"),
        (Place(Path("/h"), STEADY, 0o755, 6), 0, "ok"),
    ],
)
def test_what_others_can_read_or_change_is_told_with_its_remedy(place: Place, uid: int, level: str) -> None:
    assert levels(*judge_places([place], uid)) == [level]


def test_the_remedy_takes_away_no_more_than_it_must() -> None:
    (finding,) = judge_places([Place(Path("/h/x"), STEADY, 0o777, 0)], 0)
    assert finding.todo == "chmod 755 /h/x"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DiskFacts("ext4", 50 * GB, 100 * GB, 50, 100), ["ok", "ok"]),
        (DiskFacts("ext4", GB // 2, 100 * GB, 4, 100), ["warn", "warn"]),
        (DiskFacts("ext4", 10**6, 100 * GB, 0, 100), ["fail", "fail"]),
        (DiskFacts("btrfs", 50 * GB, 100 * GB, 0, 0), ["ok"]),
        (DiskFacts("tmpfs", 50 * GB, 100 * GB, 90, 100), ["ok", "ok", "warn"]),
        (None, ["fail"]),
    ],
)
def test_the_room_on_the_disk_is_judged_in_bytes_and_inodes(facts: DiskFacts | None, expected: list[str]) -> None:
    assert levels(*judge_disk(Path("/h"), facts)) == expected


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        (DaemonFacts(7, True), "ok"),
        (DaemonFacts(7, False), "fail"),
        (DaemonFacts(None, False), "ok"),
        (DaemonFacts(None, False, ("makerd.pid", "control.sock")), "warn"),
    ],
)
def test_a_daemon_that_hangs_or_was_killed_is_told(facts: DaemonFacts, level: str) -> None:
    assert levels(judge_daemon(facts)) == [level]


def test_each_invalid_file_is_a_failure_with_its_complaints() -> None:
    entry = {"file": "config/active/x.json", "complaints": [f"line {number}" for number in range(5)]}
    found = list(judge_configs({"invalid": [entry], "bots": [{}]}))
    assert levels(*found) == ["fail", "ok"]
    assert found[0].text == "line 0; line 1; line 2 (and 2 more)"
    assert levels(*judge_configs({"invalid": [], "bots": []})) == ["warn"]


def test_what_bots_left_is_told_unless_they_live() -> None:
    run: dict[str, Any] = {"config": {"legs": [{"exchange": "backpack", "symbol": "SOL-USDC"}]}}
    unclean = [{"name": "a", "run": run}, {"name": "b", "run": None}]
    found = list(judge_left_overs(unclean, daemon_runs=False))
    assert levels(*found) == ["warn", "warn"]
    assert "a did not say that it left no order on backpack SOL-USDC" in found[0].text
    assert list(judge_left_overs(unclean, daemon_runs=True)) == []


# ---------------------------------------------------------------- which venues are tried


def live(name: str, exchange: str, tmp_path: Path, **keys: Any) -> Any:
    """Return the config of a bot on a venue."""
    section = {"feed": ..., **keys}
    plain = config_with(metadata={"name": name, "exchange": exchange}, exchange_config=section)
    return load_plain(plain, "given", make_home(tmp_path / name), {"P": "http://user:swordfish@127.0.0.1:1"})


def test_only_live_configs_and_those_that_name_addresses_are_tried(tmp_path: Path) -> None:
    paper = live("a", "backpack", tmp_path)
    named = live("b", "backpack", tmp_path, base_url="http://127.0.0.1:1", ws_url="ws://127.0.0.1:2")
    embedded = load_plain(config_with(), "given", make_home(tmp_path / "e"), {})
    found = targets_of([paper, named, embedded], {})
    assert [target.url for target in found] == ["http://127.0.0.1:1", "ws://127.0.0.1:2"]


def test_an_address_is_tried_once_for_all_its_bots_and_each_proxy(tmp_path: Path) -> None:
    keys = {"ws_url": "ws://127.0.0.1:2"}
    bots = [live(name, "thalex", tmp_path, **keys) for name in ("a", "b")]
    other = live("c", "thalex", tmp_path, proxy="${P}", **keys)
    found = targets_of([*bots, other], {"P": "http://user:swordfish@127.0.0.1:1"})
    assert [(target.url, target.bots) for target in found] == [
        ("ws://127.0.0.1:2", ("a", "b")),
        ("ws://127.0.0.1:2", ("c",)),
    ]
    assert "swordfish" not in repr(found)


def test_every_live_venue_tells_its_addresses(tmp_path: Path) -> None:
    found = targets_of([live("a", "thalex", tmp_path, ws_url="ws://127.0.0.1:9")], {})
    assert found == [Target("ws://127.0.0.1:9", None, ("a",))]
    assert Target("x", Secret("y"), ()).proxy == Secret("y")
